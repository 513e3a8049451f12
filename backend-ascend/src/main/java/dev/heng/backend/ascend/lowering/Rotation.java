package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.RopeFrequencies;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Rotary embedding. Angles are computed on the host in double, exactly reduced, and sent along as cosines and sines in float32: CANN's operators take them as tensors
 * of the type of x, and in a 16-bit type they would be wrong by 2^-9 (ROPE-003), so the rotation is done in F32 whatever x is. Only mode 0 (half) is used, because it is
 * the one that every chip has: 310P has no other, and the document of 950 lists others than that of A2. Interleaved pairs are copied into halves and back. Source:
 * mirror-cann/ops-transformer docs aclnnRotaryPositionEmbedding.md.
 */
public final class Rotation {

    private static final long HALF = 0;

    private final Basics basics;

    /** Uses these. */
    public Rotation(Basics basics) {
        this.basics = basics;
    }

    /**
     * Rotates x.
     *
     * @param x [T, heads * headDim]; rows may lie apart
     * @param positions I32 [T]; rows with a negative one are turned by nothing
     * @param out dense, like x
     */
    void rope(Op.Rope op, TensorView x, Value positions, Run run, TensorView out) {
        if (2 * op.frequencies().pairs() < op.headDim()) {
            basics.store(x, out);
        }
        store(op, turned(op, x, positions, run), out);
    }

    /** Returns the rotated part of x in F32, dense [rows, heads, 2, pairs]: first of all pairs, then second. */
    TensorView turned(Op.Rope op, TensorView x, Value positions, Run run) {
        long rows = x.dim(0);
        long heads = x.dim(1) / op.headDim();
        int pairs = op.frequencies().pairs();
        long width = 2L * pairs;
        TensorView part = basics.dense(DType.F32, pairs(op, x));
        TensorView turned = basics.stage().temporary(DType.F32, 1, rows, heads, width);
        basics.operators()
                .run(
                        "aclnnRotaryPositionEmbedding",
                        part.reshaped(1, rows, heads, width),
                        table(op.frequencies(), positions, rows, true, run),
                        table(op.frequencies(), positions, rows, false, run),
                        HALF,
                        turned);
        return turned.reshaped(rows, heads, 2, pairs);
    }

    /** Puts what {@link #turned} gives where it belongs in {@code out}, [T, heads * headDim]. */
    void store(Op.Rope op, TensorView turned, TensorView out) {
        basics.store(turned, pairs(op, out));
    }

    /** The rotated elements seen as rows, heads, the first or second of a pair, pairs. */
    private static TensorView pairs(Op.Rope op, TensorView x) {
        int pairs = op.frequencies().pairs();
        boolean interleaved = op.pairing() == Op.Pairing.INTERLEAVED;
        return x.strided(op.offset(), new long[] {x.dim(0), x.dim(1) / op.headDim(), 2, pairs}, new long[] {
            x.stride(0), op.headDim(), interleaved ? 1 : pairs, interleaved ? 2 : 1
        });
    }

    private record Table(RopeFrequencies frequencies, Value positions, boolean cosine) {}

    private TensorView table(RopeFrequencies frequencies, Value positions, long rows, boolean cosine, Run run) {
        int[] now = positions.role() == Value.Role.INPUT ? null : run.integers(positions);
        return basics.stage()
                .parameter(
                        new Table(frequencies, positions, cosine),
                        DType.F32,
                        (inputs, target) -> fill(
                                frequencies,
                                now == null ? integers(inputs, positions) : now,
                                (int) rows,
                                cosine,
                                target),
                        1,
                        rows,
                        1,
                        2L * frequencies.pairs());
    }

    private static int[] integers(HostInputs inputs, Value positions) {
        return inputs.integers(positions);
    }

    private static void fill(
            RopeFrequencies frequencies, int[] positions, int rows, boolean cosine, MemorySegment target) {
        int pairs = frequencies.pairs();
        for (int row = 0; row < rows; row++) {
            for (int pair = 0; pair < pairs; pair++) {
                double value = cosine ? frequencies.attentionFactor() : 0;
                if (positions[row] > 0) {
                    value = exact(positions[row], frequencies.inverse(pair), cosine) * frequencies.attentionFactor();
                }
                long first = row * 2L * pairs + pair;
                target.setAtIndex(ValueLayout.JAVA_FLOAT, first, (float) value);
                target.setAtIndex(ValueLayout.JAVA_FLOAT, first + pairs, (float) value);
            }
        }
    }

    /** The product of position and frequency is rounded; what was lost comes back by the addition theorem, to first order (ROPE-003). */
    private static double exact(int position, double frequency, boolean cosine) {
        double angle = position * frequency;
        double lost = Math.fma((double) position, frequency, -angle);
        return cosine ? Math.cos(angle) - Math.sin(angle) * lost : Math.sin(angle) + Math.cos(angle) * lost;
    }
}
