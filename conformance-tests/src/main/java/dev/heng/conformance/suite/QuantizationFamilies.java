package dev.heng.conformance.suite;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.ActivationRounding;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Products at the edges of quantisation: rows of zeros, of next to nothing and of NaN, every code of E4M3, scales at both ends of E8M0. */
final class QuantizationFamilies {

    private static final int N = 24;
    private static final int K = 200;

    private final CaseList cases;

    private QuantizationFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        QuantizationFamilies families = new QuantizationFamilies(cases);
        Quantization int8 = new Quantization.Int8Channels(DType.BF16);
        Quantization fp8 = new Quantization.Fp8Blocks(128, 128, DType.F32);
        for (DType dtype : List.of(DType.BF16, DType.F32)) {
            families.rows(dtype, DType.I8, int8, ActivationFormat.INT8_PER_TOKEN, "QUANT-041");
            families.rows(dtype, DType.F8_E4M3, fp8, ActivationFormat.FP8_PER_TOKEN_128, "QUANT-050");
            families.rows(dtype, DType.F8_E4M3, fp8, ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO, "QUANT-052");
            families.codes(dtype);
            families.notANumber(dtype);
            families.extremeScales(dtype);
        }
    }

    /** Returns rows whose maxima lie where the formats have an edge; the NaN and infinity of two rows must stay in them. */
    private static double[][] awkward(RandomStream stream) {
        double[][] rows = new double[9][K];
        for (double[] row : rows) {
            for (int index = 0; index < K; index++) {
                row[index] = stream.normal();
            }
        }
        Arrays.fill(rows[0], 0);
        scale(rows[1], 0x1p-40);
        rows[2][77] = Double.NaN;
        rows[3][K - 1] = Double.POSITIVE_INFINITY;
        // The largest number of the row lands on 448 and 127 exactly; its neighbours on ties.
        Arrays.fill(rows[4], 1);
        rows[4][5] = 448;
        // One block of zeros beside one of numbers.
        Arrays.fill(rows[5], 0, 128, 0);
        rows[6][0] = 30_000;
        rows[7][0] = 0x1p-20;
        scale(rows[7], 1e-3);
        return rows;
    }

    private static void scale(double[] row, double factor) {
        for (int index = 0; index < row.length; index++) {
            row[index] *= factor;
        }
    }

    private void rows(DType dtype, DType stored, Quantization quantization, ActivationFormat format, String rule) {
        cases.add(
                Level.SMOKE,
                "Linear",
                Tensors.name(stored),
                List.of("QUANT-043", rule, "QUANT-053", "LINEAR-004"),
                "roundsAwkwardRows",
                Tensors.name(dtype) + "/" + format,
                (id, seed) -> {
                    TensorType type = new TensorType(stored, Shape.of(N, K), quantization);
                    StoredWeight weight = StoredWeight.draw(
                            RandomStream.of(id, seed, "weight"), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE);
                    double[][] rows = awkward(RandomStream.of(id, seed, "x"));
                    double[] flat =
                            Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
                    HostTensor x = HostTensor.floats(dtype, new int[] {rows.length, K}, flat);
                    return linear(type, weight, x, format, DType.F32);
                });
    }

    private static Scenario linear(
            TensorType type, StoredWeight weight, HostTensor x, ActivationFormat format, DType out) {
        int n = (int) type.shape().dim(0).size();
        int k = (int) type.shape().dim(1).size();
        GraphBuilder builder = new GraphBuilder("linear");
        Value input = builder.input("x", TensorType.of(x.dtype(), Dim.of(Dim.TOKENS), Dim.of(k)));
        builder.output("y", builder.linear("linear", input, builder.weight("weight", type), format, out));
        return Scenario.of(
                builder.build(),
                Map.of("weight", weight),
                Map.of(Dim.TOKENS, (long) x.shape()[0]),
                Map.of("x", x),
                (_, outputs, profile) -> List.of(judge(type, weight, x, format, n, k, outputs, profile)));
    }

    /** The worst case (F8) for rows of numbers; NaN in all results of the others. */
    private static Check judge(
            TensorType type,
            StoredWeight weight,
            HostTensor x,
            ActivationFormat format,
            int n,
            int k,
            Map<String, HostTensor> outputs,
            NumericsProfile profile) {
        HostTensor got = Checks.output(outputs, "y");
        var declared = MatrixUnits.declared(profile, MatrixUnits.product(x.dtype(), type, format));
        AccumulationError error = new AccumulationError(MatrixUnits.unit(declared), k);
        double cut = MatrixUnits.cut(
                        format == ActivationFormat.FLOAT ? x.dtype().significandBits() : 8, declared.activationBits())
                + MatrixUnits.cut(24, declared.weightBits());
        int rows = x.shape()[0];
        double[] values = x.doubles();
        double[] exact = new double[rows * n];
        double[] limits = new double[rows * n];
        for (int row = 0; row < rows; row++) {
            double[] one = Arrays.copyOfRange(values, row * k, (row + 1) * k);
            if (!Arrays.stream(one).allMatch(Double::isFinite)) {
                Arrays.fill(exact, row * n, (row + 1) * n, Double.NaN);
                continue;
            }
            ActivationRounding rounded = ActivationRounding.of(format, one, 1, k);
            ProductMoments moments = ProductMoments.of(rounded.values(), weight.real(), 1, n, k);
            for (int column = 0; column < n; column++) {
                int at = row * n + column;
                double magnitude = moments.magnitudes()[column];
                exact[at] = moments.exact()[column];
                // Scales are multiplied in F32, four roundings of the whole.
                limits[at] = Checks.outputRounding(got, exact[at])
                        + error.worstCase(magnitude)
                        + (cut + 4 * 0x1p-24) * magnitude
                        + 1.01 * rounded.doubt(0, weight.real(), column, k)
                        + k * 0x1p-149;
            }
        }
        return Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits));
    }

    /** Row n of x is one-hot, so that y shows each weight as the format defines it: all 254 finite codes of E4M3. */
    private void codes(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Linear",
                "f8_e4m3",
                List.of("FORMAT-007", "QUANT-010", "QUANT-011"),
                "readsEveryCode",
                Tensors.name(dtype),
                (_, _) -> {
                    int n = 130;
                    int k = 132;
                    double[] elements = new double[n * k];
                    for (int index = 0; index < elements.length; index++) {
                        int code = index % 254;
                        // 0x7f and 0xff are NaN: codes 0..126 and 128..254 are numbers.
                        elements[index] = FloatFormat.F8_E4M3.decode(code < 127 ? code : code + 1);
                    }
                    double[] scales = {1, 0x1p3, 0x1p-4, 0x1p6};
                    return oneHot(dtype, n, k, elements, DType.F32, scales);
                });
    }

    private static Scenario oneHot(DType dtype, int n, int k, double[] elements, DType scaleType, double[] scales) {
        TensorType type =
                new TensorType(DType.F8_E4M3, Shape.of(n, k), new Quantization.Fp8Blocks(128, 128, scaleType));
        int across = Math.ceilDiv(k, 128);
        double[] real = new double[n * k];
        for (int index = 0; index < real.length; index++) {
            real[index] = elements[index] * scales[index / k / 128 * across + index % k / 128];
        }
        MemorySegment stored = MemorySegment.ofArray(
                HostTensor.floats(DType.F8_E4M3, new int[] {n, k}, elements).bytes());
        StoredWeight weight = new StoredWeight(
                type,
                new WeightSource.WeightData(
                        List.of(new WeightSource.Part(stored, scaleBytes(scaleType, scales), null))),
                real);
        double[] x = new double[k * k];
        for (int row = 0; row < k; row++) {
            x[row * k + row] = 1;
        }
        HostTensor input = HostTensor.floats(dtype, new int[] {k, k}, x);
        return linear(type, weight, input, ActivationFormat.FLOAT, DType.F32);
    }

    private static MemorySegment scaleBytes(DType scaleType, double[] scales) {
        if (scaleType != DType.F8_E8M0) {
            return MemorySegment.ofArray(HostTensor.floats(scaleType, new int[] {scales.length}, scales)
                    .bytes());
        }
        byte[] codes = new byte[scales.length];
        for (int index = 0; index < codes.length; index++) {
            codes[index] = (byte) (Math.getExponent(scales[index]) + 127);
        }
        return MemorySegment.ofArray(codes);
    }

    /** A NaN code makes the results of its row of the weight NaN, and no others. */
    private void notANumber(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Linear",
                "f8_e4m3",
                List.of("QUANT-012", "FORMAT-007", "LINEAR-004"),
                "readsCodesOfNaN",
                Tensors.name(dtype),
                (_, _) -> {
                    int n = 9;
                    int k = 8;
                    double[] elements = new double[n * k];
                    Arrays.fill(elements, 1.5);
                    elements[3 * k + 2] = Double.NaN;
                    elements[7 * k + 7] = Double.NaN;
                    return oneHot(dtype, n, k, elements, DType.F32, new double[] {2});
                });
    }

    /**
     * Scales far from 1, and at night one whose products reach the end of F32: a device that scales elements and scales apart, each by a
     * factor of its own, must not overflow on the way.
     */
    private void extremeScales(DType dtype) {
        double[] far = {0x1p-100, 1, 0x1p100};
        double[] ends = {0x1p-120, 1, 0x1p126};
        for (double[] scales : List.of(far, ends)) {
            boolean moderate = scales[2] < 0x1p120;
            cases.add(
                    moderate ? Level.SMOKE : Level.NIGHTLY,
                    "Linear",
                    "f8_e4m3",
                    List.of("FORMAT-008", "QUANT-012", "FORMAT-003"),
                    "scalesByTheEndsOfE8M0",
                    Tensors.name(dtype) + (moderate ? "/far" : "/ends"),
                    (_, _) -> {
                        int n = 260;
                        int k = 8;
                        double[] elements = new double[n * k];
                        for (int index = 0; index < elements.length; index++) {
                            elements[index] = index % 2 == 0 ? 1 : -1.5;
                        }
                        return oneHot(dtype, n, k, elements, DType.F8_E8M0, scales);
                    });
        }
    }
}
