package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.RopeFrequencies;

/**
 * Rotary embedding. Angles are computed on the host in double, exactly reduced, and sent along as cosines and sines in float32, since CANN's operators take them
 * as tensors of the type of x. Only mode 0 (half) is used, because it is the one that every chip has: 310P has no other, and the document of 950 lists others than that
 * of A2. Interleaved pairs are copied into halves and back. Source: mirror-cann/ops-transformer docs aclnnRotaryPositionEmbedding.md.
 */
public final class Rotation {

    private static final long HALF = 0;

    private final Basics basics;

    /** Uses these. */
    public Rotation(Basics basics) {
        this.basics = basics;
    }

    /**
     * Rotates x [T, heads * headDim].
     *
     * @param positions of the T rows; rows with a negative one are turned by nothing
     */
    public void rope(Op.Rope op, TensorView x, int[] positions, TensorView out) {
        basics.store(x, out);
        long rows = x.dim(0);
        long heads = x.dim(1) / op.headDim();
        int pairs = op.frequencies().pairs();
        long width = 2L * pairs;
        TensorView[] table = table(op.frequencies(), positions);
        // Rows, heads, the first or second of a pair, pairs: dense, this is the half layout whatever the pairing was.
        boolean interleaved = op.pairing() == Op.Pairing.INTERLEAVED;
        long[] dims = {rows, heads, 2, pairs};
        long[] strides = {x.dim(1), op.headDim(), interleaved ? 1 : pairs, interleaved ? 2 : 1};
        TensorView part = basics.dense(DType.F32, x.strided(op.offset(), dims, strides));
        TensorView turned = basics.stage().temporary(DType.F32, 1, rows, heads, width);
        basics.operators()
                .run(
                        "aclnnRotaryPositionEmbedding",
                        part.reshaped(1, rows, heads, width),
                        table[0],
                        table[1],
                        HALF,
                        turned);
        basics.store(turned.reshaped(dims), out.strided(op.offset(), dims, strides));
    }

    private TensorView[] table(RopeFrequencies frequencies, int[] positions) {
        int pairs = frequencies.pairs();
        int width = 2 * pairs;
        float[] cosines = new float[positions.length * width];
        float[] sines = new float[positions.length * width];
        for (int row = 0; row < positions.length; row++) {
            for (int pair = 0; pair < pairs; pair++) {
                double cosine = frequencies.attentionFactor();
                double sine = 0;
                if (positions[row] > 0) {
                    double[] exact = cosineAndSine(positions[row], frequencies.inverse(pair));
                    cosine = exact[0] * frequencies.attentionFactor();
                    sine = exact[1] * frequencies.attentionFactor();
                }
                int first = row * width + pair;
                int second = first + pairs;
                cosines[first] = (float) cosine;
                cosines[second] = (float) cosine;
                sines[first] = (float) sine;
                sines[second] = (float) sine;
            }
        }
        return new TensorView[] {
            basics.stage().upload(cosines, 1, positions.length, 1, width),
            basics.stage().upload(sines, 1, positions.length, 1, width)
        };
    }

    /** The product of position and frequency is rounded; what was lost comes back by the addition theorem, to first order (ROPE-003). */
    private static double[] cosineAndSine(int position, double frequency) {
        double angle = position * frequency;
        double lost = Math.fma((double) position, frequency, -angle);
        double cosine = Math.cos(angle);
        double sine = Math.sin(angle);
        return new double[] {cosine - sine * lost, sine + cosine * lost};
    }
}
