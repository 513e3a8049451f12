package dev.heng.backend.cpu.vector;

import java.util.function.IntToLongFunction;
import org.jspecify.annotations.Nullable;

/** One task of an expert: some of its weight rows against all of its sorted rows. */
final class ExpertRows {

    private ExpertRows() {}

    /**
     * Multiplies and stores.
     *
     * @param begin the first sorted row of the expert
     * @param count how many it has
     * @param x the address of a sorted row's activations
     * @param ready the address of what was made ready of them
     */
    static void multiply(
            Context context,
            Multiplication multiplication,
            Weight first,
            @Nullable Weight second,
            Experts.Part part,
            int begin,
            int count,
            IntToLongFunction x,
            IntToLongFunction ready,
            Multiplication.Finish finish) {
        if (!multiplication.isTiled(count)) {
            IntToLongFunction input = multiplication.isOrdered() ? ready : x;
            for (int row = begin; row < begin + count; row++) {
                multiplication.few(
                        context, first, second, part.row0(), part.rows(), input.applyAsLong(row), row, finish);
            }
            return;
        }
        for (int t0 = 0; t0 < count; t0 += Multiplication.SLAB) {
            int tokens = Math.min(Multiplication.SLAB, count - t0);
            long packed = pack(context, first.columns(), begin + t0, tokens, x);
            for (int r = 0; r < part.rows(); r += Multiplication.BLOCK_ROWS) {
                int rows = Math.min(Multiplication.BLOCK_ROWS, part.rows() - r);
                multiplication.tiled(context, first, second, part.row0() + r, rows, packed, tokens, begin + t0, finish);
            }
        }
    }

    /** Packs rows into memory of this thread. */
    static long pack(Context context, int columns, int first, int tokens, IntToLongFunction x) {
        int padded = Gemm.padded(tokens);
        long packed = context.packed(4L * padded * columns);
        for (int column0 = 0; column0 < columns; column0 += Gemm.COLUMNS) {
            int some = Math.min(Gemm.COLUMNS, columns - column0);
            long block = packed + 4L * padded * column0;
            for (int t = 0; t < tokens; t++) {
                Multiplication.pack(context, x.applyAsLong(first + t), column0, some, t, tokens, block);
            }
            Gemm.packZeros(some, tokens, block);
        }
        return packed;
    }
}
