package dev.heng.conformance.report;

import static dev.heng.conformance.report.TextReports.escaped;

import dev.heng.conformance.run.CaseState;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One page with nothing to load, in English and Chinese: verdicts, the matrix of operators, types and backends, the distribution of
 * errors, the environment, and every case with its bounds and replay line. Without scripts everything is shown, in English.
 */
final class HtmlReport {

    private final List<ReportDocument> documents;
    private final StringBuilder page = new StringBuilder();

    private HtmlReport(List<ReportDocument> documents) {
        this.documents = documents;
    }

    /** Returns the page of one report or more, a column each. */
    static String of(List<ReportDocument> documents) {
        return new HtmlReport(documents).render();
    }

    private static String resource(String name) {
        try (InputStream file = HtmlReport.class.getResourceAsStream(name)) {
            if (file == null) {
                throw new IllegalStateException("the build left out " + name);
            }
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns text in both languages, of which the page shows one. */
    private static String both(String english, String chinese) {
        return "<span lang=\"en\">" + english + "</span><span lang=\"zh\">" + chinese + "</span>";
    }

    private String render() {
        String title =
                documents.size() == 1 ? documents.getFirst().title() : "Parity of " + documents.size() + " backends";
        page.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
                .append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>")
                .append(escaped(title))
                .append("</title><style>")
                .append(resource("page.css"))
                .append("</style></head><body data-lang=\"en\">\n<header><h1>")
                .append(escaped(title))
                .append("</h1><button id=\"language\" type=\"button\">中文</button></header>\n<main>");
        page.append("<div class=\"verdicts\">");
        documents.forEach(this::verdict);
        page.append("</div>\n");
        matrix();
        cases();
        documents.forEach(this::environment);
        documents.forEach(this::untested);
        page.append("</main><script>").append(resource("page.js")).append("</script></body></html>\n");
        return page.toString();
    }

    private void verdict(ReportDocument document) {
        page.append("<section class=\"verdict ")
                .append(document.green() ? "green" : "red")
                .append("\">");
        if (document.simulated()) {
            page.append("<p class=\"sim\">")
                    .append(both(
                            "SIMULATED: this device is a simulator; nothing here speaks of hardware.",
                            "模拟设备：本报告不代表真实硬件。"))
                    .append("</p>");
        }
        page.append("<p class=\"big\">")
                .append(document.green() ? both("GREEN", "通过") : both("RED", "未通过"))
                .append(" <small>")
                .append(escaped(name(document)))
                .append("</small></p><p class=\"meta\">")
                .append(both("level ", "级别 "))
                .append(document.request().level().toLowerCase(Locale.ROOT))
                .append(" · ")
                .append(both("seed ", "种子 "))
                .append(document.request().seed())
                .append(" · ")
                .append(escaped(document.created().replace('T', ' ')))
                .append("</p><ul class=\"counts\">");
        for (CaseState state : CaseState.values()) {
            int count = document.counts().getOrDefault(state.name(), 0);
            if (count > 0) {
                page.append("<li class=\"")
                        .append(style(state))
                        .append("\"><b>")
                        .append(count)
                        .append("</b> ")
                        .append(both(state.name(), chinese(state)))
                        .append("</li>");
            }
        }
        page.append("</ul>");
        if (!document.green()) {
            page.append("<ul class=\"reasons\">");
            document.redReasons()
                    .forEach(reason ->
                            page.append("<li>").append(escaped(reason)).append("</li>"));
            page.append("</ul>");
        }
        page.append("</section>");
    }

    private static String name(ReportDocument document) {
        String address = document.environment().device().address();
        return address.isEmpty() ? document.request().backend() : address;
    }

    private static String style(CaseState state) {
        return switch (state) {
            case PASS -> "pass";
            case DECLINED, WAIVED -> "said";
            case FAIL, ERROR, TIMEOUT, CRASH, UNTRUSTED, UNTESTED -> "bad";
        };
    }

    private static String chinese(CaseState state) {
        return switch (state) {
            case PASS -> "通过";
            case FAIL -> "失败";
            case DECLINED -> "不支持";
            case WAIVED -> "豁免";
            case ERROR -> "错误";
            case TIMEOUT -> "超时";
            case CRASH -> "崩溃";
            case UNTRUSTED -> "不可信";
            case UNTESTED -> "未测";
        };
    }

    /** Returns the cells by operator, in the order of first sight, and for each operator by document. */
    private Map<String, List<List<Matrix.Cell>>> byOperator() {
        Map<String, List<List<Matrix.Cell>>> rows = new LinkedHashMap<>();
        for (int column = 0; column < documents.size(); column++) {
            for (Matrix.Cell cell : Matrix.of(documents.get(column))) {
                List<List<Matrix.Cell>> row = rows.computeIfAbsent(cell.op(), _ -> {
                    List<List<Matrix.Cell>> empty = new ArrayList<>();
                    documents.forEach(_ -> empty.add(new ArrayList<>()));
                    return empty;
                });
                row.get(column).add(cell);
            }
        }
        return rows;
    }

    private void matrix() {
        page.append("<h2>")
                .append(both("Operators, types, backends", "算子 × 数据类型 × 后端"))
                .append("</h2><p class=\"hint\">")
                .append(both(
                        "Each tile: type, cases passed, worst error over bound. Darker is nearer to the bound.",
                        "每格：数据类型、通过的用例数、最大“误差/界”。颜色越深越接近界限。"))
                .append("</p><div class=\"scroll\"><table class=\"matrix\"><thead><tr><th>")
                .append(both("operator", "算子"))
                .append("</th>");
        for (ReportDocument document : documents) {
            page.append("<th>").append(escaped(name(document))).append("</th>");
        }
        page.append("<th>").append(both("error / bound", "误差 / 界")).append("</th></tr></thead><tbody>\n");
        byOperator().forEach((op, row) -> {
            page.append("<tr><th>").append(escaped(op)).append("</th>");
            List<Double> ratios = new ArrayList<>();
            for (int column = 0; column < row.size(); column++) {
                // On a narrow screen columns lie under each other and need their names.
                page.append("<td data-name=\"")
                        .append(documents.size() > 1 ? escaped(name(documents.get(column))) : "")
                        .append("\">");
                for (Matrix.Cell cell : row.get(column)) {
                    tile(cell, column);
                    cell.cases().forEach(one -> one.checks().forEach(check -> ratios.add(check.ratio())));
                }
                page.append("</td>");
            }
            page.append("<td class=\"plot\">")
                    .append(ratios.isEmpty() ? "" : Histogram.of(ratios))
                    .append("</td></tr>\n");
        });
        page.append("</tbody></table></div>\n");
    }

    private void tile(Matrix.Cell cell, int column) {
        String kind = "t-red";
        if (cell.green()) {
            kind = cell.passed() == 0 ? "t-said" : "t-" + shade(cell.worst());
        }
        page.append("<a class=\"tile ")
                .append(kind)
                .append("\" href=\"#")
                .append(anchor(cell, column))
                .append("\"><b>")
                .append(escaped(cell.dtype()))
                .append("</b> ")
                .append(cell.passed())
                .append('/')
                .append(cell.cases().size())
                .append(" <i>")
                .append(cell.passed() == 0 ? "–" : ratio(cell.worst()))
                .append("</i></a>");
    }

    /** Returns how near to the bound, in four steps. */
    private static int shade(double worst) {
        if (worst == 0) {
            return 0;
        }
        if (worst < 0.1) {
            return 1;
        }
        return worst < 0.5 ? 2 : 3;
    }

    private static String ratio(double ratio) {
        if (ratio == 0) {
            return "0";
        }
        return Double.isFinite(ratio) ? String.format(Locale.ROOT, "%.2g", ratio) : "∞";
    }

    private static String anchor(Matrix.Cell cell, int column) {
        return "c" + column + "-" + (cell.op() + "-" + cell.dtype()).replaceAll("[^A-Za-z0-9-]", "_");
    }

    private void cases() {
        page.append("<h2>")
                .append(both("Cases", "用例"))
                .append("</h2><p class=\"filters\"><label>")
                .append(both("find ", "查找 "))
                .append(
                        "<input id=\"find\" type=\"search\" size=\"24\"></label> <label><input id=\"bad\" type=\"checkbox\"> ")
                .append(both("only what is not green", "只看未通过"))
                .append("</label></p>\n");
        for (int column = 0; column < documents.size(); column++) {
            if (documents.size() > 1) {
                page.append("<h3>").append(escaped(name(documents.get(column)))).append("</h3>");
            }
            for (Matrix.Cell cell : Matrix.of(documents.get(column))) {
                cell(cell, column);
            }
        }
    }

    private void cell(Matrix.Cell cell, int column) {
        page.append("<details class=\"cell\" id=\"")
                .append(anchor(cell, column))
                .append("\"><summary><b>")
                .append(escaped(cell.op()))
                .append("</b> <span>")
                .append(escaped(cell.dtype()))
                .append("</span> <span class=\"")
                .append(cell.green() ? "pass" : "bad")
                .append("\">")
                .append(cell.passed())
                .append('/')
                .append(cell.cases().size())
                .append("</span> <span class=\"meta\">")
                .append(cell.others().equals("-") ? "" : escaped(cell.others()))
                .append("</span> <span class=\"meta\">")
                .append(ratio(cell.worst()))
                .append("</span></summary>\n");
        cell.cases().forEach(this::one);
        page.append("</details>\n");
    }

    private void one(ReportDocument.Case one) {
        page.append("<details class=\"case\" data-state=\"")
                .append(one.state().isGreen() ? "green" : "red")
                .append("\"><summary><span class=\"")
                .append(style(one.state()))
                .append("\">")
                .append(both(one.state().name(), chinese(one.state())))
                .append("</span> <code>")
                .append(escaped(one.id()))
                .append("</code></summary><p class=\"meta\">")
                .append(escaped(String.join(", ", one.rules())))
                .append(one.mandatory() ? " · " + both("mandatory", "必测") : "")
                .append(" · ")
                .append(one.milliseconds())
                .append(" ms</p>");
        if (!one.reason().isEmpty()) {
            page.append("<p>").append(escaped(one.reason())).append("</p>");
        }
        List<ReportDocument.Comparison> shown = shown(one);
        for (ReportDocument.Comparison check : shown) {
            comparison(check);
        }
        if (shown.size() < one.checks().size()) {
            int more = one.checks().size() - shown.size();
            page.append("<p class=\"meta\">")
                    .append(both(
                            more + " more comparisons, all nearer, are in parity.json",
                            "另有 " + more + " 项误差更小的比较，见 parity.json"))
                    .append("</p>");
        }
        page.append("<pre>").append(escaped(one.replay())).append("</pre>");
        if (one.shrunk() != null) {
            smallest(one.shrunk());
        }
        page.append("</details>\n");
    }

    private void smallest(ReportDocument.Smallest smallest) {
        String tried = Integer.toString(smallest.tried());
        page.append("<p>")
                .append(both("Smallest shape that fails so", "同样失败的最小形状"))
                .append(" <span class=\"meta\">")
                .append(
                        smallest.minimal()
                                ? both(
                                        tried + " shapes tried; with one less of any dimension it does not",
                                        "试了 " + tried + " 种形状；任一维度再减一则不再如此")
                                : both(tried + " shapes tried, until time ran out", "试了 " + tried + " 种形状，时限已到"))
                .append("</span></p><p>")
                .append(escaped(smallest.reason()))
                .append("</p><pre>")
                .append(escaped(smallest.replay()))
                .append("</pre>");
    }

    /** Returns the comparisons that failed and the worst of the others. */
    private static List<ReportDocument.Comparison> shown(ReportDocument.Case one) {
        List<ReportDocument.Comparison> shown = new ArrayList<>(one.checks().stream()
                .filter(check -> !check.outcome().equals("PASS"))
                // Both runs of a case, over unlike poisons, most often find the same.
                .distinct()
                .limit(5)
                .toList());
        one.checks().stream()
                .filter(check -> check.outcome().equals("PASS"))
                .max((left, right) -> Double.compare(left.ratio(), right.ratio()))
                .ifPresent(shown::add);
        return shown;
    }

    private void comparison(ReportDocument.Comparison check) {
        page.append("<table class=\"check\"><tr><th colspan=\"2\" class=\"")
                .append(check.outcome().equals("FAIL") ? "bad" : "pass")
                .append("\">")
                .append(escaped(check.what() + ": " + check.outcome()))
                .append("</th></tr>");
        field(both("error / bound", "误差 / 界"), ratio(check.ratio()) + " = " + check.error() + " / " + check.bound());
        if (check.index() >= 0) {
            field(both("worst element", "最差元素"), Long.toString(check.index()));
            field(both("expected", "期望"), check.expected() + bits(check.expectedBits()));
            field(both("got", "实得"), check.got() + bits(check.gotBits()));
        }
        field(both("says", "说明"), check.message());
        field(both("formula", "公式") + " " + escaped(check.formula()), check.formulaText());
        page.append("</table>");
    }

    private static String bits(String bits) {
        return bits.isEmpty() ? "" : " (" + bits + ")";
    }

    private void field(String name, String value) {
        page.append("<tr><th>")
                .append(name)
                .append("</th><td>")
                .append(escaped(value))
                .append("</td></tr>");
    }

    private void environment(ReportDocument document) {
        ReportDocument.Surroundings around = document.environment();
        page.append("<h2>")
                .append(both("Environment", "环境"))
                .append(" <small>")
                .append(escaped(name(document)))
                .append("</small></h2><table class=\"environment\">");
        field(both("device", "设备"), around.device().name());
        around.device().facts().forEach((name, value) -> field(escaped(name), value));
        field(both("numerics profile", "数值特性"), around.profile().replace("], ", "],\n"));
        field("Heng", around.heng());
        field("SPI", around.spi());
        field(both("suite", "测试集"), around.suiteHash());
        field("Java", around.java());
        field(both("system", "系统"), around.os());
        field(both("processor", "处理器"), around.cpu());
        page.append("</table><details><summary>")
                .append(both("libraries and their SHA-256", "程序库及其 SHA-256"))
                .append(" (")
                .append(around.libraries().size())
                .append(")</summary><table class=\"environment\">");
        around.libraries().forEach((name, hash) -> field(escaped(name), hash));
        page.append("</table></details>\n");
    }

    private void untested(ReportDocument document) {
        page.append("<h2>")
                .append(both("Rules without a case", "尚无用例的规则"))
                .append(" <small>")
                .append(document.untested().size())
                .append("</small></h2><p class=\"meta\">")
                .append(escaped(String.join(", ", document.untested())))
                .append("</p>\n");
    }
}
