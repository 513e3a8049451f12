package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.ValueLayout;

/**
 * What rows of a run attend to, gathered for unfused attention: for each row a run of slots of its own sequence, as long as the longest needs, rounded up, so that the
 * same operators serve the next positions. Slots past a row's position are its position's own once more and weigh nothing: no slot is read that the row may not see
 * (MLA-004), whatever it holds.
 *
 * @param cache where the rows lie
 * @param first the first row
 * @param rows how many
 * @param slots for each row, a multiple of {@link #STEP}
 */
public record History(PagedCache cache, int first, int rows, int slots) {

    /** Positions that one shape of operators serves. */
    static final int STEP = 64;

    private record Key(History history, int heads) {}

    private record MaskKey(History history) {}

    /** Returns the number of slots for a longest position. */
    public static int slots(int longest) {
        return Math.ceilDiv(Math.max(1, longest + 1), STEP) * STEP;
    }

    /**
     * Gathers rows of a cache seen as [slots * heads, width], for each row and each head of it: [rows * heads * slots, width].
     *
     * @param heads parts of a slot that are taken apart
     */
    TensorView gather(Run run, Node node, TensorView pages, int heads) {
        TensorView indices = run.stage()
                .parameter(
                        new Key(this, heads),
                        DType.I32,
                        (inputs, target) -> {
                            PagedCache.Rows now = cache.rows(inputs, node);
                            for (int row = 0; row < rows; row++) {
                                int last = now.position(first + row);
                                for (int slot = 0; slot < slots; slot++) {
                                    int at = last < 0 ? 0 : now.slot(first + row, Math.min(slot, last));
                                    for (int head = 0; head < heads; head++) {
                                        long index = ((long) row * heads + head) * slots + slot;
                                        target.setAtIndex(ValueLayout.JAVA_INT, index, at * heads + head);
                                    }
                                }
                            }
                        },
                        (long) rows * heads * slots);
        long width = pages.dim(2) / heads;
        TensorView all = pages.reshaped(pages.dim(0) * pages.dim(1) * heads, width);
        TensorView gathered = run.stage().temporary(pages.dtype(), (long) rows * heads * slots, width);
        run.basics().select(all, indices, gathered);
        return run.basics().in(DType.F32, gathered);
    }

    /** Returns what is added to scores: F32 [rows, 1, slots], 0 for what a row sees and minus infinity for the rest. */
    TensorView mask(Run run, Node node) {
        return run.stage()
                .parameter(
                        new MaskKey(this),
                        DType.F32,
                        (inputs, target) -> {
                            PagedCache.Rows now = cache.rows(inputs, node);
                            for (int row = 0; row < rows; row++) {
                                int last = Math.max(0, now.position(first + row));
                                for (int slot = 0; slot < slots; slot++) {
                                    target.setAtIndex(
                                            ValueLayout.JAVA_FLOAT,
                                            (long) row * slots + slot,
                                            slot <= last ? 0 : Float.NEGATIVE_INFINITY);
                                }
                            }
                        },
                        rows,
                        1,
                        slots);
    }
}
