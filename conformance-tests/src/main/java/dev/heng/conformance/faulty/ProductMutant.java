package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.util.EnumMap;
import java.util.Map;

/**
 * A product of plain matrices accumulated in F32 by chunks of 32 along K, right or with one of 15 faults, written over the real one's
 * result. The profile declares F32 accumulation, since that is what the right one does.
 */
final class ProductMutant extends Fault {

    /** What is wrong. */
    enum Kind {
        NONE("f32"),
        DROP_LAST_K("f32"),
        DROP_LAST_K_LAST_ROW("f32"),
        DROP_LAST_8_K("bf16"),
        ONE_ELEMENT_ZERO("bf16"),
        ROW_STALE("bf16"),
        COLUMNS_SWAPPED("f16"),
        SUM_F16_EACH_32("f32"),
        SUM_BF16_EACH_32("bf16"),
        SCALE_1_01("bf16"),
        SCALE_1_001("bf16"),
        INPUTS_TF32("f32"),
        INPUTS_BF16("f32"),
        INPUTS_F16("f32"),
        OUTPUT_TRUNCATED("bf16"),
        OUTPUT_THROUGH_F16("bf16");

        private final String format;

        Kind(String format) {
            this.format = format;
        }
    }

    private final Kind kind;

    ProductMutant(Kind kind) {
        super("product/" + kind, "smoke_LINEAR_001_*/" + kind.format + "/*");
        this.kind = kind;
    }

    @Override
    protected NumericsProfile profile(NumericsProfile real) {
        Map<NumericsProfile.Product, NumericsProfile.Accumulation> products =
                new EnumMap<>(NumericsProfile.Product.class);
        real.products().keySet().forEach(product -> products.put(product, NumericsProfile.Accumulation.f32()));
        return new NumericsProfile(
                products, real.scalarUlp(), real.attentionProbability(), real.flushesSubnormals(), real.determinism());
    }

    @Override
    protected void afterRun(RunAccess run) {
        if (!(run.node().op() instanceof Op.Linear)
                || run.node().operands().size() != 2
                || !run.node().operand(1).type().isPlain()) {
            return;
        }
        HostTensor input = run.operand(0);
        double[] x = cut(input.doubles());
        double[] w = cut(run.weight(1).doubles());
        int t = input.shape()[0];
        int k = input.shape()[1];
        int n = w.length / k;
        double[] y = new double[t * n];
        for (int row = 0; row < t; row++) {
            for (int column = 0; column < n; column++) {
                y[row * n + column] = finished(sum(x, row * k, w, column * k, length(k, row == t - 1)));
            }
        }
        misplace(y, t, n);
        DType out = input.dtype();
        FloatFormat format = HostTensor.format(out);
        for (int index = 0; index < y.length; index++) {
            y[index] = switch (kind) {
                case OUTPUT_TRUNCATED -> format.round(y[index], Rounding.TOWARD_ZERO);
                case OUTPUT_THROUGH_F16 -> format.round(FloatFormat.F16.round(y[index]));
                default -> y[index];
            };
        }
        run.write("y", HostTensor.floats(out, new int[] {t, n}, y).bytes());
    }

    private int length(int k, boolean lastRow) {
        return switch (kind) {
            case DROP_LAST_K -> k - 1;
            case DROP_LAST_K_LAST_ROW -> lastRow ? k - 1 : k;
            case DROP_LAST_8_K -> Math.max(0, k - 8);
            default -> k;
        };
    }

    private float sum(double[] x, int atX, double[] w, int atW, int length) {
        float total = 0;
        for (int start = 0; start < length; start += 32) {
            float chunk = 0;
            for (int index = start; index < Math.min(length, start + 32); index++) {
                chunk += (float) x[atX + index] * (float) w[atW + index];
            }
            total += chunk;
            total = switch (kind) {
                case SUM_F16_EACH_32 -> (float) FloatFormat.F16.round(total);
                case SUM_BF16_EACH_32 -> (float) FloatFormat.BF16.round(total);
                default -> total;
            };
        }
        return total;
    }

    private float finished(float sum) {
        return switch (kind) {
            case SCALE_1_01 -> sum * 1.01f;
            case SCALE_1_001 -> sum * 1.001f;
            default -> sum;
        };
    }

    private double[] cut(double[] values) {
        double[] result = values.clone();
        for (int index = 0; index < result.length; index++) {
            result[index] = switch (kind) {
                case INPUTS_TF32 -> tf32(values[index]);
                case INPUTS_BF16 -> FloatFormat.BF16.round(values[index]);
                case INPUTS_F16 -> FloatFormat.F16.round(values[index]);
                default -> values[index];
            };
        }
        return result;
    }

    private static double tf32(double value) {
        return Float.intBitsToFloat(
                (Float.floatToRawIntBits((float) value) + 0xfff + (Float.floatToRawIntBits((float) value) >> 13 & 1))
                        & 0xffffe000);
    }

    private void misplace(double[] y, int t, int n) {
        if (kind == Kind.ONE_ELEMENT_ZERO && y.length > 0) {
            y[y.length / 2] = 0;
        }
        if (kind == Kind.ROW_STALE && t > 1) {
            System.arraycopy(y, (t - 2) * n, y, (t - 1) * n, n);
        }
        for (int row = 0; row < Math.min(8, t) && kind == Kind.COLUMNS_SWAPPED && n > 2; row++) {
            double kept = y[row * n + 1];
            y[row * n + 1] = y[row * n + 2];
            y[row * n + 2] = kept;
        }
    }
}
