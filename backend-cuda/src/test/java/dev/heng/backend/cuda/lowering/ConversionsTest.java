package dev.heng.backend.cuda.lowering;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Copies outside a graph cover every element once, however many there are. */
final class ConversionsTest {

    private static final ArgumentBlocks BLOCKS = CudaKernels.argumentBlocks();

    private static long field(Command.Launch launch, String name) {
        ArgumentBlocks.Field at = BLOCKS.block("CopyArgs").fields().get(name);
        if (at == null) {
            throw new AssertionError("CopyArgs has no " + name);
        }
        return at.kind() == ArgumentBlocks.Kind.INT
                ? launch.arguments().get(ValueLayout.JAVA_INT, at.offset())
                : launch.arguments().get(ValueLayout.JAVA_LONG, at.offset());
    }

    @Test
    void followEachOtherWithoutAGap() {
        for (long count : new long[] {1, 255, 257, 65_535L * 256, 65_535L * 256 + 1, 100_000_001}) {
            List<Command.Launch> launches =
                    Conversions.of(BLOCKS, 1L << 40, DType.BF16, 1L << 41, DType.F32, count, Arena.ofAuto());
            long done = 0;
            for (Command.Launch launch : launches) {
                long columns = field(launch, "x.columns");
                assertEquals((1L << 40) + 2 * done, field(launch, "x.data"));
                assertEquals((1L << 41) + 4 * done, field(launch, "y.data"));
                assertEquals(columns, field(launch, "y.columns"));
                assertEquals(Math.ceilDiv(columns, 256L), launch.gridY());
                assertTrue(launch.gridY() <= 65_535, "a grid's second dimension");
                done += columns;
            }
            assertEquals(count, done);
        }
        assertEquals(List.of(), Conversions.of(BLOCKS, 1L << 40, DType.BF16, 1L << 41, DType.F32, 0, Arena.ofAuto()));
    }
}
