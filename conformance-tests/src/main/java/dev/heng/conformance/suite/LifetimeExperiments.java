package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Experiments with lifetimes and memory: ownership, use after close, weights, fresh memory, memory that does not fit. */
final class LifetimeExperiments {

    private LifetimeExperiments() {}

    static void addTo(CaseList cases) {
        ContractExperiments.add(cases, List.of("RUN-008"), "keepsOpenWhatIsInUse", LifetimeExperiments::ownership);
        ContractExperiments.add(cases, List.of("RUN-009"), "refusesUseAfterClose", LifetimeExperiments::afterClose);
        ContractExperiments.add(
                cases,
                List.of("RUN-010", "QUANT-002"),
                "asksForEachWeightOnceAndChecksItsSize",
                LifetimeExperiments::weights);
        ContractExperiments.add(cases, List.of("RUN-012"), "fillsFreshMemoryAsSaid", LifetimeExperiments::freshMemory);
        ContractExperiments.add(
                cases, List.of("RUN-014"), "refusesWhatDoesNotFitAndStaysUsable", LifetimeExperiments::outOfMemory);
    }

    private static Experiment.Finding ownership(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        Backend own = bench.another().get();
        try {
            Session session = Session.open(own, scenario);
            try (session) {
                notes.refuses("closing a backend in use", IllegalStateException.class, "", own::close);
                notes.works("after a refused close", scenario, session);
            }
            session.close();
            notes.observed.add("closing buffers and programs twice is legal");
        } finally {
            own.close();
        }
        own.close();
        notes.observed.add("closing a backend twice is legal");
        return notes.finding();
    }

    private static Experiment.Finding afterClose(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        BufferRequest request = new BufferRequest(
                "late",
                BufferRequest.Usage.TENSOR,
                scenario.graph().inputs().getFirst().type(),
                Map.of(Dim.TOKENS, 1L));
        Backend own = bench.another().get();
        try (own) {
            Session session = Session.open(own, scenario);
            Bindings bindings = session.bindings(0);
            Session.open(own, scenario).close();
            session.buffer("a").close();
            MemorySegment room = MemorySegment.ofArray(new byte[4]);
            Class<IllegalStateException> wanted = IllegalStateException.class;
            notes.refuses(
                    "reading a closed buffer",
                    wanted,
                    "a",
                    () -> session.buffer("a").read(0, room));
            notes.refuses(
                    "writing a closed buffer",
                    wanted,
                    "a",
                    () -> session.buffer("a").write(room, 0));
            notes.refuses(
                    "filling a closed buffer",
                    wanted,
                    "a",
                    () -> session.buffer("a").fill((byte) 0));
            notes.refuses(
                    "running with a closed buffer",
                    RuntimeException.class,
                    "a",
                    () -> session.program().run(bindings));
            session.close();
            notes.refuses(
                    "running a closed program",
                    wanted,
                    "",
                    () -> session.program().run(bindings));
        }
        notes.refuses(
                "allocating on a closed backend",
                IllegalStateException.class,
                "",
                () -> own.allocate(request).close());
        notes.refuses(
                "compiling on a closed backend",
                IllegalStateException.class,
                "",
                () -> own.compile(scenario.graph(), weight -> missing(weight), Session.options(scenario))
                        .close());
        return notes.finding();
    }

