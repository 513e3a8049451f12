package dev.heng.conformance.report;

import dev.heng.conformance.run.CaseState;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What changed from one report to another.
 *
 * @param regressions what became worse, each with its case; copied
 * @param improvements what became better; copied
 * @param notes what makes the two less comparable, and changes that are neither; copied
 */
public record ReportDiff(List<String> regressions, List<String> improvements, List<String> notes) {

    /**
     * A pass whose error over bound grows by this factor is a regression although it passes: with one seed the inputs are the same, so the
     * kernel is not. It judges no backend; a slower change than this shows over several reports.
     */
    static final double RATIO_GROWTH = 2;

    /** Errors below this part of their bound may move freely. */
    static final double RATIO_FLOOR = 0.25;

    public ReportDiff {
        regressions = List.copyOf(regressions);
        improvements = List.copyOf(improvements);
        notes = List.copyOf(notes);
    }

    /** Compares. */
    public static ReportDiff of(ReportDocument before, ReportDocument after) {
        List<String> regressions = new ArrayList<>();
        List<String> improvements = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        differs(
                "device",
                before.environment().device().address(),
                after.environment().device().address(),
                notes);
        differs("level", before.request().level(), after.request().level(), notes);
        differs("cases", before.request().pattern(), after.request().pattern(), notes);
        differs("seed", "" + before.request().seed(), "" + after.request().seed(), notes);
        differs("suite", before.environment().suiteHash(), after.environment().suiteHash(), notes);
        boolean sameInputs = before.request().seed() == after.request().seed();
        if (before.green() && !after.green()) {
            regressions.add("the run is no longer green: " + String.join("; ", after.redReasons()));
        }
        Map<String, ReportDocument.Case> old = byId(before);
        Map<String, ReportDocument.Case> now = byId(after);
        old.forEach((id, one) -> {
            ReportDocument.Case next = now.get(id);
            if (next == null) {
                regressions.add("vanished, was " + one.state() + ": " + id);
            } else {
                compare(one, next, sameInputs, regressions, improvements, notes);
            }
        });
        now.forEach((id, one) -> {
            if (!old.containsKey(id)) {
                if (one.state().isGreen()) {
                    notes.add("new, " + one.state() + ": " + id);
                } else {
                    regressions.add("new, " + one.state() + ": " + id + ": " + one.reason());
                }
            }
        });
        return new ReportDiff(regressions, improvements, notes);
    }

    private static void differs(String what, String before, String after, List<String> notes) {
        if (!before.equals(after)) {
            notes.add("another " + what + ": '" + before + "', then '" + after + "'");
        }
    }

    private static Map<String, ReportDocument.Case> byId(ReportDocument document) {
        Map<String, ReportDocument.Case> cases = new LinkedHashMap<>();
        document.cases().forEach(one -> cases.put(one.id(), one));
        return cases;
    }

    private static void compare(
            ReportDocument.Case before,
            ReportDocument.Case after,
            boolean sameInputs,
            List<String> regressions,
            List<String> improvements,
            List<String> notes) {
        int change = Integer.compare(rank(after.state()), rank(before.state()));
        String states = before.state() + " to " + after.state() + ": " + after.id();
        if (change > 0) {
            regressions.add(states + (after.reason().isEmpty() ? "" : ": " + after.reason()));
        } else if (change < 0) {
            improvements.add(states);
        } else if (before.state() == CaseState.PASS && sameInputs) {
            String ratios = String.format(
                    Locale.ROOT, "error/bound %.3g to %.3g: %s", before.worstRatio(), after.worstRatio(), after.id());
            if (after.worstRatio() > Math.max(RATIO_FLOOR, RATIO_GROWTH * before.worstRatio())) {
                regressions.add(ratios);
            } else if (before.worstRatio() > Math.max(RATIO_FLOOR, RATIO_GROWTH * after.worstRatio())) {
                improvements.add(ratios);
            }
        } else if (!before.reason().equals(after.reason()) && before.state() != CaseState.PASS) {
            notes.add("still " + after.state() + ", for another reason: " + after.id() + ": " + after.reason());
        }
    }

    /** The further from a pass, the higher. */
    private static int rank(CaseState state) {
        return switch (state) {
            case PASS -> 0;
            case WAIVED -> 1;
            case DECLINED -> 2;
            case UNTESTED -> 3;
            case UNTRUSTED -> 4;
            case FAIL -> 5;
            case ERROR -> 6;
            case TIMEOUT -> 7;
            case CRASH -> 8;
        };
    }

    /** Returns all of it, a line each, regressions first. */
    public String text() {
        StringBuilder text = new StringBuilder();
        regressions.forEach(line -> text.append("REGRESSION ").append(line).append('\n'));
        improvements.forEach(line -> text.append("IMPROVEMENT ").append(line).append('\n'));
        notes.forEach(line -> text.append("NOTE ").append(line).append('\n'));
        return text.append(regressions.size())
                .append(" regressions, ")
                .append(improvements.size())
                .append(" improvements\n")
                .toString();
    }
}
