package dev.heng.conformance.report;

import static dev.heng.conformance.report.TextReports.escaped;

import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.suite.Check;
import java.util.Locale;

/** One page without scripts and without anything to load: a matrix whose rows unfold into cases with bounds and replay lines. */
final class HtmlReport {

    private static final String STYLE = """
            body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:1rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
            h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
            .green{color:#0b6b2f}.red{color:#a40e26}.sim{background:#fff3c4;padding:.5rem 1rem;border-left:4px solid #b58900}
            details{border-bottom:1px solid #d8dee4;padding:.3rem 0}summary{cursor:pointer;display:flex;gap:1rem;flex-wrap:wrap}
            summary b{min-width:11rem}summary span{min-width:8rem}
            details details{margin-left:1rem;font-size:.9em}
            code{font-size:.85em;overflow-wrap:anywhere;background:#f3f4f6;padding:0 .2rem}
            table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #d8dee4;overflow-wrap:anywhere}
            @media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}code{background:#21262d}.green{color:#4ac26b}.red{color:#ff7b72}.sim{background:#3a2f00}}
            """;

    private HtmlReport() {}

    static String of(RunReport report) {
        StringBuilder page = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
                .append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>")
                .append(escaped(TextReports.title(report)))
                .append("</title><style>")
                .append(STYLE)
                .append("</style></head><body>\n<h1>")
                .append(escaped(TextReports.title(report)))
                .append("</h1>\n");
        if (report.isSimulated()) {
            page.append("<p class=\"sim\">SIMULATED: this device is a simulator; nothing here speaks of hardware. ")
                    .append("<span lang=\"zh\">模拟设备:本报告不代表真实硬件。</span></p>\n");
        }
        page.append(report.isGreen() ? "<p class=\"green\"><b>GREEN 通过</b></p>" : "<p class=\"red\"><b>RED 未通过</b>: ")
                .append(report.isGreen() ? "" : escaped(String.join("; ", report.redReasons())) + "</p>");
        environment(page, report);
        heading(page, "Operators by type", "算子与数据类型");
        for (Matrix.Cell cell : Matrix.of(report)) {
            cell(page, cell);
        }
        heading(page, "Rules without a case", "尚无用例的规则");
        page.append("<p>").append(escaped(String.join(", ", report.untested()))).append("</p>\n</body></html>\n");
        return page.toString();
    }

    private static void heading(StringBuilder page, String english, String chinese) {
        page.append("<h2>")
                .append(english)
                .append(" <span lang=\"zh\">")
                .append(chinese)
                .append("</span></h2>\n");
    }

    private static void environment(StringBuilder page, RunReport report) {
        heading(page, "Run", "运行");
        page.append("<table>");
        row(page, "Level 级别", report.request().level().name());
        row(page, "Seed 种子", Long.toString(report.request().seed()));
        row(page, "Suite 套件", report.suiteHash());
        row(page, "Java", Runtime.version().toString());
        if (report.device() != null) {
            report.device().facts().forEach((name, value) -> row(page, name, value));
        }
        if (report.profile() != null) {
            row(page, "Numerics profile 数值特性", report.profile().toString());
        }
        report.counts().forEach((state, count) -> row(page, state.name(), Integer.toString(count)));
        page.append("</table>\n");
    }

    private static void row(StringBuilder page, String name, String value) {
        page.append("<tr><th>")
                .append(escaped(name))
                .append("</th><td>")
                .append(escaped(value))
                .append("</td></tr>");
    }

    private static void cell(StringBuilder page, Matrix.Cell cell) {
        page.append("<details><summary><b>")
                .append(escaped(cell.op()))
                .append("</b><span>")
                .append(escaped(cell.dtype()))
                .append("</span><span class=\"")
                .append(cell.green() ? "green" : "red")
                .append("\">")
                .append(cell.passed())
                .append(" PASS ")
                .append(escaped(cell.others()))
                .append("</span><span>")
                .append(String.format(Locale.ROOT, "worst error/bound %.3g", cell.worst()))
                .append("</span></summary>\n");
        cell.cases().forEach(result -> one(page, result));
        page.append("</details>\n");
    }

    private static void one(StringBuilder page, CaseResult result) {
        page.append("<details><summary><span class=\"")
                .append(result.state().isGreen() ? "green" : "red")
                .append("\">")
                .append(result.state())
                .append("</span><code>")
                .append(escaped(result.subject().id()))
                .append("</code></summary><p>")
                .append(escaped(String.join(", ", result.subject().rules())))
                .append("</p>");
        if (!result.reason().isEmpty()) {
            page.append("<p>").append(escaped(result.reason())).append("</p>");
        }
        for (Check check : result.checks()) {
            Verdict verdict = check.verdict();
            page.append("<p>").append(escaped(check.what() + ": " + verdict)).append("</p>");
        }
        page.append("<p><code>").append(escaped(result.replay())).append("</code></p></details>\n");
    }
}
