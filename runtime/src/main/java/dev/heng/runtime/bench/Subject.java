package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.runtime.generate.CompiledModel;
import dev.heng.runtime.generate.Feed;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.generate.MemoryEstimate;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Ceiling;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A device with the model on it. Ownership: whoever opened it closes it, before the weights. Threading: the thread that opened it. */
final class Subject implements AutoCloseable {

    private static final long CACHE_PATTERN_BYTES = 1L << 20;

    private final Backend backend;
    private final BenchRequest request;
    private final MemoryEstimate estimate;
    private final double loadSeconds;
    private final CompiledModel model;
    private final Session session;

    private Subject(
            Backend backend,
            BenchRequest request,
            MemoryEstimate estimate,
            double loadSeconds,
            CompiledModel model,
            Session session) {
        this.backend = backend;
        this.request = request;
        this.estimate = estimate;
        this.loadSeconds = loadSeconds;
        this.model = model;
        this.session = session;
    }

    /**
     * Compiles the model on a device.
     *
     * @param backend is taken over, and closed also if this fails
     * @param weights of the model, generated here after the device was found to suffice
     * @throws HengException if the device declines a node or the model does not fit, before anything large is allocated
     */
    static Subject open(Backend backend, BenchRequest request, RandomWeights weights) {
        CompiledModel model = null;
        boolean opened = false;
        try {
            ModelConfig config = request.measuredConfig();
            GraphOptions form = GraphOptions.generation(request.activations());
            RunLimits limits = request.limits();
            CompileOptions options = CompileOptions.of(limits.maxima(form.pageSize()));
            Graph graph = ModelGraph.of(config, weights, form);
            requireSupported(graph, backend, options);
            MemoryEstimate estimate = MemoryEstimate.of(graph, options.maxima());
            estimate.requireFits(backend);
            weights.generate();
            long start = System.nanoTime();
            model = CompiledModel.compile(backend, config, weights, form, limits, BackendOptions.none());
            double loadSeconds = (System.nanoTime() - start) * 1e-9;
            Session session = model.open();
            Subject subject = new Subject(backend, request, estimate, loadSeconds, model, session);
            opened = true;
            subject.fillCaches();
            return subject;
        } finally {
            if (!opened) {
                if (model != null) {
                    model.close();
                }
                backend.close();
            }
        }
    }

    private static void requireSupported(Graph graph, Backend backend, CompileOptions options) {
        for (Node node : graph.nodes()) {
            if (backend.supports(node, options) instanceof Support.Declined declined) {
                throw new HengException(
                        "device " + backend.device().address() + " declines node '" + node.name() + "' ("
                                + node.op().name() + "): " + declined.text(),
                        "measure another format (--weights, --experts-weights, --head-weights, --activations) or another"
                                + " backend; nothing is measured with a fallback");
            }
        }
    }

    private void fillCaches() {
        try (Arena arena = Arena.ofShared()) {
            session.fillCaches(dtype -> {
                MemorySegment pattern = arena.allocate(CACHE_PATTERN_BYTES, Long.BYTES);
                Noise.cache(dtype).fill(pattern, request.rounds().seed());
                return pattern;
            });
        }
    }

    DeviceInfo device() {
        return backend.device();
    }

    MemoryEstimate estimate() {
        return estimate;
    }

    double loadSeconds() {
        return loadSeconds;
    }

    List<Ceiling> ceilings() {
        return backend.measureCeilings();
    }

    /** Returns the time that each step of {@code measurement} took, in seconds: the whole for a prompt, a token of every sequence for decoding. */
    double[] measure(Measurement measurement, long seed) {
        emptySequences();
        return switch (measurement) {
            case Measurement.Prefill prefill -> new double[] {prefill(prefill.tokens(), seed)};
            case Measurement.Decode decode -> decode(decode, seed);
        };
    }

    /** Returns what a step of {@code measurement} costs on average. */
    Cost cost(Measurement measurement) {
        Graph graph = model.program().graph();
        return switch (measurement) {
            case Measurement.Prefill prefill -> {
                Cost sum = new Cost(0, 0, 0);
                for (int start = 0;
                        start < prefill.tokens();
                        start += request.limits().chunkTokens()) {
                    int rows = Math.min(request.limits().chunkTokens(), prefill.tokens() - start);
                    boolean last = start + rows == prefill.tokens();
                    sum = sum.plus(Cost.of(graph, rows, last ? 1 : 0, start + (rows + 1) / 2.0, false));
                }
                yield sum;
            }
            case Measurement.Decode decode ->
                Cost.of(
                        graph,
                        decode.batch(),
                        decode.batch(),
                        // The first token is fed before; the first timed one attends to the context, to it, and to
                        // itself.
                        decode.context() + 2 + (decode.tokens() - 1) / 2.0,
                        true);
        };
    }

    private void emptySequences() {
        for (int sequence = 0; sequence < session.limits().sequences(); sequence++) {
            session.truncate(sequence, 0);
        }
    }

    private double prefill(int tokens, long seed) {
        int[] prompt = randomTokens(tokens, seed);
        int chunk = session.limits().chunkTokens();
        long begin = System.nanoTime();
        for (int start = 0; start < tokens; start += chunk) {
            int end = Math.min(tokens, start + chunk);
            int[] piece = Arrays.copyOfRange(prompt, start, end);
            session.run(List.of(new Feed(0, piece, end == tokens ? Wanted.LAST : Wanted.NONE)));
        }
        session.sampledToken(0);
        return (System.nanoTime() - begin) * 1e-9;
    }

    private double[] decode(Measurement.Decode decode, long seed) {
        int[] first = randomTokens(decode.batch(), seed);
        List<Feed> feeds = new ArrayList<>();
        for (int sequence = 0; sequence < decode.batch(); sequence++) {
            session.assume(sequence, decode.context());
            feeds.add(new Feed(sequence, new int[] {first[sequence]}, Wanted.LAST));
        }
        session.run(feeds);
        session.sampledToken(0);
        double[] steps = new double[decode.tokens()];
        boolean waits = request.work().sync() == BenchRequest.Sync.TOKEN;
        long begin = System.nanoTime();
        long before = begin;
        for (int step = 0; step < steps.length; step++) {
            session.continueSampled();
            if (waits) {
                session.sampledToken(0);
                long now = System.nanoTime();
                steps[step] = (now - before) * 1e-9;
                before = now;
            }
        }
        if (!waits) {
            session.sampledToken(0);
            Arrays.fill(steps, (System.nanoTime() - begin) * 1e-9 / steps.length);
        }
        return steps;
    }

    private int[] randomTokens(int count, long seed) {
        int vocabulary = model.config().vocabularySize();
        int[] tokens = new int[count];
        for (int index = 0; index < count; index++) {
            tokens[index] = (int) Long.remainderUnsigned(Noise.mix(seed + index), vocabulary);
        }
        return tokens;
    }

    @Override
    public void close() {
        session.close();
        model.close();
        backend.close();
    }
}
