package dev.heng.conformance.report;

import dev.heng.conformance.run.CaseState;
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
            String op,
            String dtype,
            int passed,
            String others,
            double worst,
            boolean green,
            List<ReportDocument.Case> cases) {}

    static List<Cell> of(ReportDocument report) {
        Map<String, List<ReportDocument.Case>> groups = new LinkedHashMap<>();
        for (ReportDocument.Case one : report.cases()) {
            groups.computeIfAbsent(one.op() + " " + one.dtype(), _ -> new ArrayList<>())
                    .add(one);
        }
        List<Cell> cells = new ArrayList<>();
        for (List<ReportDocument.Case> cases : groups.values()) {
            int passed = 0;
            double worst = 0;
            boolean green = true;
            Map<CaseState, Integer> others = new TreeMap<>();
            for (ReportDocument.Case one : cases) {
                passed += one.state() == CaseState.PASS ? 1 : 0;
                green &= one.state().isGreen();
                worst = Math.max(worst, one.worstRatio());
                if (one.state() != CaseState.PASS) {
                    others.merge(one.state(), 1, Integer::sum);
                }
            }
            List<String> texts = new ArrayList<>();
            others.forEach((state, count) -> texts.add(count + " " + state));
            cells.add(new Cell(
                    cases.getFirst().op(),
                    cases.getFirst().dtype(),
                    passed,
                    texts.isEmpty() ? "-" : String.join(", ", texts),
                    worst,
                    green,
                    cases));
        }
        return cells;
    }
}
