package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.math.BigDecimal;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** LINEAR: plain weights of every type, against sums in BigDecimal. */
class LinearTest {

    private static final DType[] ACTIVATIONS = {DType.F64, DType.F32, DType.F16, DType.BF16};

    @ParameterizedTest
    @CsvSource({"0,3,5", "1,1,1", "1,5,3", "2,7,4", "7,129,9", "8,129,9", "9,64,33", "40,31,6", "65,3,5", "200,2,3"})
    void plainWeightsWithBiasAreExactSumsRoundedOnce(int tokens, int k, int n) {
        SplittableRandom random = new SplittableRandom(17);
        double[] x = Data.random(random, tokens * k);
        double[] w = Data.random(random, n * k);
        double[] bias = Data.random(random, n);
        for (DType activation : ACTIVATIONS) {
            for (DType weight : ACTIVATIONS) {
                GraphBuilder builder = new GraphBuilder("linear");
                Value input = builder.input("x", TensorType.of(activation, Dim.of(Dim.TOKENS), Dim.of(k)));
                Value matrix = builder.weight("w", TensorType.of(weight, Dim.of(n), Dim.of(k)));
                Value vector = builder.weight("b", TensorType.of(weight, Dim.of(n)));
                builder.output("y", builder.linear("y", input, matrix, vector, ActivationFormat.FLOAT, activation));
                Graph graph = builder.build();
                double[] y = new Trial()
                        .dim(Dim.TOKENS, tokens)
                        .bind("x", Data.of(activation, x))
                        .weight("w", Data.of(weight, w))
                        .weight("b", Data.of(weight, bias))
                        .y(graph);
                double[] expected = new double[tokens * n];
                for (int t = 0; t < tokens; t++) {
                    for (int row = 0; row < n; row++) {
                        BigDecimal sum = new BigDecimal(bias[row]);
                        for (int i = k - 1; i >= 0; i--) {
                            sum = sum.add(new BigDecimal(x[t * k + i]).multiply(new BigDecimal(w[row * k + i])));
                        }
                        expected[t * n + row] = switch (activation) {
                            case F64 -> sum.doubleValue();
                            case F32 -> sum.floatValue();
                            case F16 -> Float.float16ToFloat(Float.floatToFloat16(sum.floatValue()));
                            default -> Formats.bf16(sum.doubleValue());
                        };
                    }
                }
                // All products are multiples of 2^-12 below 2^11: sums are exact in double and float, so there is one
                // rounding everywhere.
                assertArrayEquals(expected, y, activation + " x " + weight);
            }
        }
    }
}
