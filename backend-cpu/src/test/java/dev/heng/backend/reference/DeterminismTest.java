package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** RUN-013: a row's bits depend on neither threads nor neighbours. */
class DeterminismTest {

    private static final int TOKENS = 37;
    private static final int HIDDEN = 160;
    private static final int WIDTH = 96;
    private static final int EXPERTS = 12;
    private static final int K = 3;

    private final double[] x = numbers(1, TOKENS * HIDDEN);
    private final double[] router = numbers(2, EXPERTS * HIDDEN);
    private final double[] experts = numbers(3, EXPERTS * WIDTH * HIDDEN);
    private final double[] back = numbers(4, HIDDEN * WIDTH);

    @Test
    void threadsChangeNothing() {
        double[] alone = run(x, TOKENS, "1");
        for (String threads : new String[] {"2", "3", "7"}) {
            assertArrayEquals(alone, run(x, TOKENS, threads));
        }
    }

    @Test
    void neighboursChangeNothing() {
        double[] together = run(x, TOKENS, "2");
        for (int size : new int[] {1, 5, 16}) {
            for (int from = 0; from < TOKENS; from += size) {
                int to = Math.min(TOKENS, from + size);
                double[] part = run(Arrays.copyOfRange(x, from * HIDDEN, to * HIDDEN), to - from, "2");
                assertArrayEquals(Arrays.copyOfRange(together, from * HIDDEN, to * HIDDEN), part);
            }
        }
    }

    private double[] run(double[] rows, int tokens, String threads) {
        WeightSource.Part[] parts = new WeightSource.Part[EXPERTS];
        for (int e = 0; e < EXPERTS; e++) {
            double[] its = Arrays.copyOfRange(experts, e * WIDTH * HIDDEN, (e + 1) * WIDTH * HIDDEN);
            parts[e] = new WeightSource.Part(Data.of(DType.F32, its), null, null);
        }
        return new Trial()
                .option("threads", threads)
                .dim(Dim.TOKENS, tokens)
                .bind("x", Data.of(DType.F64, rows))
                .weight("router", Data.of(DType.F32, router))
                .weight("experts", parts)
                .weight("back", Data.of(DType.F32, back))
                .y(layer());
    }

    /** Norm, router, experts and a projection back. */
    private static Graph layer() {
        GraphBuilder builder = new GraphBuilder("layer");
        Value x = builder.input("x", TensorType.of(DType.F64, Dim.of(Dim.TOKENS), Dim.of(HIDDEN)));
        Value gate = builder.weight("router", TensorType.of(DType.F32, Shape.of(EXPERTS, HIDDEN)));
        Value up = builder.weight("experts", TensorType.of(DType.F32, Shape.of(EXPERTS, WIDTH, HIDDEN)));
        Value down = builder.weight("back", TensorType.of(DType.F32, Shape.of(HIDDEN, WIDTH)));
        Op.Route op = new Op.Route(
                EXPERTS,
                K,
                Op.Route.Score.SOFTMAX,
                3,
                2,
                Op.Route.GroupScore.TOP_TWO_SUM,
                Op.Route.Masked.NEGATIVE_INFINITY,
                true,
                2.5);
        GraphBuilder.Routed routed =
                builder.route("route", op, builder.linear("logits", x, gate, ActivationFormat.FLOAT, DType.F64));
        GraphBuilder.Dispatched sorted = builder.dispatch("dispatch", new Op.Dispatch(0, EXPERTS), x, routed.ids());
        Value grouped = builder.groupedLinear(
                "grouped", sorted.rows(), sorted.offsets(), up, ActivationFormat.FLOAT, DType.F64);
        Value activated = builder.swiglu("swiglu", grouped, grouped);
        Value combined = builder.combine("combine", activated, sorted.origins(), routed.weights(), DType.F64);
        builder.output("y", builder.linear("y", combined, down, ActivationFormat.FLOAT, DType.F64));
        return builder.build();
    }

    private static double[] numbers(long seed, int count) {
        SplittableRandom random = new SplittableRandom(seed);
        double[] values = new double[count];
        Arrays.setAll(values, _ -> (float) random.nextGaussian());
        return values;
    }
}
