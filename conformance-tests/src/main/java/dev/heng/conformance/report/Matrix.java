package dev.heng.conformance.report;

import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RunReport;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Cases by operator and type, from executed and declined cases only. */
final class Matrix {

    private Matrix() {}

    /**
     * One operator and type.
     *
     * @param passed cases in PASS
     * @param others cases in other states, as text such as {@code 2 DECLINED}, or {@code -}
     * @param worst the largest error over bound of all its cases
     * @param green whether all its cases are
     * @param cases its cases
     */
    record Cell(
            String op, String dtype, int passed, String others, double worst, boolean green, List<CaseResult> cases) {}

    static List<Cell> of(RunReport report) {
        Map<String, List<CaseResult>> groups = new LinkedHashMap<>();
        for (CaseResult result : report.results()) {
            groups.computeIfAbsent(
                            result.subject().op() + " " + result.subject().dtype(), _ -> new ArrayList<>())
                    .add(result);
        }
        List<Cell> cells = new ArrayList<>();
        for (List<CaseResult> cases : groups.values()) {
            int passed = 0;
            double worst = 0;
            boolean green = true;
            Map<CaseState, Integer> others = new TreeMap<>();
            for (CaseResult result : cases) {
                passed += result.state() == CaseState.PASS ? 1 : 0;
                green &= result.state().isGreen();
                worst = Math.max(worst, result.worstRatio());
                if (result.state() != CaseState.PASS) {
                    others.merge(result.state(), 1, Integer::sum);
                }
            }
            List<String> texts = new ArrayList<>();
            others.forEach((state, count) -> texts.add(count + " " + state));
            cells.add(new Cell(
                    cases.getFirst().subject().op(),
                    cases.getFirst().subject().dtype(),
                    passed,
                    texts.isEmpty() ? "-" : String.join(", ", texts),
                    worst,
                    green,
                    cases));
        }
        return cells;
    }
}
