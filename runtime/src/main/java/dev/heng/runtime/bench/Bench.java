package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import dev.heng.runtime.bench.BenchReport.MeasuredCeiling;
import dev.heng.runtime.bench.BenchReport.Result;
import dev.heng.runtime.registry.BackendChoice;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.spi.Ceiling;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Measures in rounds: in each, every device's ceilings and every measurement on every device in turn, so that what drifts in the machine drifts for all.
 *
 * <p>Threading: one thread.
 */
public final class Bench {

    private final BenchRequest request;
    private final List<Measurement> measurements;
    private final List<Records> records = new ArrayList<>();

    private Bench(BenchRequest request) {
        this.request = request;
        this.measurements = request.work().measurements();
    }

    /**
     * Measures what {@code request} asks for.
     *
     * @param registry where backends come from
     * @param environment what is known of the software already, for example its version; the facts of the machine are added behind
     * @param progress is told what is going on, a line each time
     * @throws HengException if a device is missing, declines a node, or has too little memory
     * @throws dev.heng.spi.BackendException if a device fails
     */
    public static BenchReport run(
            BackendRegistry registry,
            BenchRequest request,
            Map<String, String> environment,
            Consumer<String> progress) {
        return new Bench(request).run(registry, environment, progress);
    }

    private BenchReport run(BackendRegistry registry, Map<String, String> environment, Consumer<String> progress) {
        // All are chosen before any is loaded, so that a missing one costs no time.
        List<BackendChoice> choices = request.targets().stream()
                .map(target -> registry.choose(target.backend()))
                .toList();
        Deque<Subject> subjects = new ArrayDeque<>();
        try (RandomWeights weights =
                new RandomWeights(request.formats(), request.rounds().seed())) {
            try {
                for (int index = 0; index < request.targets().size(); index++) {
                    BenchRequest.Target target = request.targets().get(index);
                    BackendChoice choice = choices.get(index);
                    progress.accept("loading shape " + request.shape() + " on "
                            + choice.device().address());
                    Subject subject = Subject.open(choice.open(target.settings()), request, weights);
                    subjects.addLast(subject);
                    records.add(new Records(subject, measurements.size()));
                }
                measure(progress);
                return new BenchReport(
                        request,
                        MachineFacts.append(environment),
                        devices(),
                        weights.poolBytes(),
                        ProcessMemory.resident(),
                        ProcessMemory.peak());
            } finally {
                while (!subjects.isEmpty()) {
                    subjects.removeLast().close();
                }
            }
        }
    }

    private void measure(Consumer<String> progress) {
        int warmup = request.rounds().warmup();
        int rounds = warmup + request.rounds().repeat();
        for (int round = 0; round < rounds; round++) {
            boolean counted = round >= warmup;
            long seed = Noise.mix(request.rounds().seed()) + round;
            for (Records one : records) {
                if (counted && request.rounds().ceilings()) {
                    one.addCeilings();
                }
            }
            for (int index = 0; index < measurements.size(); index++) {
                for (Records one : records) {
                    progress.accept("round " + (round + 1) + " of " + rounds + (counted ? "" : " (warm-up)") + ": "
                            + measurements.get(index) + " on "
                            + one.subject.device().address());
                    double[] steps = one.subject.measure(measurements.get(index), seed);
                    if (counted) {
                        one.add(index, measurements.get(index), steps);
                    }
                }
            }
        }
    }

    private List<BenchReport.Device> devices() {
        List<BenchReport.Device> devices = new ArrayList<>();
        for (Records one : records) {
            List<MeasuredCeiling> ceilings = one.measuredCeilings();
            List<Result> results = new ArrayList<>();
            for (int index = 0; index < measurements.size(); index++) {
                results.add(result(one, index, ceilings));
            }
            devices.add(new BenchReport.Device(
                    one.subject.device(), one.subject.estimate(), one.subject.loadSeconds(), ceilings, results));
        }
        return devices;
    }

