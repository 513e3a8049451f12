package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** Writes rows into a paged cache. A refused append writes nothing: all rows are looked at, in a phase of its own, before the first is written. */
final class CacheAppendOperation extends Operation {

    private static final int ROWS_PER_TASK = 32;

    private final Pointer x;
    private final long xStride;
    private final int columns;
    private final int columnOffset;
    private final Pointer cache;
    private final Pointer sequences;
    private final Pointer positions;

    CacheAppendOperation(Instruction in) {
        super(in);
        x = in.pointer("x");
        xStride = in.word("x_stride");
        columns = in.integer("columns");
        columnOffset = in.integer("column_offset");
        cache = in.pointer("cache");
        sequences = in.pointer("sequences");
        positions = in.pointer("positions");
    }

    @Override
    int phases() {
        return 2;
    }

    @Override
    int tasks(Context context, int phase) {
        return phase == 0 ? 1 : Math.ceilDiv(context.rows(), ROWS_PER_TASK);
    }

    @Override
    void task(Context context, int phase, int task) {
        Cache target = Cache.at(cache.get());
        if (phase == 0) {
            for (int row = 0; row < context.rows(); row++) {
                int position = position(row);
                if (position >= 0 && !target.holds(context, sequence(row), position, position)) {
                    return;
                }
            }
            return;
        }
        float[] values = context.floats(0, columns);
        int last = Math.min(context.rows(), (task + 1) * ROWS_PER_TASK);
        for (int row = task * ROWS_PER_TASK; row < last; row++) {
            int position = position(row);
            if (position >= 0) {
                Memory.load(x.get() + 4 * xStride * row, values, 0, columns);
                Rounding.store(
                        target.type(), values, 0, columns, target.address(sequence(row), position, columnOffset));
            }
        }
    }

    private int position(int row) {
        return Memory.i32(positions.get() + 4L * row);
    }

    private int sequence(int row) {
        return Memory.i32(sequences.get() + 4L * row);
    }
}
