package dev.heng.runtime.bench;

import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.MeasuredCeiling;
import dev.heng.runtime.bench.BenchReport.Result;
import dev.heng.spi.Ceiling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A report as a table for people. */
final class ReportText {

    private static final String ABSENT = "-";

    private ReportText() {}

    static String of(BenchReport report) {
        StringBuilder text = new StringBuilder();
        BenchRequest request = report.request();
        if (report.isSimulated()) {
            text.append("SIMULATED: a device is a simulator; these times are not a device's\n");
        }
        text.append(String.format(
                Locale.ROOT,
                "shape %s, %d of %d layers, weights %s, activations %s, seed %d, %d rounds after %d of warm-up%n",
                request.shape(),
                request.layers(),
                request.config().layers(),
                request.formats(),
                request.activations(),
                request.rounds().seed(),
                request.rounds().repeat(),
                request.rounds().warmup()));
        for (Map.Entry<String, String> fact : report.environment().entrySet()) {
            text.append("  ")
                    .append(fact.getKey())
                    .append(' ')
                    .append(fact.getValue())
                    .append('\n');
        }
        report.devices().forEach(device -> describe(text, device));
        text.append(String.format(
                Locale.ROOT,
                "process: %s resident, at most %s, of which %s are random numbers that weights were copied from%n%n",
                gigabytes(report.residentBytes()),
                gigabytes(report.peakBytes()),
                gigabytes(report.poolBytes())));
        text.append(table(report));
        text.append(footnotes(request));
        return text.toString();
    }

    private static void describe(StringBuilder text, Device device) {
        text.append(device.info().address()).append(": ").append(device.info().name());
        device.info().facts().forEach((name, value) -> {
            if (!value.isEmpty() && value.length() <= 40) {
                text.append(", ").append(name).append(' ').append(value);
            }
        });
        text.append(String.format(
                Locale.ROOT,
                "%n  weights %s, caches %s, loaded in %.1f s%n",
                gigabytes(device.estimate().weights()),
                gigabytes(device.estimate().caches()),
                device.loadSeconds()));
        for (Ceiling.Kind kind : Ceiling.Kind.values()) {
            text.append("  ceiling ").append(name(kind)).append(": ");
            device.ceiling(kind)
                    .ifPresentOrElse(
                            one -> text.append(ceiling(one)).append('\n'), () -> text.append("not measured\n"));
        }
    }

    private static String ceiling(MeasuredCeiling ceiling) {
        Ceiling.Unit unit = ceiling.kind().unit();
        return String.format(
                Locale.ROOT,
                "%s (%s to %s), %s",
                quantity(ceiling.values().median(), unit),
                quantity(ceiling.values().minimum(), unit),
                quantity(ceiling.values().maximum(), unit),
                ceiling.method());
    }

    private static String quantity(double value, Ceiling.Unit unit) {
        return switch (unit) {
            case BYTES_PER_SECOND -> String.format(Locale.ROOT, "%.1f GB/s", value * 1e-9);
            case OPERATIONS_PER_SECOND -> String.format(Locale.ROOT, "%.0f Gop/s", value * 1e-9);
            case SECONDS -> String.format(Locale.ROOT, "%.2f us", value * 1e6);
        };
    }

    private static String name(Ceiling.Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private static String table(BenchReport report) {
        boolean compared = report.devices().size() > 1;
        List<List<String>> rows = new ArrayList<>();
        List<String> header = new ArrayList<>(List.of(
                "device",
                "measured",
                "batch",
                "context",
                "tokens",
                "tokens/s",
                "least",
                "most",
                "ms/step",
                "GB/step",
                "GB/s",
                "of read",
                "Gop/s",
                "of peak"));
        if (compared) {
            header.add("to " + report.devices().getFirst().info().address());
        }
        rows.add(header);
        for (Device device : report.devices()) {
            for (Result result : device.results()) {
                List<String> row = row(device, result);
                if (compared) {
                    row.add(number("%.3f", result.ratio()));
                }
                rows.add(row);
            }
        }
        return aligned(rows);
    }

    private static List<String> row(Device device, Result result) {
        boolean decode = result.measurement() instanceof Measurement.Decode;
        List<String> row = new ArrayList<>();
        row.add(device.info().address());
        switch (result.measurement()) {
            case Measurement.Prefill prefill ->
                row.addAll(List.of("prefill", "1", "0", Integer.toString(prefill.tokens())));
            case Measurement.Decode one ->
                row.addAll(List.of(
                        "decode",
                        Integer.toString(one.batch()),
                        Integer.toString(one.context()),
                        Integer.toString(one.tokens())));
        }
        row.add(number("%.1f", result.tokensPerSecond().median()));
        row.add(number("%.1f", result.tokensPerSecond().minimum()));
        row.add(number("%.1f", result.tokensPerSecond().maximum()));
        row.add(number("%.3f", result.stepSeconds().median() * 1e3));
        Cost cost = result.cost();
        row.add(decode ? number("%.3f", (cost.weightBytes() + cost.cacheBytes()) * 1e-9) : ABSENT);
        row.add(decode ? number("%.1f", result.bytesPerSecond() * 1e-9) : ABSENT);
        row.add(number("%.3f", result.readShare()));
        row.add(number("%.0f", result.operationsPerSecond() * 1e-9));
        row.add(number("%.3f", decode ? null : result.peakShare()));
        return row;
    }

    private static String aligned(List<List<String>> rows) {
        int[] widths = new int[rows.getFirst().size()];
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < widths.length; column++) {
                String cell = row.get(column);
                String padding = " ".repeat(widths[column] - cell.length());
                // The two columns of words stand left, numbers right.
                line.append(column < 2 ? cell + padding : padding + cell).append("  ");
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    private static String footnotes(BenchRequest request) {
        boolean batches = request.work().batches().stream().anyMatch(batch -> batch > 1)
                && request.config().moe() != null;
        return String.join(
                        "\n",
                        Arrays.asList(
                                "",
                                "tokens/s: median over the rounds, of all sequences together; least and most over the rounds.",
                                "GB/step: weights as stored"
                                        + (batches
                                                ? ", of experts the number expected to be chosen if each row chooses"
                                                        + " independently and uniformly,"
                                                : "")
                                        + " and cached keys and values; of read: GB/s over the read bandwidth.",
                                "Gop/s: products with weights and attention's, a multiply-add is two; of peak: over the"
                                        + " rate that fits the format of the weights."))
                + "\n";
    }

    private static String number(String format, @Nullable Double value) {
        return value == null ? ABSENT : String.format(Locale.ROOT, format, value);
    }

    private static String gigabytes(long bytes) {
        return bytes < 0 ? "unknown" : String.format(Locale.ROOT, "%.3f GB", bytes * 1e-9);
    }
}
