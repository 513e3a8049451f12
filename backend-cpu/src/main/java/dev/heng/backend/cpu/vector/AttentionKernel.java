package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Query vectors of one key stream against a stretch of one sequence's cache: running maximum, sum of exponentials and weighted sum of values for each.
 * Scores take positions as lanes and sums take value columns as lanes, so that both are the product of {@link Gemm} and no vector is ever reduced.
 */
final class AttentionKernel {

    /** Positions whose scores are taken at once. */
    static final int TILE = 64;

    private static final int DECODED = 2;
    private static final int ROWS = 3;
    private static final int SCORES = 4;
    private static final int VALUES = 5;

    private final int keyWidth;
    private final int valueWidth;
    private final float scale;

    /** Floats from one query's sum of values to the next. */
    private final int stride;

    AttentionKernel(int keyWidth, int valueWidth, float scale) {
        this.keyWidth = keyWidth;
        this.valueWidth = valueWidth;
        this.scale = scale;
        this.stride = Gemm.padded(valueWidth);
    }

    /** What queries know so far. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record State(float[] largest, float[] total, float[] sums, int stride) {}

    /** Returns an empty state for so many queries. */
    State start(float[] sums, int queries) {
        float[] largest = new float[queries];
        java.util.Arrays.fill(largest, Float.NEGATIVE_INFINITY);
        java.util.Arrays.fill(sums, 0, sumFloats(queries), 0f);
        return new State(largest, new float[queries], sums, stride);
    }

    /** Returns the floats of the sums of so many queries. */
    int sumFloats(int queries) {
        return Simd.roundUp(queries, Gemm.ROWS) * stride;
    }

    /** One sequence of a cache from a column on. */
    record Stream(Cache cache, int sequence, int column) {
        void decode(int position, int width, float[] out, int offset) {
            Decode.plain(cache.type(), cache.address(sequence, position, column), width, out, offset);
        }
    }

    /**
     * Attends.
     *
     * @param queries {@code count} vectors of {@code keyWidth}, one behind the other
     * @param limits how many positions each query sees
     * @param values the stream of the values, or null if they are the first elements of the keys
     */
    void attend(
            Context context,
            float[] queries,
            int[] limits,
            int count,
            Stream keys,
            @Nullable Stream values,
            int begin,
            int end,
            State state) {
        int keyStride = Gemm.padded(keyWidth);
        int valueStride = values == null ? keyStride : stride;
        float[] decoded = context.floats(DECODED, TILE * keyStride + Gemm.PANEL);
        float[] value = values == null ? decoded : context.floats(VALUES, TILE * stride + Gemm.PANEL);
        int padded = Gemm.padded(TILE);
        long packedKeys = context.packed(4L * TILE * (padded / TILE * keyWidth + stride));
        long packedValues = packedKeys + 4L * padded * keyWidth;
        for (int from = begin; from < end; from += TILE) {
            int positions = Math.min(TILE, end - from);
            for (int p = 0; p < positions; p++) {
                keys.decode(from + p, keyWidth, decoded, p * keyStride);
                if (values != null) {
                    values.decode(from + p, valueWidth, value, p * stride);
                }
                packKey(decoded, p * keyStride, p, positions, packedKeys);
                Gemm.packRow(value, p * valueStride, valueWidth, p, positions, packedValues);
            }
            for (int q = 0; q < count; q += Gemm.ROWS) {
                int some = Math.min(Gemm.ROWS, count - q);
                float[] scores = scores(context, queries, q, some, packedKeys, positions);
                weigh(context, limits, q, some, from, positions, scores, value, valueStride, packedValues, state);
            }
        }
    }

    private void packKey(float[] key, int offset, int position, int positions, long packed) {
        for (int column = 0; column < keyWidth; column += Gemm.COLUMNS) {
            int columns = Math.min(Gemm.COLUMNS, keyWidth - column);
            Gemm.pack(
                    key, offset + column, columns, position, positions, packed + 4L * Gemm.padded(positions) * column);
        }
    }

