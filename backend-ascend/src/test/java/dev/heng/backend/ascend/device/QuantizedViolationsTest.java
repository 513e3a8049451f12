package dev.heng.backend.ascend.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Arguments that the documents of the quantised operators forbid, one mistake at a time: each is refused in the first phase with the document's name. */
final class QuantizedViolationsTest {

    private static final long BYTES = 4096;
    private static final byte NO = 0;
    private static final byte YES = 1;

    private final Simulator simulator = new Simulator(Release.HEAD);
    private final List<DynamicTest> tests = new ArrayList<>();

    /** Where the tensors of a mistake lie, all of them: first phases compute nothing. */
    private long memory;

    private void violation(String name, String words, ToIntFunction<RawCann> mistake) {
        violation("a2", name, words, mistake);
    }

    private void violation(String soc, String name, String words, ToIntFunction<RawCann> mistake) {
        tests.add(DynamicTest.dynamicTest(name, () -> {
            simulator.set("HENG_SIMULATE_SOC", soc);
            try (RawCann cann = new RawCann()) {
                cann.message();
                memory = cann.device(BYTES);
                int status = mistake.applyAsInt(cann);
                String message = cann.message();
                cann.call("aclrtFree", memory);
                assertEquals(161002, status, message);
                assertTrue(message.contains(words), message);
                assertTrue(message.contains("[rule: ") && message.contains("; source: "), message);
            } finally {
                simulator.set("HENG_SIMULATE_SOC", "a2");
            }
        }));
    }

    private long tensor(RawCann cann, DType dtype, long... dims) {
        return cann.tensor(dtype, memory, dims);
    }

    /** [k, n] as the transpose of row-major [n, k]. */
    private long transposed(RawCann cann, DType dtype, long k, long n) {
        return cann.tensor(dtype, memory, 2, new long[] {1, k}, new long[] {k, n}, k * n);
    }

    @TestFactory
    Stream<DynamicTest> everyViolationIsNamed() {
        activations();
        int8();
        weightOnly();
        experts();
        return tests.stream();
    }

    private void activations() {
        violation(
                "round F32 activations to int8", "data type 0", cann -> quantise(cann, DType.F32, 4, 32, DType.I8, 4));
        violation(
                "round to int4 what is given as int4",
                "data type 29",
                cann -> quantise(cann, DType.BF16, 4, 32, DType.I4, 4));
        violation("give scales for other rows", "scaleOut", cann -> quantise(cann, DType.BF16, 4, 32, DType.I8, 3));
        violation(
                "310p",
                "round rows of 24 on 310P",
                "multiple of 32",
                cann -> quantise(cann, DType.F16, 4, 24, DType.I8, 4));
        violation("310p", "round BF16 on 310P", "310P", cann -> quantise(cann, DType.BF16, 4, 32, DType.I8, 4));
    }

    private int quantise(RawCann cann, DType dtype, long rows, long width, DType to, long scales) {
        return cann.refusedFirst(
                "aclnnDynamicQuant",
                tensor(cann, dtype, rows, width),
                0L,
                tensor(cann, to, rows, width),
                tensor(cann, DType.F32, scales));
    }

