package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.AttentionKernel.State;
import dev.heng.backend.cpu.vector.AttentionKernel.Stream;
import dev.heng.backend.cpu.vector.Instruction.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * Attention over a paged cache, grouped-query and latent. Phases: 0 absorbs the queries (latent form); 1 attends; 2 merges the parts of a long context;
 * 3 multiplies the weighted latents by the value rows of kv_b (latent form).
 *
 * <p>Few rows split the context into parts of fixed length, so that every thread has work and no result depends on how many threads there are; many rows
 * do not, and a task takes adjacent rows of one sequence, whose queries meet each decoded stretch of the cache together.
 */
final class AttentionOperation extends Operation {

    /** Positions of a part of a long context. */
    private static final int SPLIT = 512;

    /** Rows from which the context is not split. */
    private static final int WHOLE_ROWS = 16;

    /** Query vectors of a task, about. */
    private static final int TASK_QUERIES = 32;

    private final Pointer q;
    private final long qStride;
    private final int qHeadStride;
    private final int heads;
    private final int valueWidth;
    private final @Nullable LatentProjection latent;
    private final Pointer keys;
    private final Pointer values;
    private final Pointer sequences;
    private final Pointer positions;
    private final int mostParts;
    private final Pointer y;
    private final long yStride;
    private final Element roundTo;
    private final int streams;
    private final int perStream;
    private final int keyWidth;
    private final int sumWidth;
    private final int block;
    private final int vectorStride;
    private final AttentionKernel kernel;

    AttentionOperation(Instruction in) {
        super(in);
        q = in.pointer("q");
        qStride = in.word("q_stride");
        qHeadStride = in.integer("q_head_stride");
        heads = in.size("heads");
        valueWidth = in.size("value_width");
        keys = in.pointer("keys");
        sequences = in.pointer("sequences");
        positions = in.pointer("positions");
        mostParts = Math.max(1, Math.ceilDiv(in.integer("max_context"), SPLIT));
        y = in.pointer("y");
        yStride = in.word("y_stride");
        roundTo = in.type("round_to");
        int latentWidth = in.integer("latent");
        if (latentWidth > 0) {
            latent = new LatentProjection(in, latentWidth, heads, valueWidth, roundTo);
            values = NOWHERE;
            streams = 1;
            keyWidth = latentWidth + in.integer("rope");
            sumWidth = latentWidth;
        } else {
            latent = null;
            values = in.pointer("values");
            streams = in.size("kv_heads");
            keyWidth = in.size("key_width");
            sumWidth = valueWidth;
        }
        if (heads % streams != 0) {
            throw in.wrong("heads do not divide into kv_heads");
        }
        perStream = heads / streams;
        block = Math.max(1, TASK_QUERIES / perStream);
        vectorStride = Math.max(keyWidth, sumWidth);
        kernel = new AttentionKernel(keyWidth, sumWidth, (float) in.real("scale"));
    }

    @Override
    long sharedBytes(int rows) {
        int split = Math.min(rows, WHOLE_ROWS - 1);
        return vectorBytes(rows) + 4L * split * heads * mostParts * partFloats();
    }

    private long vectorBytes(int rows) {
        return latent == null ? 0 : 4L * rows * heads * vectorStride;
    }

    private int partFloats() {
        return sumWidth + 2;
    }

    @Override
    int phases() {
        return 4;
    }

    private int position(int row) {
        return Memory.i32(positions.get() + 4L * row);
    }

    private int sequence(int row) {
        return Memory.i32(sequences.get() + 4L * row);
    }

    /** Returns how many positions a row sees; of the largest possible position that is one less, and no cache holds it anyway. */
    private int limit(int row) {
        int position = position(row);
        return position < 0 ? 0 : (int) Math.min(Integer.MAX_VALUE, position + 1L);
    }

    private int parts(Context context) {
        if (context.rows() >= WHOLE_ROWS) {
            return 1;
        }
        int longest = 0;
        for (int row = 0; row < context.rows(); row++) {
            longest = Math.max(longest, limit(row));
        }
        return Math.max(1, Math.min(mostParts, Math.ceilDiv(longest, SPLIT)));
    }

    @Override
    int tasks(Context context, int phase) {
        int parts = parts(context);
        int rows = context.rows();
        int projections = latent == null ? 0 : heads * Math.ceilDiv(rows, LatentProjection.ROWS);
        return switch (phase) {
            case 1 -> rows >= WHOLE_ROWS ? streams * Math.ceilDiv(rows, block) : rows * streams * parts;
            case 2 -> parts > 1 ? rows * heads : 0;
            default -> projections;
        };
    }

    /** Returns the address of an absorbed query, whose place its result takes. */
    private long vector(Context context, int row, int head) {
        return context.shared() + 4L * ((long) row * heads + head) * vectorStride;
    }

    private long part(Context context, int row, int head, int part) {
        return context.shared()
                + vectorBytes(context.rows())
                + 4L * (((long) row * heads + head) * parts(context) + part) * partFloats();
    }

    private long query(int row, int head) {
        return q.get() + 4 * (qStride * row + (long) head * qHeadStride);
    }

