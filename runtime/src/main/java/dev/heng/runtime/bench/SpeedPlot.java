package dev.heng.runtime.bench;

import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.Result;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Tokens per second of decoding as an SVG that needs nothing else: on the left against the context, a line for each device and batch; on the right against the batch,
 * a line for each device and context. Bars go from the slowest to the fastest round.
 */
public final class SpeedPlot {

    private static final int WIDTH = 1040;
    private static final int PANEL_WIDTH = 400;
    private static final int PANEL_HEIGHT = 300;
    private static final int TOP = 70;
    private static final int LEFT = 70;
    private static final int GAP = 110;
    private static final int LEGEND_LINE = 16;
    /** Okabe and Ito's colours, which people with every kind of colour vision tell apart. */
    private static final List<String> COLOURS =
            List.of("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f");

    private SpeedPlot() {}

    /**
     * Returns the plot as the text of an SVG file.
     */
    public static String of(BenchReport report) {
        Panel contexts = new Panel("context (tokens)");
        Panel batches = new Panel("batch (sequences)");
        for (Device device : report.devices()) {
            // Two devices may have the same address and other settings.
            String name = device.info().address()
                    + (report.devices().size() > 1 ? " #" + (report.devices().indexOf(device) + 1) : "");
            for (Result result : device.results()) {
                if (result.measurement() instanceof Measurement.Decode decode) {
                    contexts.add(name + ", batch " + decode.batch(), decode.context(), result.tokensPerSecond());
                    batches.add(name + ", context " + decode.context(), decode.batch(), result.tokensPerSecond());
                }
            }
        }
        int legend = TOP + PANEL_HEIGHT + 60;
        int lines = Math.max(contexts.series.size(), batches.series.size());
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
                        + " font-family=\"sans-serif\" font-size=\"12\">\n",
                WIDTH,
                legend + LEGEND_LINE * lines + 10,
                WIDTH,
                legend + LEGEND_LINE * lines + 10));
        svg.append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        text(svg, LEFT, 24, "start", 15, title(report));
        text(
                svg,
                LEFT,
                44,
                "start",
                12,
                "decoding, tokens/s of all sequences together; bars: slowest to fastest of "
                        + report.request().rounds().repeat() + " rounds; "
                        + report.environment().getOrDefault("date", ""));
        contexts.draw(svg, LEFT, legend);
        batches.draw(svg, LEFT + PANEL_WIDTH + GAP, legend);
        return svg.append("</svg>\n").toString();
    }

    private static String title(BenchReport report) {
        BenchRequest request = report.request();
        return (report.isSimulated() ? "SIMULATED: " : "") + request.shape() + ", " + request.layers() + " of "
                + request.config().layers() + " layers, weights " + request.formats() + ", activations "
                + request.activations();
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, int size, String text) {
        svg.append(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\">%s</text>\n",
                x,
                y,
                anchor,
                size,
                escaped(text)));
    }

    private static void line(StringBuilder svg, double x1, double y1, double x2, double y2, String colour) {
        svg.append(String.format(
                Locale.ROOT,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                x1,
                y1,
                x2,
                y2,
                colour));
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    /** Rounds up to 1, 2 or 5 times a power of ten. */
    static double niceStep(double rough) {
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        for (double factor : new double[] {1, 2, 5}) {
            if (rough <= factor * power) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    /** One diagram. */
    private static final class Panel {

        private final String axis;
        private final Map<String, NavigableMap<Integer, Spread>> series = new LinkedHashMap<>();

        Panel(String axis) {
            this.axis = axis;
        }

        void add(String name, int x, Spread y) {
            series.computeIfAbsent(name, _ -> new TreeMap<>()).put(x, y);
        }

        void draw(StringBuilder svg, int left, int legend) {
            int bottom = TOP + PANEL_HEIGHT;
            int most = series.values().stream()
                    .mapToInt(NavigableMap::lastKey)
                    .max()
                    .orElse(0);
            double top = series.values().stream()
                    .flatMap(points -> points.values().stream())
                    .mapToDouble(Spread::maximum)
                    .max()
                    .orElse(1);
            double step = niceStep(top / 6);
            double height = Math.ceil(top / step) * step;
            for (double y = 0; y <= height + step / 2; y += step) {
                double at = bottom - y / height * PANEL_HEIGHT;
                line(svg, left, at, left + PANEL_WIDTH, at, "#dddddd");
                text(
                        svg,
                        left - 6.0,
                        at + 4,
                        "end",
                        11,
                        BigDecimal.valueOf(y)
                                .round(MathContext.DECIMAL32)
                                .stripTrailingZeros()
                                .toPlainString());
            }
            double columnStep = most == 0 ? 1 : niceStep(Math.max(1, most / 6.0));
            double width = Math.max(1, Math.ceil(most / columnStep)) * columnStep;
            for (double x = 0; x <= width + columnStep / 2; x += columnStep) {
                double at = left + x / width * PANEL_WIDTH;
                line(svg, at, bottom, at, bottom + 4, "#444444");
                text(svg, at, bottom + 18, "middle", 11, String.format(Locale.ROOT, "%.0f", x));
            }
            line(svg, left, bottom, left + PANEL_WIDTH, bottom, "#444444");
            line(svg, left, TOP, left, bottom, "#444444");
            text(svg, left + PANEL_WIDTH / 2.0, bottom + 36, "middle", 12, axis);
            int index = 0;
            for (Map.Entry<String, NavigableMap<Integer, Spread>> one : series.entrySet()) {
                String colour = COLOURS.get(index % COLOURS.size());
                drawSeries(svg, one.getValue(), colour, left, bottom, width, height);
                double y = legend + (double) LEGEND_LINE * index;
                svg.append(String.format(
                        Locale.ROOT, "<circle cx=\"%d\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", left + 5, y - 4, colour));
                text(svg, left + 16, y, "start", 12, one.getKey());
                index++;
            }
        }

        private static void drawSeries(
                StringBuilder svg,
                NavigableMap<Integer, Spread> points,
                String colour,
                int left,
                int bottom,
                double width,
                double height) {
            List<String> path = new ArrayList<>();
            points.forEach((x, spread) -> {
                double at = left + x / width * PANEL_WIDTH;
                double low = bottom - spread.minimum() / height * PANEL_HEIGHT;
                double middle = bottom - spread.median() / height * PANEL_HEIGHT;
                double high = bottom - spread.maximum() / height * PANEL_HEIGHT;
                line(svg, at, low, at, high, colour);
                svg.append(String.format(
                        Locale.ROOT, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", at, middle, colour));
                path.add(String.format(Locale.ROOT, "%.1f,%.1f", at, middle));
            });
            svg.append(String.format(
                    Locale.ROOT,
                    "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"%s\"/>\n",
                    colour,
                    String.join(" ", path)));
        }
    }
}
