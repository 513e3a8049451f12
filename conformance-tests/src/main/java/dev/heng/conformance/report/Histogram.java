package dev.heng.conformance.report;

import java.util.Collection;
import java.util.Locale;

/**
 * How errors lie within their bounds, as an inline picture: one bar for each power of two of error over bound, from exact on the left to
 * the bound, and in red what lies beyond it.
 */
final class Histogram {

    /** Below 2^-LOWEST everything that is not exact shares a bar. */
    private static final int LOWEST = 12;

    private static final int BARS = LOWEST + 3;
    private static final int BAR = 14;
    private static final int HEIGHT = 44;

    private Histogram() {}

    /** Returns the picture of these ratios. */
    static String of(Collection<Double> ratios) {
        int[] counts = new int[BARS];
        for (double ratio : ratios) {
            counts[bar(ratio)]++;
        }
        int most = 1;
        for (int count : counts) {
            most = Math.max(most, count);
        }
        StringBuilder svg = new StringBuilder();
        svg.append("<svg class=\"hist\" viewBox=\"0 0 ")
                .append(BARS * BAR)
                .append(' ')
                .append(HEIGHT + 14);
        svg.append("\" role=\"img\" aria-label=\"").append(ratios.size()).append(" error/bound\">");
        for (int bar = 0; bar < BARS; bar++) {
            if (counts[bar] > 0) {
                // Roots, so that one failure beside a thousand passes is seen.
                double height = Math.max(2, HEIGHT * Math.sqrt((double) counts[bar] / most));
                svg.append(String.format(
                        Locale.ROOT,
                        "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"><title>%s: %d</title></rect>",
                        bar == BARS - 1 ? "over" : "bar",
                        bar * BAR + 1,
                        HEIGHT - height,
                        BAR - 2,
                        height,
                        label(bar),
                        counts[bar]));
            }
        }
        svg.append("<line class=\"axis\" x1=\"0\" x2=\"").append(BARS * BAR);
        svg.append("\" y1=\"").append(HEIGHT).append("\" y2=\"").append(HEIGHT).append("\"/>");
        double limit = (BARS - 1) * BAR;
        svg.append(String.format(
                Locale.ROOT,
                "<line class=\"limit\" x1=\"%.0f\" x2=\"%.0f\" y1=\"0\" y2=\"%d\"/>",
                limit,
                limit,
                HEIGHT));
        svg.append("<text x=\"1\" y=\"").append(HEIGHT + 11).append("\">0</text>");
        svg.append("<text x=\"")
                .append((LOWEST / 2 + 2) * BAR)
                .append("\" y=\"")
                .append(HEIGHT + 11)
                .append("\">2⁻⁶</text>");
        svg.append(String.format(
                Locale.ROOT, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">1</text></svg>", limit, HEIGHT + 11));
        return svg.toString();
    }

    /** Bar 0: exact. Bar 1: below 2^-12. Bar k: from 2^(k-14) to twice that. The last one: beyond the bound, or not a number. */
    private static int bar(double ratio) {
        if (!(ratio <= 1)) {
            return BARS - 1;
        }
        if (ratio == 0) {
            return 0;
        }
        int exponent = Math.getExponent(ratio);
        return Math.clamp(exponent + LOWEST + 2L, 1, BARS - 2);
    }

    private static String label(int bar) {
        if (bar == 0) {
            return "0";
        }
        return bar == BARS - 1 ? "> 1" : "< 2^" + (bar - LOWEST - 1);
    }
}