    /** Returns scores of up to six queries, {@link #TILE} apart and not yet scaled. Lanes without a position hold anything. */
    private float[] scores(Context context, float[] queries, int first, int some, long packed, int positions) {
        float[] rows = context.floats(ROWS, Gemm.SCRATCH);
        float[] scores = context.floats(SCORES, Gemm.ROWS * padTile());
        int padded = Gemm.padded(positions);
        for (int column = 0; column < keyWidth; column += Gemm.COLUMNS) {
            int columns = Math.min(Gemm.COLUMNS, keyWidth - column);
            for (int q = 0; q < some; q++) {
                System.arraycopy(queries, (first + q) * keyWidth + column, rows, q * Gemm.STRIDE, columns);
            }
            Gemm.panels(
                    rows, packed + 4L * padded * column, columns, columns, padded, column == 0, scores, 0, padTile());
        }
        return scores;
    }

    private static int padTile() {
        return Gemm.padded(TILE);
    }

    private void weigh(
            Context context,
            int[] limits,
            int first,
            int some,
            int from,
            int positions,
            float[] scores,
            float[] values,
            int valueStride,
            long packed,
            State state) {
        float[] rows = context.floats(ROWS, Gemm.SCRATCH);
        int common = positions;
        for (int q = 0; q < some; q++) {
            int seen = seen(limits[first + q], from, positions);
            common = Math.min(common, seen);
            exponentiate(scores, q * padTile(), seen, state, first + q);
            System.arraycopy(scores, q * padTile(), rows, q * Gemm.STRIDE, seen);
        }
        // Together where all of them see a position, then each alone: a value that a query does not see may be NaN.
        if (common > 0) {
            Gemm.panels(rows, packed, positions, common, stride, false, state.sums(), first * stride, stride);
        }
        for (int q = 0; q < some; q++) {
            for (int p = common; p < seen(limits[first + q], from, positions); p++) {
                addWeighted(state.sums(), (first + q) * stride, rows[q * Gemm.STRIDE + p], values, p * valueStride);
            }
        }
    }

    private static int seen(int limit, int from, int positions) {
        return Math.max(0, Math.min(positions, limit - from));
    }

    private void addWeighted(float[] sums, int offset, float weight, float[] value, int at) {
        for (int c = 0; c < valueWidth; c++) {
            sums[offset + c] += weight * value[at + c];
        }
    }

    /** Turns scores of seen positions into exponentials and moves the state to the new maximum. */
    private void exponentiate(float[] scores, int offset, int seen, State state, int query) {
        float largest = state.largest()[query];
        for (int p = 0; p < seen; p++) {
            float score = scores[offset + p] * scale;
            scores[offset + p] = score;
            largest = score > largest ? score : largest;
        }
        if (seen > 0 && largest != state.largest()[query]) {
            if (state.largest()[query] != Float.NEGATIVE_INFINITY) {
                float factor = (float) Math.exp((double) state.largest()[query] - largest);
                state.total()[query] *= factor;
                for (int c = 0; c < valueWidth; c++) {
                    state.sums()[query * stride + c] *= factor;
                }
            }
            state.largest()[query] = largest;
        }
        for (int p = 0; p < seen; p += Simd.LANES) {
            exp(scores, offset + p, largest);
        }
        float total = 0;
        for (int p = 0; p < seen; p++) {
            total += scores[offset + p];
        }
        state.total()[query] += total;
    }

    /** {@code x = exp(x - largest)} of one vector, for differences up to 0, to about one unit in the last place; NaN stays NaN. */
    private static void exp(float[] scores, int offset, float largest) {
        FloatVector x =
                FloatVector.fromArray(Simd.FLOATS, scores, offset).sub(largest).max(-104f);
        FloatVector shifted = x.mul(0x1.715476p0f).add(0x1.8p23f);
        FloatVector n = shifted.sub(0x1.8p23f);
        FloatVector r = n.fma(FloatVector.broadcast(Simd.FLOATS, -0x1.62e4p-1f), x);
        r = n.fma(FloatVector.broadcast(Simd.FLOATS, -0x1.7f7d1cp-20f), r);
        FloatVector p = FloatVector.broadcast(Simd.FLOATS, 0x1.a01a02p-13f);
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 0x1.6c16c2p-10f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 0x1.111112p-7f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 0x1.555556p-5f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 0x1.555556p-3f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 0.5f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 1f));
        p = p.fma(r, FloatVector.broadcast(Simd.FLOATS, 1f));
        // 2^n in two steps, since it may be too small for a normal number.
        IntVector power = shifted.reinterpretAsInts().sub(0x4B400000);
        IntVector half = power.lanewise(VectorOperators.ASHR, 1);
        FloatVector first = half.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
        FloatVector second =
                power.sub(half).add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
        p.mul(first).mul(second).intoArray(scores, offset);
    }
}
