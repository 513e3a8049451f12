package dev.heng.runtime.bench;

import dev.heng.runtime.generate.MemoryEstimate;
import dev.heng.spi.Ceiling;
import dev.heng.spi.DeviceInfo;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What was measured.
 *
 * @param request what was asked for
 * @param environment facts of this machine and software, by name, in the order in which they are printed
 * @param devices one for each target, in the order of the request
 * @param poolBytes host memory that held random numbers to cut weights from
 * @param residentBytes memory of this process after the last round, -1 where it is not known
 * @param peakBytes the most that it ever was, -1 where it is not known
 */
public record BenchReport(
        BenchRequest request,
        Map<String, String> environment,
        List<Device> devices,
        long poolBytes,
        long residentBytes,
        long peakBytes) {

    public BenchReport {
        devices = List.copyOf(devices);
    }

    /** Returns whether any device is a simulator. */
    public boolean isSimulated() {
        return devices.stream().anyMatch(device -> device.info().simulated());
    }

    /**
     * One device.
     *
     * @param info the device
     * @param estimate what the model takes of it
     * @param loadSeconds from handing over the weights to a program
     * @param ceilings what it can do at most, once for each round; may be empty
     * @param results one for each measurement
     */
    public record Device(
            DeviceInfo info,
            MemoryEstimate estimate,
            double loadSeconds,
            List<MeasuredCeiling> ceilings,
            List<Result> results) {
        public Device {
            ceilings = List.copyOf(ceilings);
            results = List.copyOf(results);
        }

        /** Returns the ceiling of this kind, if it was measured. */
        public Optional<MeasuredCeiling> ceiling(Ceiling.Kind kind) {
            return ceilings.stream().filter(one -> one.kind() == kind).findFirst();
        }
    }

    /**
     * A ceiling over all rounds.
     *
     * @param kind what
     * @param method how
     * @param values in the unit of its kind
     */
    public record MeasuredCeiling(Ceiling.Kind kind, String method, Spread values) {}

    /**
     * One measurement over all rounds.
     *
     * @param measurement what
     * @param tokensPerSecond of all sequences together, one sample for each round
     * @param stepSeconds times of all steps of all rounds: a whole prompt, or one token of each sequence
     * @param cost what a step has to read and to multiply
     * @param readShare bytes read over time, as a share of the measured read bandwidth; null for prompts, or where that was not measured
     * @param peak the rate that {@code peakShare} is a share of; null where none was measured that fits the weights' format
     * @param peakShare operations over time, as a share of that rate; null without one
     * @param ratio median over the rounds of this device's tokens per second divided by the first device's in the same round; null for the first
     */
    public record Result(
            Measurement measurement,
            Spread tokensPerSecond,
            Spread stepSeconds,
            Cost cost,
            @Nullable Double readShare,
            Ceiling.@Nullable Kind peak,
            @Nullable Double peakShare,
            @Nullable Double ratio) {

        /** Returns weights and cached keys and values read, in bytes per second at the median. */
        double bytesPerSecond() {
            return (cost.weightBytes() + cost.cacheBytes()) / secondsPerStep();
        }

        /** Returns operations per second at the median. */
        double operationsPerSecond() {
            return cost.operations() / secondsPerStep();
        }

        /** Returns the seconds of a step that the median of tokens per second means. */
        double secondsPerStep() {
            int tokens = switch (measurement) {
                case Measurement.Prefill prefill -> prefill.tokens();
                case Measurement.Decode decode -> decode.batch();
            };
            return tokens / tokensPerSecond.median();
        }
    }
}
