package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.BackendException;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The planted faults of this build. */
public final class Faults {

    private Faults() {}

    /** Returns backends without a fault that compute routing and products here: the suite must not flag them. */
    public static List<Fault> harmless() {
        return List.of(new RoutingMutant(RoutingMutant.Kind.NONE), new ProductMutant(ProductMutant.Kind.NONE));
    }

    /** Returns every fault. */
    public static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        for (RoutingMutant.Kind kind : RoutingMutant.Kind.values()) {
            if (kind != RoutingMutant.Kind.NONE) {
                faults.add(new RoutingMutant(kind));
            }
        }
        for (ProductMutant.Kind kind : ProductMutant.Kind.values()) {
            if (kind != ProductMutant.Kind.NONE) {
                faults.add(new ProductMutant(kind));
            }
        }
        faults.addAll(weights());
        faults.addAll(graphs());
        faults.addAll(contract());
        return List.copyOf(faults);
    }

    /** Rewrites the elements, scales or zero points of quantised weights. */
    private static final class WeightFault extends Fault {
        private final Class<? extends Quantization> format;
        private final UnaryOperator<WeightSource.Part> change;

        WeightFault(
                String name,
                String cases,
                Class<? extends Quantization> format,
                UnaryOperator<WeightSource.Part> change) {
            super("quantization/" + name, cases);
            this.format = format;
            this.change = change;
        }

        @Override
        protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
            if (!format.isInstance(weight.type().quantization())) {
                return data;
            }
            return new WeightSource.WeightData(data.parts().stream().map(change).toList());
        }
    }

    private static List<Fault> weights() {
        String int4 = "smoke_LINEAR_001_*/int4-*";
        String zero = "smoke_LINEAR_001_*/int4-g32-f32-zero/*";
        String fp8 = "smoke_LINEAR_001_*/fp8-f32/*";
        String int8 = "smoke_LINEAR_001_*/int8-f32/*";
        return List.of(
                new WeightFault(
                        "int4-nibbles-swapped",
                        int4,
                        Quantization.Int4Groups.class,
                        part -> elements(part, code -> (byte) (code << 4 | (code & 0xff) >> 4))),
                new WeightFault(
                        "int4-zero-points-off-by-one",
                        zero,
                        Quantization.Int4Groups.class,
                        part -> new WeightSource.Part(part.elements(), part.scales(), changed(part.zeroPoints(), code ->
                                (byte) (code ^ 0x11)))),
                new WeightFault(
                        "int4-scales-of-the-next-group",
                        int4,
                        Quantization.Int4Groups.class,
                        part -> scalesRotated(part, 4)),
                new WeightFault(
                        "fp8-read-as-fnuz",
                        fp8,
                        Quantization.Fp8Blocks.class,
                        part -> elements(part, code -> (code & 0x78) == 0 ? code : (byte) (code - 8))),
                new WeightFault(
                        "fp8-scales-of-the-next-block",
                        fp8,
                        Quantization.Fp8Blocks.class,
                        part -> scalesRotated(part, 4)),
                new WeightFault(
                        "fp8-sign-lost",
                        fp8,
                        Quantization.Fp8Blocks.class,
                        part -> elements(part, code -> (byte) (code & 0x7f))),
                new WeightFault(
                        "int8-scales-of-the-next-row",
                        int8,
                        Quantization.Int8Channels.class,
                        part -> scalesRotated(part, 4)),
                new WeightFault(
                        "int8-read-as-unsigned-halves",
                        int8,
                        Quantization.Int8Channels.class,
                        part -> elements(part, code -> (byte) ((code & 0xff) >> 1))),
                new WeightFault(
                        "int8-minus-128-clamped",
                        int8,
                        Quantization.Int8Channels.class,
                        part -> elements(part, code -> code == -128 ? (byte) -127 : code)),
                new Fault("layout/experts-rotated", "smoke_GROUPED_001_*/bf16/*") {
                    @Override
                    protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
                        List<WeightSource.Part> parts = new ArrayList<>(data.parts());
                        java.util.Collections.rotate(parts, 1);
                        return new WeightSource.WeightData(parts);
                    }
                });
    }

    /** A change of one stored byte. */
    @FunctionalInterface
    private interface ByteChange {
        byte of(byte stored);
    }

    private static WeightSource.Part elements(WeightSource.Part part, ByteChange change) {
        MemorySegment altered = changed(part.elements(), change);
        return new WeightSource.Part(altered == null ? part.elements() : altered, part.scales(), part.zeroPoints());
    }

    private static @Nullable MemorySegment changed(@Nullable MemorySegment segment, ByteChange change) {
        if (segment == null) {
            return null;
        }
        byte[] bytes = segment.toArray(ValueLayout.JAVA_BYTE);
        for (int index = 0; index < bytes.length; index++) {
            bytes[index] = change.of(bytes[index]);
        }
        return MemorySegment.ofArray(bytes);
    }

    private static WeightSource.Part scalesRotated(WeightSource.Part part, int distance) {
        if (part.scales() == null) {
            return part;
        }
        byte[] bytes = part.scales().toArray(ValueLayout.JAVA_BYTE);
        byte[] rotated = new byte[bytes.length];
        for (int index = 0; index < bytes.length; index++) {
            rotated[index] = bytes[(index + distance) % bytes.length];
        }
        return new WeightSource.Part(part.elements(), MemorySegment.ofArray(rotated), part.zeroPoints());
    }

    /** Compiles another graph than the one that was asked for. */
    private static final class GraphFault extends Fault {
        private final UnaryOperator<Op> change;

        GraphFault(String name, String cases, UnaryOperator<Op> change) {
            super(name, cases);
            this.change = change;
        }

        @Override
        protected Graph graph(Graph graph) {
            GraphBuilder builder = new GraphBuilder(graph.name());
            Map<Value, Value> copies = new HashMap<>();
            for (Value value : graph.values()) {
                if (graph.producer(value).isPresent()) {
                    continue;
                }
                copies.put(
                        value,
                        switch (value.role()) {
                            case INPUT -> builder.input(value.name(), value.type());
                            case WEIGHT -> builder.weight(value.name(), value.type());
                            case STATE ->
                                builder.cache(
                                        value.name(),
                                        value.type().dtype(),
                                        (int) value.type().shape().dim(1).size(),
                                        (int) value.type().shape().dim(2).size());
                            case RESULT ->
                                throw new IllegalStateException("result '" + value.name() + "' without a node");
                        });
            }
            for (Node node : graph.nodes()) {
                Value[] operands = node.operands().stream()
                        .map(value -> copy(copies, value))
                        .toArray(Value[]::new);
                Node added = builder.add(node.name(), change.apply(node.op()), operands);
                for (int result = 0; result < node.results().size(); result++) {
                    copies.put(node.results().get(result), added.results().get(result));
                }
            }
            graph.outputs().forEach((name, value) -> builder.output(name, copy(copies, value)));
            return builder.build();
        }

        private static Value copy(Map<Value, Value> copies, Value value) {
            Value copy = copies.get(value);
            if (copy == null) {
                throw new IllegalStateException("value '" + value.name() + "' is used before it is made");
            }
            return copy;
        }
    }

    private static List<Fault> graphs() {
        return List.of(
                new GraphFault(
                        "rope/pairing-swapped",
                        "smoke_ROPE_001_*/f32/*",
                        op -> op instanceof Op.Rope rope
                                ? new Op.Rope(
                                        rope.headDim(),
                                        rope.offset(),
                                        rope.pairing() == Op.Pairing.HALF ? Op.Pairing.INTERLEAVED : Op.Pairing.HALF,
                                        rope.frequencies())
                                : op),
                new GraphFault(
                        "rope/offset-forgotten",
                        "smoke_ROPE_001_*/f32/*",
                        op -> op instanceof Op.Rope rope
                                ? new Op.Rope(rope.headDim(), 0, rope.pairing(), rope.frequencies())
                                : op),
                new GraphFault(
                        "norm/epsilon-1e-5",
                        "smoke_NORM_001_*/f32/*",
                        op -> op instanceof Op.RmsNorm ? new Op.RmsNorm(1e-5) : op),
                new GraphFault(
                        "attention/scale-of-gqa-x1.01",
                        "smoke_GQA_001_*/f32/*",
                        op -> op instanceof Op.GroupedQueryAttention gqa
                                ? new Op.GroupedQueryAttention(
                                        gqa.heads(),
                                        gqa.kvHeads(),
                                        gqa.headDim(),
                                        gqa.valueDim(),
                                        gqa.scale() * 1.01,
                                        gqa.out())
                                : op),
                new GraphFault(
                        "attention/scale-of-mla-x1.001",
                        "smoke_MLA_001_*/f32/*",
                        op -> op instanceof Op.MlaAttention mla
                                ? new Op.MlaAttention(
                                        mla.heads(),
                                        mla.nopeDim(),
                                        mla.ropeDim(),
                                        mla.valueDim(),
                                        mla.scale() * 1.001,
                                        mla.out())
                                : op),
                new GraphFault(
                        "layout/slice-off-by-one",
                        "smoke_SLICE_001_copiesColumns/f32/*",
                        op -> op instanceof Op.Slice slice ? new Op.Slice(slice.from() - 1, slice.length()) : op));
    }

    private static List<Fault> contract() {
        return List.of(
                new Fault("contract/executed-elsewhere", "smoke_ADD_001_roundsTheSumOnce/f32/T=3*") {
                    @Override
                    protected List<Program.Step> plan(List<Program.Step> real) {
                        return real.stream()
                                .map(step -> new Program.Step(step.kernel(), step.nodes(), "elsewhere:0"))
                                .toList();
                    }
                },
                new Fault("contract/declined-after-supported", "smoke_ADD_001_roundsTheSumOnce/f32/T=3*") {
                    @Override
                    protected void beforeCompile(Graph graph) {
                        throw BackendException.of(BackendException.Code.DECLINED, "on second thought, no", "none");
                    }
                },
                new Fault("memory/input-changed", "smoke_ADD_001_roundsTheSumOnce/f32/T=3*") {
                    @Override
                    protected void afterRun(RunAccess run) {
                        HostTensor a = run.operand(0);
                        byte[] bytes = a.bytes().clone();
                        bytes[bytes.length - 1] ^= 1;
                        run.write(run.node().operand(0).name(), bytes);
                    }
                },
                new Fault("memory/written-past-the-end", "smoke_ADD_001_roundsTheSumOnce/f32/T=3*") {
                    @Override
                    protected void afterRun(RunAccess run) {
                        byte[] whole = run.output("y").bytes();
                        run.write("y", java.util.Arrays.copyOf(whole, whole.length + 1));
                    }
                },
                new Fault("memory/last-element-never-written", "smoke_ADD_001_roundsTheSumOnce/f32/T=3*") {
                    private byte before;

                    @Override
                    protected void beforeRun(RunAccess run) {
                        before = run.output("y").bytes()[0];
                    }

                    @Override
                    protected void afterRun(RunAccess run) {
                        byte[] whole = run.output("y").bytes();
                        java.util.Arrays.fill(whole, whole.length - DType.F32.bits() / 8, whole.length, before);
                        run.write("y", whole);
                    }
                });
    }
}
