package dev.heng.spi;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * The largest size of each symbol that a graph uses, as it was compiled, against which every run is held (RUN-002).
 *
 * @param graph the graph's name, for messages
 * @param maxima by symbol, in the order of the graph's values; in elements; copied
 * @since 1.0
 */
public record SizeBounds(String graph, Map<String, Long> maxima) {

    public SizeBounds {
        maxima = Collections.unmodifiableMap(new LinkedHashMap<>(maxima));
    }

    /**
     * Returns the bounds of a compilation.
     *
     * @throws IllegalArgumentException if the options give no largest size for a symbol of the graph, or one that is not within 0..2^31-1: kernels count
     *     rows in 32 bits
     */
    public static SizeBounds of(Graph graph, CompileOptions options) {
        Map<String, Long> maxima = new LinkedHashMap<>();
        for (Value value : graph.values()) {
            for (Dim dim : value.type().shape().dims()) {
                if (dim.symbol() != null) {
                    Long most = options.maxima().get(dim.symbol());
                    if (most == null || most < 0 || most > Integer.MAX_VALUE) {
                        throw new IllegalArgumentException("graph '" + graph.name() + "' uses symbol '" + dim.symbol()
                                + "', whose largest size has to be given within 0..2^31-1; given: " + options.maxima());
                    }
                    maxima.putIfAbsent(dim.symbol(), most);
                }
            }
        }
        return new SizeBounds(graph.name(), maxima);
    }

    /**
     * Returns the size of one symbol in a run, in elements.
     *
     * @param symbol one of the graph's
     * @throws IllegalArgumentException if the run gives none, or one that is out of bounds
     */
    public long size(String symbol, Bindings bindings) {
        Long size = bindings.dims().get(symbol);
        if (size == null) {
            throw new IllegalArgumentException("graph '" + graph + "': the run gives no size for symbol '" + symbol
                    + "'; given: " + new TreeMap<>(bindings.dims()));
        }
        long most = maxima.getOrDefault(symbol, 0L);
        if (size < 0 || size > most) {
            throw new IllegalArgumentException("graph '" + graph + "': the run's size of '" + symbol + "' is " + size
                    + ", not within 0.." + most + " as compiled");
        }
        return size;
    }

    /** Returns the size of every symbol in a run, each checked as by {@link #size}. */
    public Map<String, Long> sizes(Bindings bindings) {
        Map<String, Long> sizes = new HashMap<>();
        for (String symbol : maxima.keySet()) {
            sizes.put(symbol, size(symbol, bindings));
        }
        return sizes;
    }
}
