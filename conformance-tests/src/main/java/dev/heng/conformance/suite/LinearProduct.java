package dev.heng.conformance.suite;

import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.probe.OperandRange;
import dev.heng.spi.Backend;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;

/**
 * Products of a device for probes to ask, through Linear with a result in F32, or in the activations' type where F32 is declined. Scales of quantised weights
 * are powers of two, and activations that are rounded to E4M3 first get a scale of 1, so that nothing but the unit itself rounds.
 */
final class LinearProduct implements MatrixProduct {

    /** Columns that share one scale of E4M3 activations. The last of each holds the largest number, and its weight is zero. */
    private static final int GROUP = 128;

    private static final double LARGEST_E4M3 = 448;

    /** Devices read operands of eight bits in pieces of 16. */
    private static final int ALIGNMENT = 16;

    /**
     * What meets in the multiplier.
     *
     * @param name what cases call it
     * @param level the first level that probes its unit's structure; its declaration is asked on every level
     * @param activations the type in which activations are handed over
     * @param elements the type of a weight's elements
     * @param quantization of the weight; int4 groups without zero points
     * @param format what activations are rounded to first: nothing, or E4M3
     */
    record Kind(
            String name,
            Level level,
            DType activations,
            DType elements,
            Quantization quantization,
            ActivationFormat format) {

        /** Returns plain weights of the activations' type. */
        static Kind plain(DType dtype) {
            return new Kind(Tensors.name(dtype), Level.SMOKE, dtype, dtype, Quantization.NONE, ActivationFormat.FLOAT);
        }

        /** Returns activations as they are, and weights in fewer bits. */
        private static Kind quantized(Level level, DType activations, DType elements, Quantization quantization) {
            String name = Tensors.name(activations) + "/" + Tensors.name(elements);
            return new Kind(name, level, activations, elements, quantization, ActivationFormat.FLOAT);
        }

        Product product() {
            return MatrixUnits.product(activations, new TensorType(elements, Shape.of(1, 1), quantization), format);
        }
    }

    private static final Quantization BLOCKS = new Quantization.Fp8Blocks(128, 128, DType.F32);
    private static final Quantization CHANNELS = new Quantization.Int8Channels(DType.F32);
    private static final Quantization GROUPS = new Quantization.Int4Groups(128, DType.F32, false);

    /**
     * Every kind whose sums a profile describes: units and kernels of their own on most devices. F64 is the oracle's, and sums of int8 by int8 are exact by
     * definition (QUANT-042). What a device does for F32 beside quantised weights is rarely used, and its structure worth less of the smoke level's time.
     */
    static final List<Kind> KINDS = List.of(
            Kind.plain(DType.F32),
            Kind.plain(DType.BF16),
            Kind.plain(DType.F16),
            Kind.quantized(Level.SMOKE, DType.BF16, DType.F8_E4M3, BLOCKS),
            Kind.quantized(Level.SMOKE, DType.BF16, DType.I8, CHANNELS),
            Kind.quantized(Level.SMOKE, DType.BF16, DType.I4, GROUPS),
            Kind.quantized(Level.REQUIRED, DType.F32, DType.F8_E4M3, BLOCKS),
            Kind.quantized(Level.REQUIRED, DType.F32, DType.I8, CHANNELS),
            Kind.quantized(Level.REQUIRED, DType.F32, DType.I4, GROUPS),
            new Kind(
                    "bf16-as-f8_e4m3/f8_e4m3",
                    Level.SMOKE,
                    DType.BF16,
                    DType.F8_E4M3,
                    BLOCKS,
                    ActivationFormat.FP8_PER_TOKEN_128));

    private final Backend device;
    private final Kind kind;
    private DType out = DType.F32;

    LinearProduct(Backend device, Kind kind) {
        this.device = device;
        this.kind = kind;
    }

    /** Returns the product whose accumulation the profile declares. */
    Product kind() {
        return kind.product();
    }

    /** Returns why the device says no, or nothing. */
    String refusal(int m, int n, int k) {
        String refusal = Session.refusal(device, scenario(new double[m * k], new double[n * k], m, n, k));
        if (!refusal.isEmpty() && out != kind.activations()) {
            out = kind.activations();
            return refusal(m, n, k);
        }
        return refusal;
    }

    @Override
    public FloatFormat inputFormat() {
        return isRounded() ? FloatFormat.F8_E4M3 : HostTensor.format(kind.activations());
    }

    @Override
    public FloatFormat outputFormat() {
        return HostTensor.format(out);
    }

    @Override
    public OperandRange weights() {
        return switch (kind.quantization()) {
            case Quantization.None _ -> OperandRange.of(HostTensor.format(kind.elements()));
            case Quantization.Fp8Blocks _ -> OperandRange.of(FloatFormat.F8_E4M3);
            case Quantization.Int8Channels _ -> OperandRange.integers(7);
            case Quantization.Int4Groups _ -> OperandRange.integers(3);
        };
    }

    @Override
    public double[] multiply(double[] a, double[] b, int m, int n, int k) {
        try (Session session = Session.open(device, scenario(a, b, m, n, k))) {
            session.write(0);
            session.run(0);
            return Checks.output(session.read(0), "y").doubles();
        }
    }

    private boolean isRounded() {
        return kind.format() != ActivationFormat.FLOAT;
    }

    private Scenario scenario(double[] a, double[] b, int m, int n, int k) {
        int width = isRounded() ? spreadWidth(k) : k;
        GraphBuilder builder = new GraphBuilder("probe");
        Value x = builder.input("x", TensorType.of(kind.activations(), Dim.of(Dim.TOKENS), Dim.of(width)));
        TensorType type = new TensorType(kind.elements(), Shape.of(n, width), kind.quantization());
        Value weight = builder.weight("weight", type);
        builder.output("y", builder.linear("linear", x, weight, kind.format(), out));
        double[] left = isRounded() ? spread(a, m, k, width, LARGEST_E4M3) : a;
        double[] right = isRounded() ? spread(b, n, k, width, 0) : b;
        return Scenario.of(
                builder.build(),
                Map.of("weight", StoredWeight.exactly(type, right)),
                Map.of(Dim.TOKENS, (long) m),
                Map.of("x", HostTensor.floats(kind.activations(), new int[] {m, width}, left)),
                (_, _, _) -> List.of());
    }

    /** Returns the columns with one more in each group, rounded up to what kernels for eight-bit operands take. */
    private static int spreadWidth(int k) {
        return Math.ceilDiv(k + Math.ceilDiv(k, GROUP - 1), ALIGNMENT) * ALIGNMENT;
    }

    /** Returns the rows with one more column in each group, the last, that holds {@code added}, and zeros behind what there is. */
    private static double[] spread(double[] matrix, int rows, int k, int width, double added) {
        double[] spread = new double[rows * width];
        for (int row = 0; row < rows; row++) {
            int taken = 0;
            for (int column = 0; column < width; column++) {
                boolean last = column % GROUP == GROUP - 1 || column == width - 1;
                if (last) {
                    spread[row * width + column] = added;
                } else if (taken < k) {
                    spread[row * width + column] = matrix[row * k + taken++];
                }
            }
        }
        return spread;
    }
}
