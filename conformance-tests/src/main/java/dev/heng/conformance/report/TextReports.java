package dev.heng.conformance.report;

import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.Shrunk;
import java.util.Locale;

/** The reports that are plain text: a table for spreadsheets, a page for a merge request, JUnit's XML for CI. */
final class TextReports {

    private TextReports() {}

    static String title(RunReport report) {
        String device = report.device() == null
                ? report.request().backend()
                : report.device().address() + " (" + report.device().name() + ")";
        return "Parity of " + device + (report.isSimulated() ? " [SIMULATED]" : "");
    }

    static String csv(RunReport report) {
        StringBuilder text = new StringBuilder("id,op,dtype,level,state,worst_ratio,milliseconds,reason,replay\n");
        for (CaseResult result : report.results()) {
            text.append(String.join(
                            ",",
                            quoted(result.subject().id()),
                            quoted(result.subject().op()),
                            quoted(result.subject().dtype()),
                            result.subject().level().name(),
                            result.state().name(),
                            Double.toString(result.worstRatio()),
                            Long.toString(result.milliseconds()),
                            quoted(result.reason()),
                            quoted(result.replay())))
                    .append('\n');
        }
        return text.toString();
    }

    private static String quoted(String text) {
        return '"' + text.replace("\"", "\"\"").replace('\n', ' ') + '"';
    }

    static String markdown(RunReport report, ReportDocument document) {
        StringBuilder text = new StringBuilder("# ").append(title(report)).append("\n\n");
        text.append(report.isGreen() ? "**GREEN**" : "**RED**: " + String.join("; ", report.redReasons()))
                .append("\n\nLevel ")
                .append(report.request().level())
                .append(", seed ")
                .append(report.request().seed())
                .append(", suite ")
                .append(report.suiteHash(), 0, 12)
                .append("\n\n| state | cases |\n|---|---|\n");
        report.counts()
                .forEach((state, count) -> text.append("| ")
                        .append(state)
                        .append(" | ")
                        .append(count)
                        .append(" |\n"));
        text.append(
                "\n## Operators\n\n| operator | type | passed | other | worst error/bound |\n|---|---|---|---|---|\n");
        for (Matrix.Cell cell : Matrix.of(document)) {
            text.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %d | %s | %.3g |\n",
                    cell.op(),
                    cell.dtype(),
                    cell.passed(),
                    cell.others(),
                    cell.worst()));
        }
        text.append("\n## Cases that are not green\n\n");
        for (CaseResult result : report.results()) {
            if (!result.state().isGreen()) {
                text.append("- ")
                        .append(result.state())
                        .append(" `")
                        .append(result.subject().id())
                        .append("`: ")
                        .append(result.reason())
                        .append("\n  `")
                        .append(result.replay())
                        .append("`\n");
                if (result.shrunk() != null) {
                    text.append("  smallest that fails")
                            .append(searched(result.shrunk()))
                            .append(": `")
                            .append(result.shrunk().replay())
                            .append("`\n");
                }
            }
        }
        text.append("\n## Rules without a case\n\n")
                .append(String.join(", ", report.untested()))
                .append('\n');
        return text.toString();
    }

    private static String searched(Shrunk shrunk) {
        return " (" + shrunk.tried() + " shapes tried" + (shrunk.minimal() ? "" : ", not all") + ")";
    }

    static String junit(RunReport report) {
        StringBuilder text = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        long failures = report.results().stream()
                .filter(result -> result.state() == CaseState.FAIL)
                .count();
        long declined = report.results().stream()
                .filter(result -> result.state() == CaseState.DECLINED)
                .count();
        long others = report.results().stream()
                        .filter(result -> !result.state().isGreen())
                        .count()
                - failures;
        // The run itself is a test, so that a run in which nothing was executed is red in CI too.
        boolean red = !report.isGreen();
        text.append("<testsuite name=\"")
                .append(escaped(title(report)))
                .append("\" tests=\"")
                .append(report.results().size() + 1)
                .append("\" failures=\"")
                .append(failures + (red ? 1 : 0))
                .append("\" errors=\"")
                .append(others)
                .append("\" skipped=\"")
                .append(declined)
                .append("\">\n  <testcase classname=\"parity\" name=\"the run is green\">");
        if (red) {
            text.append("<failure message=\"")
                    .append(escaped(String.join("; ", report.redReasons())))
                    .append("\"/>");
        }
        text.append("</testcase>\n");
        for (CaseResult result : report.results()) {
            text.append("  <testcase classname=\"parity.")
                    .append(escaped(result.subject().op()))
                    .append("\" name=\"")
                    .append(escaped(result.subject().id()))
                    .append("\" time=\"")
                    .append(result.milliseconds() / 1000.0)
                    .append("\">");
            String element = switch (result.state()) {
                case PASS, WAIVED -> "";
                case FAIL -> "failure";
                case DECLINED -> "skipped";
                case ERROR, TIMEOUT, CRASH, UNTRUSTED, UNTESTED -> "error";
            };
            if (!element.isEmpty()) {
                text.append('<')
                        .append(element)
                        .append(" message=\"")
                        .append(escaped(result.state() + ": " + result.reason() + " | " + result.replay()
                                + (result.shrunk() == null
                                        ? ""
                                        : " | smallest: " + result.shrunk().replay())))
                        .append("\"/>");
            }
            text.append("</testcase>\n");
        }
        return text.append("</testsuite>\n").toString();
    }

    /** Escapes text for XML and HTML; characters that XML cannot hold become U+FFFD. */
    static String escaped(String text) {
        StringBuilder escaped = new StringBuilder();
        text.codePoints().forEach(point -> {
            switch (point) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                default -> escaped.appendCodePoint(point < ' ' && point != '\n' && point != '\t' ? 0xfffd : point);
            }
        });
        return escaped.toString();
    }
}
