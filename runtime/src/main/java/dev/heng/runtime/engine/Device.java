package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import dev.heng.runtime.fallback.FallbackBackend;
import dev.heng.runtime.fallback.Placement;
import dev.heng.runtime.registry.BackendChoice;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.graph.Graph;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * An opened device, with the one behind it that takes what it declines, if that was asked for.
 *
 * @param backend the caller closes it
 * @param report one line: what was picked, why the others were not, and where declined nodes go
 */
record Device(Backend backend, String report) {

    /** A report is one line; what more there is to say, choosing the device by name says. */
    private static final int MAXIMUM_OBJECTION = 160;

    /**
     * Opens the device that was asked for. With {@code auto} it is the first by priority that executes the whole graph: a device that would have to decline
     * a node is passed over, and the report says so.
     *
     * @param graph what it will have to execute
     * @param compile the bounds
     */
    static Device open(BackendRegistry registry, EngineOptions options, Graph graph, CompileOptions compile) {
        return switch (options.declined()) {
            case ERROR ->
                switch (options.backend()) {
                    case BackendWish.Auto _ -> openBest(registry, options, graph, compile);
                    case BackendWish.Named named -> {
                        BackendChoice choice = registry.choose(named);
                        yield new Device(choice.open(options.settings()), choice.report());
                    }
                };
            case CPU -> withFallback(registry, registry.choose(options.backend()), options);
        };
    }

    private static Device openBest(
            BackendRegistry registry, EngineOptions options, Graph graph, CompileOptions compile) {
        Deque<Backend> opened = new ArrayDeque<>();
        BackendChoice choice = registry.chooseBest(candidate -> {
            Backend backend = candidate.open(options.settings());
            try {
                Placement.requireSupported(graph, backend, compile);
            } catch (HengException declined) {
                backend.close();
                return Optional.of(shortened(String.valueOf(declined.getMessage())));
            }
            opened.push(backend);
            return Optional.empty();
        });
        return new Device(opened.pop(), choice.report());
    }

    private static String shortened(String text) {
        return text.length() <= MAXIMUM_OBJECTION ? text : text.substring(0, MAXIMUM_OBJECTION) + " ...";
    }

    private static Device withFallback(BackendRegistry registry, BackendChoice choice, EngineOptions options) {
        BackendChoice second = processor(registry, choice);
        Backend primary = choice.open(options.settings());
        Backend fallback;
        try {
            fallback = second.open(BackendOptions.none());
        } catch (RuntimeException e) {
            primary.close();
            throw e;
        }
        return new Device(
                new FallbackBackend(primary, fallback),
                choice.report() + "; what it declines runs on "
                        + second.device().address());
    }

    /** The native kernels, or the oracle where they are what was chosen or are not there; the oracle knows every operator. */
    private static BackendChoice processor(BackendRegistry registry, BackendChoice choice) {
        if (!choice.candidate().id().equals("cpu")) {
            try {
                return registry.choose(BackendWish.parse("cpu"));
            } catch (HengException noNativeKernels) {
                return registry.choose(BackendWish.parse("reference"));
            }
        }
        return registry.choose(BackendWish.parse("reference"));
    }
}
