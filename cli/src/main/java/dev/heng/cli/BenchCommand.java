package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.runtime.bench.Bench;
import dev.heng.runtime.bench.BenchReport;
import dev.heng.runtime.bench.BenchRequest;
import dev.heng.runtime.bench.NamedShape;
import dev.heng.runtime.bench.ReportFormat;
import dev.heng.runtime.bench.SpeedPlot;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures prefill and decode of a shape with random weights. */
@Command(
        name = "bench",
        description =
                "Measure prefill and decode of a model's shape with random weights, beside what the device can do at"
                        + " most, measured in the same run; see docs/benchmarks.md.",
        footer = {
            "",
            "Examples:",
            "  heng bench --backend cpu --shape v2-lite --layers 6 --weights bf16 -O threads=2",
            "  heng bench --backend cpu --shape poet --compare reference --format csv --output poet.csv",
            "  heng bench --backend cuda --shape v2-lite --weights fp8 --context 0,4096 --batch 1,2,4,8 --plot speed.svg"
        })
final class BenchCommand implements Runnable {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    @Option(
            names = {"-b", "--backend"},
            paramLabel = "ID[:N]",
            description = "The backend that is measured. Default: auto, the best one available.")
    String backend = "auto";

    @Option(
            names = {"-O", "--backend-option"},
            paramLabel = "NAME=VALUE",
            description = "A setting of the backend's own, for example threads=2. May be repeated.")
    Map<String, String> settings = new LinkedHashMap<>();

    @Option(
            names = "--compare",
            paramLabel = "ID[:N]",
            description = "Another backend, or the same with other settings, measured in turns with the first.")
    @Nullable
    String compare;

    @Option(
            names = "--compare-option",
            paramLabel = "NAME=VALUE",
            description = "A setting of the backend that is compared. May be repeated.")
    Map<String, String> compareSettings = new LinkedHashMap<>();

    @Option(
            names = "--shape",
            paramLabel = "NAME|DIR",
            description = "poet, v2-lite, moe-16b, v3-layer, v3, or a folder with a config.json. Default: v2-lite.")
    String shape = "v2-lite";

    @Option(names = "--layers", paramLabel = "N", description = "The first N layers only. Default: all.")
    @Nullable
    Integer layers;

    @Option(
            names = "--weights",
            paramLabel = "FORMAT",
            description = "f32, bf16, f16, fp8, fp8a8, int8, w8a8, int4 or int4g32. Default: bf16.")
    String weights = "bf16";

    @Option(names = "--experts-weights", paramLabel = "FORMAT", description = "Of routed experts, if another.")
    @Nullable
    String expertsWeights;

    @Option(
            names = "--head-weights",
            paramLabel = "FORMAT",
            description = "Of the output head. Default: as --weights where that is plain, else bf16.")
    @Nullable
    String headWeights;

    @Option(
            names = "--activations",
            paramLabel = "TYPE",
            description = "The type of activations and caches: ${COMPLETION-CANDIDATES}. Default: F32.")
    DeviceOptions.Activations activations = DeviceOptions.Activations.F32;

    @Option(
            names = "--prompt",
            paramLabel = "N,...",
            description = "Lengths of the prompts that are read, or none. Default: 512.")
    String prompts = "512";

    @Option(
            names = "--chunk",
            paramLabel = "N",
            description = "The most rows of a prompt that are computed at once. Default: 512.")
    int chunk = 512;

    @Option(
            names = "--context",
            paramLabel = "N,...",
            description = "Positions that each sequence holds before decoding, or none. Default: 0.")
    String contexts = "0";

    @Option(names = "--batch", paramLabel = "N,...", description = "Sequences that are decoded together. Default: 1.")
    String batches = "1";

    @Option(
            names = "--tokens",
            paramLabel = "N",
            description = "Tokens that are decoded for each sequence in each round. Default: 32.")
    int tokens = 32;

