package dev.heng.conformance.faulty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Chains;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Scenario;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.RopeFrequencies;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Chains can fail: what operators by themselves compute right and a model puts together wrong is found, and what is right is not. */
final class ChainFaultsTest {

    private static final Suite SUITE = Suite.standard();
    private static final String DESCRIPTION = "Puts a model together in another way than its graph says.";
    private static final String V3 = "smoke_EMBED_001_prefillsAndDecodesAModel/deepseek-v3/bf16/w=bf16/short";
    private static final String V3_F32 = "required_EMBED_001_prefillsAndDecodesAModel/deepseek-v3/f32/w=f32/short";
    private static final String GLM = "smoke_EMBED_001_prefillsAndDecodesAModel/glm-4.5/bf16/w=bf16/short";
    private static final String MOE = "smoke_ROUTE_013_routesWorksAndCombines/deepseek-v3/bf16/w=bf16/T=7";
    private static final String LITE = "smoke_ROUTE_013_routesWorksAndCombines/deepseek-v2-lite/bf16/w=bf16/T=7";

    /** A fault and the chain that must find it. */
    record Planted(RunFault fault, String cases) {
        @Override
        public String toString() {
            return fault.id();
        }
    }

    /** Compiles another graph: other operators, or other operands, under the same names. */
    private static final class Rewrite extends RunFault {
        private final UnaryOperator<Op> ops;
        private final BiFunction<Node, List<Value>, List<Value>> operands;

        Rewrite(String id, UnaryOperator<Op> ops, BiFunction<Node, List<Value>, List<Value>> operands) {
            super(id, DESCRIPTION, "RUN-016");
            this.ops = ops;
            this.operands = operands;
        }

        @Override
        protected Graph graph(Graph graph) {
            GraphBuilder builder = new GraphBuilder(graph.name());
            Map<String, Value> copies = new HashMap<>();
            for (Value value : graph.values()) {
                switch (value.role()) {
                    case INPUT -> copies.put(value.name(), builder.input(value.name(), value.type()));
                    case WEIGHT -> copies.put(value.name(), builder.weight(value.name(), value.type()));
                    case STATE -> {
                        if (graph.producer(value).isEmpty()) {
                            int page = (int) value.type().shape().dim(1).size();
                            int width = (int) value.type().shape().dim(2).size();
                            copies.put(
                                    value.name(),
                                    builder.cache(value.name(), value.type().dtype(), page, width));
                        }
                    }
                    case RESULT -> {}
                }
            }
            for (Node node : graph.nodes()) {
                List<Value> now = node.operands().stream()
                        .map(operand -> Objects.requireNonNull(copies.get(operand.name())))
                        .toList();
                List<Value> taken = operands.apply(node, now);
                builder.add(node.name(), ops.apply(node.op()), taken.toArray(Value[]::new))
                        .results()
                        .forEach(result -> copies.put(result.name(), result));
            }
            graph.outputs()
                    .forEach((name, value) -> builder.output(name, Objects.requireNonNull(copies.get(value.name()))));
            return builder.build();
        }
    }

    private static Planted op(String id, String cases, UnaryOperator<Op> change) {
        return new Planted(new Rewrite(id, change, (_, operands) -> operands), cases);
    }

    private static Planted operands(String id, String cases, BiFunction<Node, List<Value>, List<Value>> change) {
        return new Planted(new Rewrite(id, op -> op, change), cases);
    }

