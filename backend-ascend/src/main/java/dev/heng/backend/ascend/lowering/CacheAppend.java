package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * KvAppend. Rows go to their slots by ScatterNdUpdate. A latent cache that a fused attention reads holds latents and rotated keys apart, in that order, as {@link
 * FusedLatentAttention} needs them; both are written by one ScatterPaKvCache, whose slots must be in range and unique (its document), so that rows of padding are left out.
 *
 * @param apart whether the parts of the cache lie apart
 */
record CacheAppend(Node node, boolean apart) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(node);
    }

    @Override
    public List<Value> results() {
        return List.of();
    }

    @Override
    public String kernel() {
        return apart ? "aclnnScatterPaKvCache" : "aclnnScatterNdUpdate";
    }

    @Override
    public boolean isRepeatable() {
        return PagedCache.isKnown(node, first());
    }

    @Override
    public Value decisive() {
        return node.operand(1);
    }

    private int first() {
        return 1 + ((Op.KvAppend) node.op()).parts();
    }

    private record Slots(PagedCache cache) {}

    @Override
    public void run(Run run) {
        PagedCache cache = PagedCache.of(run, node, 0, first());
        int[] present = PagedCache.present(run.integers(cache.positions()));
        long rows = run.in(node, 1).dim(0);
        if (present.length == 0) {
            return;
        }
        // A run is replayed only for runs that lack padding too, so which rows are present is no part of what is
        // recorded.
        TensorView slots = run.stage()
                .parameter(
                        new Slots(cache),
                        DType.I32,
                        (inputs, target) -> {
                            PagedCache.Rows now = cache.rows(inputs, node);
                            int at = 0;
                            for (int row = 0; row < rows; row++) {
                                if (now.position(row) >= 0) {
                                    target.setAtIndex(ValueLayout.JAVA_INT, at++, now.slot(row, now.position(row)));
                                }
                            }
                        },
                        present.length);
        if (apart) {
            TensorView[] parts = Caches.apart(run.in(node, 0), run.in(node, 1).dim(1));
            TensorView latent = present(run, run.in(node, 1), present);
            TensorView key = present(run, run.in(node, 2), present);
            run.operators()
                    .run(
                            "aclnnScatterPaKvCache",
                            latent.reshaped(present.length, 1, latent.dim(1)),
                            parts[0],
                            slots,
                            key.reshaped(present.length, 1, key.dim(1)),
                            parts[1],
                            null,
                            null,
                            null,
                            new Operators.Text("Norm"),
                            new Operators.Text("None"),
                            null,
                            null);
            return;
        }
        TensorView pages = run.in(node, 0);
        TensorView all = pages.reshaped(pages.dim(0) * pages.dim(1), pages.dim(2));
        run.operators()
                .run(
                        "aclnnScatterNdUpdate",
                        all,
                        slots.reshaped(present.length, 1),
                        present(run, together(run, all), present));
    }

    /** The parts side by side. */
    private TensorView together(Run run, TensorView cache) {
        int parts = first() - 1;
        if (parts == 1) {
            return run.in(node, 1);
        }
        long rows = run.in(node, 1).dim(0);
        TensorView together = run.stage().temporary(cache.dtype(), rows, cache.dim(1));
        long from = 0;
        for (int part = 1; part <= parts; part++) {
            TensorView columns = run.in(node, part);
            run.basics().store(columns, Columns.of(together, from, columns.dim(1)));
            from += columns.dim(1);
        }
        return together;
    }

    private static TensorView present(Run run, TensorView rows, int[] present) {
        if (present.length == rows.dim(0)) {
            return rows;
        }
        TensorView kept = run.stage().temporary(rows.dtype(), present.length, rows.dim(1));
        run.basics().select(rows, run.stage().constant(present, present.length), kept);
        return kept;
    }
}
