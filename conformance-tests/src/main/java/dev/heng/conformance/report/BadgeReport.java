package dev.heng.conformance.report;

import static dev.heng.conformance.report.TextReports.escaped;

import dev.heng.conformance.run.CaseState;

/** A badge for a project's page: what passed of what was asked, in colour. */
final class BadgeReport {

    /** Width of one character of the badge's font at its size, in pixels; textLength makes it exact. */
    private static final double CHARACTER = 6.6;

    private BadgeReport() {}

    static String of(ReportDocument document) {
        long passed = document.cases().stream()
                .filter(one -> one.state() == CaseState.PASS)
                .count();
        String address = document.environment().device().address();
        String label =
                "heng parity" + (address.isEmpty() ? "" : " " + address) + (document.simulated() ? " simulated" : "");
        String value = (document.green() ? "" : "red, ") + passed + "/"
                + document.cases().size() + " " + document.request().level().toLowerCase(java.util.Locale.ROOT);
        String colour = "#b42318";
        if (document.green()) {
            colour = document.simulated() ? "#8a6d00" : "#1a7f37";
        }
        int left = (int) Math.ceil(label.length() * CHARACTER) + 12;
        int right = (int) Math.ceil(value.length() * CHARACTER) + 12;
        String title = escaped(label + ": " + value);
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + (left + right)
                + "\" height=\"20\" role=\"img\" aria-label=\""
                + title + "\"><title>" + title + "</title><clipPath id=\"r\"><rect width=\"" + (left + right)
                + "\" height=\"20\" rx=\"3\"/></clipPath><g clip-path=\"url(#r)\"><rect width=\"" + left
                + "\" height=\"20\" fill=\"#444c56\"/><rect x=\"" + left + "\" width=\"" + right
                + "\" height=\"20\" fill=\""
                + colour + "\"/></g><g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
                + text(label, 6, left - 12) + text(value, left + 6, right - 12) + "</g></svg>\n";
    }

    private static String text(String text, int x, int width) {
        return "<text x=\"" + x + "\" y=\"14\" textLength=\"" + width + "\">" + escaped(text) + "</text>";
    }
}
