package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;
import java.util.function.IntToLongFunction;

/**
 * MLA computed absorbed: queries are multiplied into the key rows of kv_b, so that they meet the latent itself, and weighted latents are multiplied by its
 * value rows. Source: DeepSeek-V2 report, section 2.1.
 */
final class LatentProjection {

    /** Rows that a task takes. */
    static final int ROWS = 64;

    private static final float[] NO_BIAS = {};

    private final Weight kvB;
    private final int latent;
    private final int nope;
    private final int rope;
    private final int valueWidth;
    private final Multiplication multiplication;

    LatentProjection(Instruction in, int latent, int heads, int valueWidth, Element roundTo) {
        this.kvB = in.weight("kv_b");
        this.latent = latent;
        this.nope = in.integer("nope");
        this.rope = in.integer("rope");
        this.valueWidth = valueWidth;
        this.multiplication = new Multiplication(kvB, false, roundTo, roundTo);
        if (kvB.columns() != latent || kvB.rows() != (long) heads * (nope + valueWidth)) {
            throw in.wrong("kv_b is not [heads * (nope + value_width)][latent]");
        }
    }

    /** Writes, for each row, {@code sum over i of q[i] * W_key[i]} and the rotated part of q behind it. */
    void absorb(Context context, int head, int rows, IntToLongFunction query, IntToLongFunction vector) {
        int stride = Gemm.padded(latent);
        float[] keys = context.floats(2, nope * stride + Gemm.PANEL);
        for (int i = 0; i < nope; i++) {
            Decode.scaled(kvB, (long) head * (nope + valueWidth) + i, 0, latent, keys, i * stride);
        }
        float[] q = context.floats(3, nope + rope);
        float[] sum = context.floats(4, latent);
        for (int r = 0; r < rows; r++) {
            Memory.load(query.applyAsLong(r), q, 0, nope + rope);
            java.util.Arrays.fill(sum, 0, latent, 0f);
            for (int i = 0; i < nope; i++) {
                add(sum, q[i], keys, i * stride);
            }
            long out = vector.applyAsLong(r);
            Memory.store(sum, 0, out, latent);
            Memory.store(q, nope, out + 4L * latent, rope);
        }
    }

    private void add(float[] sum, float weight, float[] key, int offset) {
        for (int c = 0; c < latent; c++) {
            sum[c] += weight * key[offset + c];
        }
    }

    /** Writes {@code y[row][head] = round(W_value * latent)}. */
    void expand(Context context, int head, int rows, IntToLongFunction vector, long y, long yStride) {
        int first = head * (nope + valueWidth) + nope;
        // Results are addressed by the matrix's rows; this head's begin at its own place in a row of y.
        Multiplication.Finish finish = new Multiplication.Finish(
                NO_BIAS, Operation.NOWHERE, 0, Pointer.to(y + 4L * (head * valueWidth - first)), yStride);
        if (!multiplication.isTiled(rows)) {
            for (int r = 0; r < rows; r++) {
                long input = vector.applyAsLong(r);
                if (multiplication.isOrdered()) {
                    long ready = context.packed(multiplication.readyBytes());
                    multiplication.makeReady(context, input, ready);
                    input = ready;
                }
                multiplication.few(context, kvB, null, first, valueWidth, input, r, finish);
            }
            return;
        }
        long packed = ExpertRows.pack(context, latent, 0, rows, vector);
        for (int r = 0; r < valueWidth; r += Multiplication.BLOCK_ROWS) {
            int some = Math.min(Multiplication.BLOCK_ROWS, valueWidth - r);
            multiplication.tiled(context, kvB, null, first + r, some, packed, rows, 0, finish);
        }
    }
}