    private void int8() {
        violation(
                "give F16 results BF16 scales",
                "table of data types",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.BF16, 8), tokens(cann), 0, YES, 0, DType.F16));
        violation(
                "want F16 results without scales of tokens",
                "table of data types",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), 0, 0, YES, 0, DType.F16));
        violation(
                "scale an INT32 result",
                "table of data types",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, YES, 0, DType.I32));
        violation(
                "want F32 results",
                "data type 0",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, YES, 0, DType.F32));
        violation(
                "multiply int8 with BF16",
                "data type 27",
                cann -> multiply(cann, DType.BF16, tensor(cann, DType.F32, 8), tokens(cann), 0, YES, 0, DType.BF16));
        violation(
                "pass true as -1",
                "bool",
                cann -> multiply(
                        cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, (byte) -1, 0, DType.BF16));
        violation(
                "forget that x2 is transposed",
                "[k, n]",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, NO, 0, DType.BF16));
        violation(
                "give a group size with scales by channel",
                "groupSize",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, YES, 128, DType.BF16));
        violation(
                "give scales for other channels",
                "x2Scale",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 7), tokens(cann), 0, YES, 0, DType.BF16));
        violation(
                "give a bias in F16 with BF16 results",
                "table of data types",
                cann -> multiply(
                        cann,
                        DType.I8,
                        tensor(cann, DType.F32, 8),
                        tokens(cann),
                        tensor(cann, DType.F16, 8),
                        YES,
                        0,
                        DType.BF16));
        violation(
                "310p",
                "give 310P an int8 weight in ND",
                "FRACTAL_NZ",
                cann -> multiply(cann, DType.I8, tensor(cann, DType.F32, 8), tokens(cann), 0, YES, 0, DType.F16));
    }

    private long tokens(RawCann cann) {
        return tensor(cann, DType.F32, 4);
    }

    private int multiply(
            RawCann cann,
            DType weight,
            long scales,
            long tokenScales,
            long bias,
            byte transposeX2,
            long groupSize,
            DType out) {
        return cann.refusedFirst(
                "aclnnQuantMatmulV5",
                tensor(cann, DType.I8, 4, 16),
                tensor(cann, weight, 8, 16),
                tokenScales,
                scales,
                0L,
                0L,
                0L,
                0L,
                bias,
                NO,
                transposeX2,
                groupSize,
                tensor(cann, out, 4, 8));
    }

    private void weightOnly() {
        violation("scale in another type than the activations'", "type of x", cann -> {
            long weight = transposed(cann, DType.I8, 64, 8);
            return weightOnly(cann, DType.F16, 64, weight, tensor(cann, DType.BF16, 8), 0L, 0, DType.F16);
        });
        violation("scale in F32", "data type 0", cann -> {
            long weight = transposed(cann, DType.I8, 64, 8);
            return weightOnly(cann, DType.BF16, 64, weight, tensor(cann, DType.F32, 8), 0L, 0, DType.BF16);
        });
        violation("want another type than the activations'", "type of x", cann -> {
            long weight = transposed(cann, DType.I8, 64, 8);
            return weightOnly(cann, DType.BF16, 64, weight, tensor(cann, DType.BF16, 8), 0L, 0, DType.F16);
        });
        violation("pack int4 in rows of an odd number", "even", cann -> {
            long weight = transposed(cann, DType.I4, 63, 8);
            return weightOnly(cann, DType.BF16, 63, weight, tensor(cann, DType.BF16, 8), 0L, 0, DType.BF16);
        });
        violation("group int4 by 48", "multiple of 32", cann -> {
            long weight = transposed(cann, DType.I4, 96, 8);
            return weightOnly(cann, DType.BF16, 96, weight, transposed(cann, DType.BF16, 2, 8), 0L, 48, DType.BF16);
        });
        violation("make one group of all", "within [32, k-1]", cann -> {
            long weight = transposed(cann, DType.I4, 64, 8);
            return weightOnly(cann, DType.BF16, 64, weight, transposed(cann, DType.BF16, 1, 8), 0L, 64, DType.BF16);
        });
        violation("give offsets for other groups", "antiquantOffset", cann -> {
            long weight = transposed(cann, DType.I4, 64, 8);
            long scales = transposed(cann, DType.BF16, 2, 8);
            return weightOnly(cann, DType.BF16, 64, weight, scales, transposed(cann, DType.BF16, 3, 8), 32, DType.BF16);
        });
        violation("950", "transpose the weight and not its scales on 950", "antiquantScale is transposed", cann -> {
            long weight = transposed(cann, DType.I4, 64, 8);
            return weightOnly(cann, DType.BF16, 64, weight, tensor(cann, DType.BF16, 2, 8), 0L, 32, DType.BF16);
        });
        violation("310p", "give 310P an int4 weight", "data type 29", cann -> {
            long weight = transposed(cann, DType.I4, 64, 8);
            return weightOnly(cann, DType.F16, 64, weight, tensor(cann, DType.F16, 8), 0L, 0, DType.F16);
        });
    }

    private int weightOnly(
            RawCann cann, DType x, long k, long weight, long scales, long offsets, int group, DType out) {
        return cann.refusedFirst(
                "aclnnWeightQuantBatchMatmulV2",
                tensor(cann, x, 4, k),
                weight,
                scales,
                offsets,
                0L,
                0L,
                0L,
                group,
                tensor(cann, out, 4, 8));
    }

    private void experts() {
        violation("want BF16 of experts with F32 scales", "A8W8", cann -> {
            long scales = cann.list(tensor(cann, DType.F32, 2, 8));
            return grouped(cann, DType.I8, DType.I8, scales, 0, 0, tokens(cann), DType.BF16);
        });
        violation("give experts' int8 no offsets", "antiquantOffset must not be null", cann -> {
            long scales = cann.list(tensor(cann, DType.BF16, 2, 8));
            return grouped(cann, DType.BF16, DType.I8, 0, scales, 0, 0, DType.BF16);
        });
        violation("give groups of experts' int4 offsets", "symmetric INT4", cann -> {
            long scales = cann.list(tensor(cann, DType.BF16, 2, 2, 8));
            long offsets = cann.list(tensor(cann, DType.BF16, 2, 2, 8));
            return grouped(cann, DType.BF16, DType.I4, 0, scales, offsets, 0, DType.BF16);
        });
        violation("divide 16 columns of experts' int4 into 3 groups", "symmetric INT4", cann -> {
            long scales = cann.list(tensor(cann, DType.BF16, 2, 3, 8));
            return grouped(cann, DType.BF16, DType.I4, 0, scales, 0, 0, DType.BF16);
        });
        violation("310p", "multiply experts' int8 on 310P", "310P", cann -> {
            long scales = cann.list(tensor(cann, DType.F16, 2, 8));
            long offsets = cann.list(tensor(cann, DType.F16, 2, 8));
            return grouped(cann, DType.F16, DType.I8, 0, scales, offsets, 0, DType.F16);
        });
    }

    private int grouped(
            RawCann cann,
            DType x,
            DType weight,
            long scales,
            long antiquantScales,
            long antiquantOffsets,
            long tokenScales,
            DType out) {
        return cann.refusedFirst(
                "aclnnGroupedMatmulV4",
                cann.list(tensor(cann, x, 4, 16)),
                cann.list(tensor(cann, weight, 2, 16, 8)),
                0L,
                scales,
                0L,
                antiquantScales,
                antiquantOffsets,
                tokenScales == 0 ? 0L : cann.list(tokenScales),
                tensor(cann, DType.I64, 2),
                0L,
                0L,
                0L,
                2L,
                0L,
                0L,
                0L,
                cann.list(tensor(cann, out, 4, 8)),
                0L,
                0L);
    }
}
