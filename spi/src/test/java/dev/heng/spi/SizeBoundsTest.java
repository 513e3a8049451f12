package dev.heng.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** RUN-002: bounds at compile, and sizes within them in each run. */
final class SizeBoundsTest {

    private static Graph graph() {
        GraphBuilder builder = new GraphBuilder("sum");
        Value x = builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(3)));
        builder.output("y", builder.plus("plus", x, x));
        return builder.build();
    }

    private static SizeBounds bounds(Map<String, Long> maxima) {
        return SizeBounds.of(graph(), CompileOptions.of(maxima));
    }

    private static Bindings sizes(Map<String, Long> dims) {
        return new Bindings(dims, Batch.NONE, Map.of());
    }

    private static void refuses(Runnable action, String... named) {
        String message = String.valueOf(
                assertThrows(IllegalArgumentException.class, action::run).getMessage());
        for (String name : named) {
            assertTrue(message.contains(name), message);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, Integer.MAX_VALUE})
    void everyBoundOf32BitsIsTaken(long most) {
        SizeBounds bounds = bounds(Map.of(Dim.TOKENS, most, "a symbol of another graph", -1L));
        assertEquals(Map.of(Dim.TOKENS, most), bounds.maxima());
        assertEquals(Map.of(Dim.TOKENS, most), bounds.sizes(sizes(Map.of(Dim.TOKENS, most))));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 1L << 31, Long.MAX_VALUE, Long.MIN_VALUE})
    void otherBoundsAreRefused(long most) {
        refuses(() -> bounds(Map.of(Dim.TOKENS, most)), "'sum'", "'" + Dim.TOKENS + "'", "0..2^31-1", "" + most);
    }

    @Test
    void aSymbolWithoutABoundIsRefused() {
        refuses(() -> bounds(Map.of("other", 3L)), "'sum'", "'" + Dim.TOKENS + "'", "other=3");
    }

    @Test
    void aRunKeepsToTheBounds() {
        SizeBounds bounds = bounds(Map.of(Dim.TOKENS, 5L));
        assertEquals(0, bounds.size(Dim.TOKENS, sizes(Map.of(Dim.TOKENS, 0L))));
        assertEquals(5, bounds.size(Dim.TOKENS, sizes(Map.of(Dim.TOKENS, 5L))));
        for (long size : new long[] {6, -1, Long.MAX_VALUE}) {
            refuses(() -> bounds.sizes(sizes(Map.of(Dim.TOKENS, size))), "'sum'", "is " + size, "0..5");
        }
        refuses(() -> bounds.sizes(sizes(Map.of("other", 3L))), "no size for symbol '" + Dim.TOKENS + "'", "other=3");
    }
}