    private static Experiment.Finding weights(Experiment.Bench bench, Scenario scenario) {
        DType dtype = ContractExperiments.dtype(scenario);
        Backend device = bench.device();
        GraphBuilder builder = new GraphBuilder("weights");
        TensorType vector = TensorType.of(dtype, Shape.of(ContractExperiments.WIDTH));
        Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(ContractExperiments.WIDTH)));
        Value weight = builder.weight("norm.weight", vector);
        // One weight for two nodes.
        builder.output("y", builder.rmsNorm("second", builder.rmsNorm("first", x, weight, 1e-6), weight, 1e-6));
        CompileOptions options = Session.options(scenario);
        dev.heng.spi.graph.Graph graph = builder.build();
        for (Node node : graph.nodes()) {
            if (device.supports(node, options) instanceof Support.Declined declined) {
                return Experiment.Finding.declined(declined.code() + ": " + declined.text());
            }
        }
        Notes notes = new Notes();
        List<String> asked = new ArrayList<>();
        StoredWeight stored = StoredWeight.plain(vector, 1, 2, 3, 4, 5);
        try (Program _ = device.compile(
                graph,
                value -> {
                    asked.add(value.name());
                    return stored.data();
                },
                options)) {
            if (asked.equals(List.of("norm.weight"))) {
                notes.observed.add("compile asked once for the one weight");
            } else {
                notes.breaches.add("compile asked for " + asked + ", not once for the one weight");
            }
        }
        MemorySegment bytes = stored.data().parts().getFirst().elements();
        int length = (int) bytes.byteSize();
        MemorySegment longer = MemorySegment.ofArray(new byte[length + dtype.bits() / 8]);
        record Wrong(String what, WeightSource.WeightData data) {}
        for (Wrong wrong : List.of(
                new Wrong("a short weight", WeightSource.WeightData.of(bytes.asSlice(0, length - 1))),
                new Wrong("a long weight", WeightSource.WeightData.of(longer)),
                new Wrong("no part", new WeightSource.WeightData(List.of())),
                new Wrong(
                        "two parts",
                        new WeightSource.WeightData(List.of(
                                stored.data().parts().getFirst(),
                                stored.data().parts().getFirst()))),
                new Wrong(
                        "a plain weight with scales",
                        new WeightSource.WeightData(List.of(new WeightSource.Part(bytes, bytes, null)))))) {
            notes.refuses(
                    wrong.what(),
                    BackendException.Code.INVALID_DATA,
                    "norm.weight",
                    () -> device.compile(graph, _ -> wrong.data(), options).close());
        }
        return notes.finding();
    }

    private static Experiment.Finding freshMemory(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        TensorType type = scenario.graph().inputs().getFirst().type();
        Map<String, Long> dims = Map.of(Dim.TOKENS, 1000L);
        try (Buffer fresh =
                bench.device().allocate(new BufferRequest("fresh", BufferRequest.Usage.TENSOR, type, dims))) {
            byte[] bytes = new byte[Math.toIntExact(type.bytes(dims))];
            fresh.read(0, MemorySegment.ofArray(bytes));
            notes.observed.add("a fresh buffer can be read");
            if (bench.device().device().backend().equals("reference")) {
                for (byte one : bytes) {
                    if (one != (byte) 0xff) {
                        notes.breaches.add("fresh memory of reference holds " + one + ", not 0xff");
                        break;
                    }
                }
            }
        }
        return notes.finding();
    }

    private static Experiment.Finding outOfMemory(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        Backend device = bench.device();
        TensorType type = scenario.graph().inputs().getFirst().type();
        long free = device.memory().freeBytes();
        TensorType wide = TensorType.of(type.dtype(), Dim.of(Dim.TOKENS), Dim.of(1L << 20));
        long row = wide.bytes(Map.of(Dim.TOKENS, 1L));
        long tooMany =
                Math.min(Integer.MAX_VALUE, Math.max(1, 64 * (device.memory().totalBytes() / row)));
        try (Session session = Session.open(device, scenario)) {
            for (int attempt = 0; attempt < 3; attempt++) {
                refusesToAllocate(notes, device, "64 times the memory", wide, tooMany);
                refusesToAllocate(notes, device, "2^51 rows of a MiB", wide, 1L << 31);
                refusesToAllocate(notes, device, "more than 2^63 bytes", wide, Long.MAX_VALUE / 2);
            }
            notes.works("made before refused allocations", scenario, session);
            try (Session after = Session.open(device, scenario)) {
                notes.works("made after refused allocations", scenario, after);
            } catch (BackendException refused) {
                notes.breaches.add("after refused allocations nothing can be made: " + refused.getMessage());
            }
            long lost = free - device.memory().freeBytes();
            notes.observed.add("free memory changed by " + lost + " bytes over nine refusals");
        }
        return notes.finding();
    }

    private static void refusesToAllocate(Notes notes, Backend device, String what, TensorType type, long tokens) {
        notes.refuses(
                what,
                BackendException.Code.OUT_OF_MEMORY,
                "huge",
                () -> device.allocate(
                                new BufferRequest("huge", BufferRequest.Usage.TENSOR, type, Map.of(Dim.TOKENS, tokens)))
                        .close());
    }

    private static WeightSource.WeightData missing(Value weight) {
        throw new IllegalStateException("the graph has no weight '" + weight.name() + "'");
    }
}
