package dev.heng.backend.cuda.lowering;

import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** Launches that copy numbers side by side from one element type to another, outside any graph. */
public final class Conversions {

    private static final int THREADS = 256;

    /** Elements of a launch: as many as a grid's second dimension has blocks for. */
    private static final long MOST = 65_535L * THREADS;

    private Conversions() {}

    /**
     * Returns the launches.
     *
     * @param arena owns the argument blocks
     */
    public static List<Command.Launch> of(
            ArgumentBlocks blocks, long source, DType from, long target, DType to, long count, Arena arena) {
        List<Command.Launch> launches = new ArrayList<>();
        for (long done = 0; done < count; done += MOST) {
            long part = Math.min(MOST, count - done);
            Arguments arguments = new Arguments(blocks.block("CopyArgs"), arena)
                    .set("x.data", source + from.bytes(done))
                    .set("x.stride", part)
                    .set("x.type", Arguments.typeOf(from))
                    .set("x.columns", part)
                    .set("y.data", target + to.bytes(done))
                    .set("y.stride", part)
                    .set("y.type", Arguments.typeOf(to))
                    .set("y.columns", part)
                    .set("rows", 1);
            launches.add(new Command.Launch(
                    "copy_rows",
                    1,
                    Math.toIntExact(Math.ceilDiv(part, (long) THREADS)),
                    1,
                    THREADS,
                    0,
                    arguments.finished(),
                    false,
                    List.of()));
        }
        return launches;
    }
}