    @Option(
            names = "--sync",
            paramLabel = "token|end",
            description =
                    "When the host waits while decoding: after each token, as generating text does, or at the end."
                            + " Default: token.")
    BenchRequest.Sync sync = BenchRequest.Sync.TOKEN;

    @Option(names = "--repeat", paramLabel = "N", description = "Rounds that are counted. Default: 5.")
    int repeat = 5;

    @Option(names = "--warmup", paramLabel = "N", description = "Rounds before that are not. Default: 1.")
    int warmup = 1;

    @Option(names = "--no-ceilings", description = "Do not measure what the device can do at most.")
    boolean noCeilings;

    @Option(names = "--seed", paramLabel = "N", description = "What all random numbers depend on. Default: 1.")
    long seed = 1;

    @Option(names = "--format", paramLabel = "table|json|csv", description = "The form of the report. Default: table.")
    ReportFormat format = ReportFormat.TABLE;

    @Option(names = "--output", paramLabel = "FILE", description = "Where the report goes. Default: standard output.")
    @Nullable
    Path output;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            description = "Draw tokens/s of decoding against context and batch as SVG there.")
    @Nullable
    Path plot;

    @Option(
            names = {"-q", "--quiet"},
            description = "Show no progress.")
    boolean quiet;

    BenchCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        BenchRequest request = request();
        if (output != null) {
            OutputFile.requireWritable(output);
        }
        if (plot != null) {
            OutputFile.requireWritable(plot);
            if (request.work().contexts().isEmpty() || request.work().batches().isEmpty()) {
                throw new HengException(
                        "--plot draws the speed of decoding, and nothing is decoded",
                        "give --context and --batch, or leave --plot out");
            }
        }
        BackendRegistry registry = plugins.registry();
        BenchReport report;
        try (ProgressLine progress = new ProgressLine(streams, quiet)) {
            report = Bench.run(registry, request, Map.of("heng", Version.text()), progress::show);
        }
        if (plot != null) {
            OutputFile.write(plot, SpeedPlot.of(report));
        }
        String text = format.render(report);
        if (output == null) {
            streams.write(text);
        } else {
            OutputFile.write(output, text);
        }
    }

    private BenchRequest request() {
        ModelConfig config = NamedShape.configOf(shape);
        List<BenchRequest.Target> targets = new ArrayList<>();
        targets.add(new BenchRequest.Target(BackendWish.parse(backend), new BackendOptions(settings)));
        if (compare != null) {
            targets.add(new BenchRequest.Target(BackendWish.parse(compare), new BackendOptions(compareSettings)));
        } else if (!compareSettings.isEmpty()) {
            throw new HengException(
                    "--compare-option is given and nothing is compared", "add --compare ID, or leave it out");
        }
        return new BenchRequest(
                shape,
                config,
                layers == null ? config.layers() : layers,
                formats(),
                activations.dtype(),
                new BenchRequest.Work(
                        numbers("--prompt", prompts),
                        chunk,
                        numbers("--context", contexts),
                        numbers("--batch", batches),
                        tokens,
                        sync),
                new BenchRequest.Rounds(warmup, repeat, seed, !noCeilings),
                targets);
    }

    private WeightFormats formats() {
        WeightFormats usual = WeightFormats.of(WeightFormat.parse("--weights", weights));
        return new WeightFormats(
                usual.body(),
                expertsWeights == null ? usual.experts() : WeightFormat.parse("--experts-weights", expertsWeights),
                headWeights == null ? usual.head() : WeightFormat.parse("--head-weights", headWeights));
    }

    private static List<Integer> numbers(String option, String text) {
        List<Integer> numbers = new ArrayList<>();
        if (text.equals("none")) {
            return numbers;
        }
        for (String number : text.split(",", -1)) {
            try {
                numbers.add(Integer.parseInt(number.strip()));
            } catch (NumberFormatException e) {
                throw new HengException(
                        option + " is '" + text + "', where '" + number + "' is no whole number",
                        "write numbers with commas between them, like 0,4096, or none",
                        e);
            }
        }
        return numbers;
    }
}
