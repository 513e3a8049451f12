package dev.heng.spi;

import dev.heng.spi.tensor.Dim;
import java.util.Map;

/**
 * Bounds of the runs that a program must serve, and settings of the compilation.
 *
 * @param maxima the largest size of each symbol that the graph uses, in elements ({@link Dim#TOKENS} and so on); copied
 * @param options a backend's own settings
 * @since 1.0
 */
public record CompileOptions(Map<String, Long> maxima, BackendOptions options) {

    public CompileOptions {
        maxima = Map.copyOf(maxima);
    }

    /** Returns options with these bounds and no settings. */
    public static CompileOptions of(Map<String, Long> maxima) {
        return new CompileOptions(maxima, BackendOptions.none());
    }
}
