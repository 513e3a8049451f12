package dev.heng.runtime.bench;

import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.Result;
import dev.heng.spi.Ceiling;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A report as CSV (RFC 4180 with LF): one line for each measurement on each device; empty fields were not measured. */
final class ReportCsv {

    static final List<String> COLUMNS = List.of(
            "date",
            "shape",
            "layers",
            "weights",
            "experts_weights",
            "head_weights",
            "activations",
            "device",
            "device_name",
            "simulated",
            "measured",
            "batch",
            "context",
            "tokens",
            "tokens_per_second_median",
            "tokens_per_second_minimum",
            "tokens_per_second_maximum",
            "step_seconds_median",
            "weight_bytes_per_step",
            "cache_bytes_per_step",
            "operations_per_step",
            "share_of_read_bandwidth",
            "share_of_peak",
            "ratio_to_first_device",
            "read_bandwidth",
            "seed");

    private ReportCsv() {}

    static String of(BenchReport report) {
        StringBuilder text = new StringBuilder(String.join(",", COLUMNS)).append('\n');
        for (Device device : report.devices()) {
            for (Result result : device.results()) {
                text.append(line(report, device, result)).append('\n');
            }
        }
        return text.toString();
    }

    private static String line(BenchReport report, Device device, Result result) {
        BenchRequest request = report.request();
        List<@Nullable Object> fields = new ArrayList<>();
        fields.add(report.environment().get("date"));
        fields.add(request.shape());
        fields.add(request.layers());
        fields.add(request.formats().body().label());
        fields.add(request.formats().experts().label());
        fields.add(request.formats().head().label());
        fields.add(request.activations());
        fields.add(device.info().address());
        fields.add(device.info().name());
        fields.add(device.info().simulated());
        switch (result.measurement()) {
            case Measurement.Prefill prefill -> fields.addAll(List.of("prefill", 1, 0, prefill.tokens()));
            case Measurement.Decode decode ->
                fields.addAll(List.of("decode", decode.batch(), decode.context(), decode.tokens()));
        }
        fields.add(result.tokensPerSecond().median());
        fields.add(result.tokensPerSecond().minimum());
        fields.add(result.tokensPerSecond().maximum());
        fields.add(result.stepSeconds().median());
        fields.add(result.cost().weightBytes());
        fields.add(result.cost().cacheBytes());
        fields.add(result.cost().operations());
        fields.add(result.readShare());
        fields.add(result.peakShare());
        fields.add(result.ratio());
        fields.add(device.ceiling(Ceiling.Kind.READ_BANDWIDTH)
                .map(one -> one.values().median())
                .orElse(null));
        fields.add(request.rounds().seed());
        return fields.stream().map(ReportCsv::quoted).collect(Collectors.joining(","));
    }

    private static String quoted(@Nullable Object field) {
        String text = field == null ? "" : field.toString();
        return text.chars().anyMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r')
                ? '"' + text.replace("\"", "\"\"") + '"'
                : text;
    }
}
