package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * A case that drives the device through the SPI itself, because what it shows is not one run's result: lifetimes, threads, memory, what
 * probes measure.
 *
 * <p>An experiment closes whatever it opens, on the way out of a failure too. What it throws is judged as a scenario's exceptions are.
 */
@FunctionalInterface
public non-sealed interface Experiment extends ConformanceCase.Body {

    /**
     * Conducts the experiment.
     *
     * @param id the case, from which with {@code seed} all data are drawn
     * @param seed the run's seed
     * @param bench the device under test
     * @return what was seen
     */
    Finding conduct(String id, long seed, Bench bench);

    /**
     * What an experiment may use, from the thread that opened {@code device} unless the device's threading says more.
     *
     * @param device the backend under test, open; the experiment leaves it open and as it was
     * @param another opens the backend under test once more; the experiment closes it
     * @param rank opens the backend under test as one rank of a group, by its place from 0; the experiment closes it
     */
    record Bench(Backend device, Supplier<Backend> another, IntFunction<Backend> rank) {
        /** Makes a bench on which ranks are backends like all others. */
        public Bench(Backend device, Supplier<Backend> another) {
            this(device, another, _ -> another.get());
        }
    }

    /**
     * What was seen. It speaks for the device if nothing was breached, every check held, and at least one thing was observed or checked.
     *
     * @param checks comparisons; copied
     * @param breaches what the device did that no device may; copied
     * @param observed what was seen, in words, for reports; copied
     * @param declined why the device need not do this, empty if it did
     */
    record Finding(List<Check> checks, List<String> breaches, List<String> observed, String declined) {
        public Finding {
            checks = List.copyOf(checks);
            breaches = List.copyOf(breaches);
            observed = List.copyOf(observed);
        }

        /** Returns what was seen and what was wrong with it. */
        public static Finding of(List<String> observed, List<String> breaches) {
            return new Finding(List.of(), breaches, observed, "");
        }

        /** Returns comparisons. */
        public static Finding of(List<Check> checks) {
            return new Finding(checks, List.of(), List.of(), "");
        }

        /** Returns that the device said no beforehand, or cannot be asked, and why. */
        public static Finding declined(String reason) {
            return new Finding(List.of(), List.of(), List.of(), reason);
        }
    }
}