    private Result result(Records one, int index, List<MeasuredCeiling> ceilings) {
        Measurement measurement = measurements.get(index);
        Spread rates = new Spread(one.rates.get(index));
        Result plain = new Result(
                measurement,
                rates,
                new Spread(one.steps.get(index)),
                one.subject.cost(measurement),
                null,
                null,
                null,
                ratio(one, index));
        Optional<MeasuredCeiling> peak = peak(ceilings);
        return new Result(
                measurement,
                rates,
                plain.stepSeconds(),
                plain.cost(),
                measurement instanceof Measurement.Decode
                        ? share(plain.bytesPerSecond(), find(ceilings, Ceiling.Kind.READ_BANDWIDTH))
                        : null,
                peak.map(MeasuredCeiling::kind).orElse(null),
                share(plain.operationsPerSecond(), peak),
                plain.ratio());
    }

    private @Nullable Double ratio(Records one, int index) {
        Records first = records.getFirst();
        if (one == first) {
            return null;
        }
        List<Double> ratios = new ArrayList<>();
        for (int round = 0; round < one.rates.get(index).size(); round++) {
            ratios.add(one.rates.get(index).get(round) / first.rates.get(index).get(round));
        }
        return new Spread(ratios).median();
    }

    private static @Nullable Double share(double value, Optional<MeasuredCeiling> ceiling) {
        return ceiling.map(one -> value / one.values().median()).orElse(null);
    }

    private static Optional<MeasuredCeiling> find(List<MeasuredCeiling> ceilings, Ceiling.Kind kind) {
        return ceilings.stream().filter(one -> one.kind() == kind).findFirst();
    }

    /** The fastest way to multiply that the device was measured for and the experts' format allows: the first of these kinds. */
    private Optional<MeasuredCeiling> peak(List<MeasuredCeiling> ceilings) {
        boolean sparse = request.config().moe() != null;
        WeightFormat format =
                sparse ? request.formats().experts() : request.formats().body();
        List<Ceiling.Kind> kinds = switch (format) {
            case F32 -> List.of(Ceiling.Kind.F32_RATE);
            case F16, BF16, FP8, INT8, INT4, INT4G32 -> List.of(Ceiling.Kind.BF16_RATE, Ceiling.Kind.F32_RATE);
            case FP8A8 -> List.of(Ceiling.Kind.FP8_RATE, Ceiling.Kind.BF16_RATE, Ceiling.Kind.F32_RATE);
            case W8A8 -> List.of(Ceiling.Kind.INT8_RATE, Ceiling.Kind.F32_RATE);
        };
        return kinds.stream()
                .map(kind -> find(ceilings, kind))
                .flatMap(Optional::stream)
                .findFirst();
    }

    /** What one device's rounds gave. */
    private static final class Records {

        private final Subject subject;
        private final Map<Ceiling.Kind, List<Ceiling>> ceilings = new EnumMap<>(Ceiling.Kind.class);
        private final List<List<Double>> rates = new ArrayList<>();
        private final List<List<Double>> steps = new ArrayList<>();

        Records(Subject subject, int measurements) {
            this.subject = subject;
            for (int index = 0; index < measurements; index++) {
                rates.add(new ArrayList<>());
                steps.add(new ArrayList<>());
            }
        }

        void addCeilings() {
            for (Ceiling ceiling : subject.ceilings()) {
                ceilings.computeIfAbsent(ceiling.kind(), _ -> new ArrayList<>()).add(ceiling);
            }
        }

        void add(int index, Measurement measurement, double[] stepSeconds) {
            double seconds = Arrays.stream(stepSeconds).sum();
            long tokens = switch (measurement) {
                case Measurement.Prefill prefill -> prefill.tokens();
                case Measurement.Decode decode -> (long) decode.batch() * decode.tokens();
            };
            rates.get(index).add(tokens / seconds);
            Arrays.stream(stepSeconds).forEach(steps.get(index)::add);
        }

        List<MeasuredCeiling> measuredCeilings() {
            List<MeasuredCeiling> measured = new ArrayList<>();
            ceilings.forEach((kind, all) -> measured.add(new MeasuredCeiling(
                    kind,
                    all.getFirst().method(),
                    new Spread(all.stream().map(Ceiling::value).toList()))));
            return measured;
        }
    }
}