    /** Replaces the weights whose names end so. */
    private static Planted weight(
            String id, String cases, String suffix, UnaryOperator<WeightSource.WeightData> change) {
        RunFault fault = new RunFault(id, DESCRIPTION, "RUN-016") {
            @Override
            protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
                return weight.name().endsWith(suffix) ? change.apply(data) : data;
            }
        };
        return new Planted(fault, cases);
    }

    static List<Planted> faults() {
        return List.of(
                op(
                        "chain/softmax-scale-without-mscale",
                        V3,
                        op -> op instanceof Op.MlaAttention attention
                                ? new Op.MlaAttention(
                                        attention.heads(),
                                        attention.nopeDim(),
                                        attention.ropeDim(),
                                        attention.valueDim(),
                                        1 / Math.sqrt(attention.nopeDim() + attention.ropeDim()),
                                        attention.out())
                                : op),
                op("chain/rope-without-yarn", V3, op -> op instanceof Op.Rope rope ? plainFrequencies(rope) : op),
                op(
                        "chain/rope-in-halves",
                        V3,
                        op -> op instanceof Op.Rope rope
                                ? new Op.Rope(rope.headDim(), rope.offset(), Op.Pairing.HALF, rope.frequencies())
                                : op),
                op(
                        "chain/rope-interleaved",
                        GLM,
                        op -> op instanceof Op.Rope rope
                                ? new Op.Rope(rope.headDim(), rope.offset(), Op.Pairing.INTERLEAVED, rope.frequencies())
                                : op),
                op("chain/epsilon-of-another-norm", V3_F32, op -> op instanceof Op.RmsNorm ? new Op.RmsNorm(1e-2) : op),
                operands(
                        "chain/shared-experts-forgotten",
                        MOE,
                        (node, operands) ->
                                node.name().endsWith(".sum") ? List.of(operands.get(0), operands.get(0)) : operands),
                operands(
                        "chain/shared-experts-alone",
                        LITE,
                        (node, operands) ->
                                node.name().endsWith(".sum") ? List.of(operands.get(1), operands.get(1)) : operands),
                operands(
                        "chain/gate-and-up-exchanged",
                        MOE,
                        (node, operands) ->
                                node.op() instanceof Op.Swiglu ? List.of(operands.get(1), operands.get(0)) : operands),
                operands(
                        "chain/residual-of-the-wrong-place",
                        V3,
                        (node, operands) -> node.name().endsWith("attention_sum")
                                ? List.of(operands.get(1), operands.get(1))
                                : operands),
                weight("chain/experts-exchanged", MOE, ".mlp.experts.down_proj.weight", data -> {
                    List<WeightSource.Part> parts = new ArrayList<>(data.parts());
                    Collections.swap(parts, 0, parts.size() - 1);
                    Collections.swap(parts, 1, 2);
                    Collections.swap(parts, 3, 4);
                    return new WeightSource.WeightData(parts);
                }),
                new Planted(
                        new RunFault("chain/one-row-stale", DESCRIPTION, "RUN-016") {
                            @Override
                            protected void afterRun(RunAccess run) {
                                byte[] logits = run.output("logits").bytes();
                                int rows = run.output("logits").shape()[0];
                                if (rows > 1) {
                                    int row = logits.length / rows;
                                    System.arraycopy(logits, 0, logits, row, row);
                                    run.write("logits", logits);
                                }
                            }
                        },
                        V3));
    }

    private static Op plainFrequencies(Op.Rope rope) {
        double[] inverse = new double[rope.frequencies().pairs()];
        for (int pair = 0; pair < inverse.length; pair++) {
            inverse[pair] = StrictMath.pow(10_000, -(double) pair / inverse.length);
        }
        return new Op.Rope(rope.headDim(), rope.offset(), rope.pairing(), new RopeFrequencies(inverse, 1));
    }

    private static RunReport judge(Planted planted) {
        return ParityRun.run(
                SUITE,
                RunRequest.of("faulty", Level.SMOKE).onlyCases(planted.cases()),
                () -> planted.fault().plant(Backends.reference()),
                Backends::reference);
    }

    @ParameterizedTest
    @MethodSource("faults")
    void whatIsPutTogetherWrongIsFound(Planted fault) {
        CaseResult result = judge(fault).results().getFirst();
        assertEquals(CaseState.FAIL, result.state(), () -> fault + ": " + result.reason());
        assertEquals(result.reason(), judge(fault).results().getFirst().reason());
    }

    @ParameterizedTest
    @MethodSource("right")
    void whatIsPutTogetherRightIsNot(String cases) {
        CaseResult result = judge(op("chain/none", cases, op -> op)).results().getFirst();
        assertEquals(CaseState.PASS, result.state(), result.reason());
    }

    static List<String> right() {
        return List.of(V3, GLM, MOE, LITE);
    }

    @Test
    void valuesOfAChainCanBeWatchedNodeByNode() {
        Scenario chain = SUITE.cases().stream()
                .filter(one -> one.id().equals(MOE))
                .findFirst()
                .orElseThrow()
                .scenario(7);
        assertTrue(Chains.isChain(chain));
        List<Value> values = Chains.watchable(chain);
        Scenario watched = Chains.watching(chain, values);
        assertEquals(
                chain.graph().nodes().stream().map(Node::name).toList(),
                watched.graph().nodes().stream().map(Node::name).toList());
        for (Value value : values) {
            assertTrue(watched.graph().outputs().values().stream()
                    .anyMatch(output -> output.name().equals(value.name())));
        }
        assertFalse(watched.graph().outputs().size() <= chain.graph().outputs().size());
    }
}