    @Override
    void task(Context context, int phase, int task) {
        switch (phase) {
            case 1 -> {
                if (context.rows() < WHOLE_ROWS) {
                    attendPart(context, task);
                } else {
                    attendBlock(context, task % streams, task / streams * block);
                }
            }
            case 2 -> merge(context, task / heads, task % heads);
            default -> project(context, phase, task % heads, task / heads * LatentProjection.ROWS);
        }
    }

    private void project(Context context, int phase, int head, int row0) {
        LatentProjection projection = latent;
        if (projection == null) {
            return;
        }
        int rows = Math.min(LatentProjection.ROWS, context.rows() - row0);
        if (phase == 0) {
            projection.absorb(context, head, rows, r -> query(row0 + r, head), r -> vector(context, row0 + r, head));
        } else {
            projection.expand(
                    context, head, rows, r -> vector(context, row0 + r, head), y.get() + 4 * yStride * row0, yStride);
        }
    }

    /** Attends with rows {@code [row0, row0 + rows)} of one sequence and the heads of one stream. */
    private State attend(Context context, int stream, int row0, int rows, int begin, int end) {
        int count = rows * perStream;
        State state = kernel.start(context.floats(1, kernel.sumFloats(count)), count);
        if (begin >= end) {
            return state;
        }
        Cache keyCache = Cache.at(keys.get());
        int sequence = sequence(row0);
        if (!keyCache.holds(context, sequence, begin, end - 1)) {
            return state;
        }
        Stream valueStream = null;
        if (latent == null) {
            Cache valueCache = Cache.at(values.get());
            if (!valueCache.holds(context, sequence, begin, end - 1)) {
                return state;
            }
            valueStream = new Stream(valueCache, sequence, stream * valueWidth);
        }
        Stream keyStream = new Stream(keyCache, sequence, latent == null ? stream * keyWidth : 0);
        float[] queries = context.floats(0, count * keyWidth);
        int[] limits = context.integers(count);
        for (int i = 0; i < count; i++) {
            int row = row0 + i / perStream;
            int head = stream * perStream + i % perStream;
            Memory.load(
                    latent == null ? query(row, head) : vector(context, row, head), queries, i * keyWidth, keyWidth);
            limits[i] = limit(row);
        }
        kernel.attend(context, queries, limits, count, keyStream, valueStream, begin, end, state);
        return state;
    }

    private void attendPart(Context context, int task) {
        int parts = parts(context);
        int part = task % parts;
        int stream = task / parts % streams;
        int row = task / parts / streams;
        int begin = part * SPLIT;
        int end = (int) Math.min(limit(row), begin + (long) SPLIT);
        State state = attend(context, stream, row, 1, begin, end);
        for (int h = 0; h < perStream; h++) {
            int head = stream * perStream + h;
            if (parts == 1) {
                deliver(context, row, head, state.sums(), h * state.stride(), state.total()[h]);
            } else {
                long at = part(context, row, head, part);
                Memory.putF32(at, state.largest()[h]);
                Memory.putF32(at + 4, state.total()[h]);
                Memory.store(state.sums(), h * state.stride(), at + 8, sumWidth);
            }
        }
    }

    private void attendBlock(Context context, int stream, int first) {
        int last = Math.min(context.rows(), first + block);
        for (int row = first; row < last; ) {
            int rows = 1;
            int limit = limit(row);
            while (row + rows < last && sequence(row + rows) == sequence(row)) {
                limit = Math.max(limit, limit(row + rows));
                rows++;
            }
            State state = attend(context, stream, row, rows, 0, limit);
            for (int i = 0; i < rows * perStream; i++) {
                int head = stream * perStream + i % perStream;
                deliver(context, row + i / perStream, head, state.sums(), i * state.stride(), state.total()[i]);
            }
            row += rows;
        }
    }

    /** Leaves the weighted mean where it belongs: in y, or over the query, from where phase 3 takes it. */
    private void deliver(Context context, int row, int head, float[] sums, int offset, float total) {
        boolean sees = position(row) >= 0;
        for (int c = 0; c < sumWidth; c++) {
            sums[offset + c] = sees ? sums[offset + c] / total : 0;
        }
        if (latent == null) {
            Rounding.round(sums, offset, sumWidth, roundTo);
            Memory.store(sums, offset, y.get() + 4 * (yStride * row + (long) head * valueWidth), sumWidth);
        } else {
            Memory.store(sums, offset, vector(context, row, head), sumWidth);
        }
    }

    private void merge(Context context, int row, int head) {
        int parts = parts(context);
        float largest = Float.NEGATIVE_INFINITY;
        for (int part = 0; part < parts; part++) {
            float other = Memory.f32(part(context, row, head, part));
            largest = other > largest ? other : largest;
        }
        float[] sum = context.floats(1, sumWidth);
        float[] term = context.floats(0, sumWidth);
        java.util.Arrays.fill(sum, 0, sumWidth, 0f);
        float total = 0;
        for (int part = 0; part < parts; part++) {
            long at = part(context, row, head, part);
            float its = Memory.f32(at + 4);
            if (its == 0) {
                continue; // No position of this part is seen.
            }
            float factor = (float) Math.exp((double) Memory.f32(at) - largest);
            total += factor * its;
            Memory.load(at + 8, term, 0, sumWidth);
            RowOperations.addWeighted(sum, factor, term, sumWidth);
        }
        deliver(context, row, head, sum, 0, total);
    }
}
