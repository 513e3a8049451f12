package dev.heng.spi.tensor;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One dimension of a shape: a fixed number of elements, or a multiple of a symbol that each run binds.
 *
 * @param factor the fixed size, or what the symbol is multiplied with; not negative, and positive with a symbol
 * @param symbol the name of what varies, for example {@link #TOKENS}; null for a fixed dimension
 * @since 1.0
 */
public record Dim(long factor, @Nullable String symbol) {

    /** Symbol of the rows of one run: all tokens of all sequences in the batch. */
    public static final String TOKENS = "tokens";

    /** Symbol of the rows for which logits are wanted, at most {@link #TOKENS}. */
    public static final String OUTPUTS = "outputs";

    /** Symbol of the sequences in the batch. */
    public static final String SEQUENCES = "sequences";

    /** Symbol of the pages of a key-value cache. */
    public static final String PAGES = "pages";

    /** Symbol of the entries in one sequence's row of the page table. */
    public static final String PAGES_PER_SEQUENCE = "pages_per_sequence";

    public Dim {
        if (factor < 0 || (symbol != null && factor == 0)) {
            throw new IllegalArgumentException("dimension factor " + factor + " is not "
                    + (symbol == null ? "a size" : "a positive multiple of " + symbol));
        }
        if (symbol != null && symbol.isBlank()) {
            throw new IllegalArgumentException("a dimension symbol is blank");
        }
    }

    /** Returns a fixed dimension of {@code size} elements. */
    public static Dim of(long size) {
        return new Dim(size, null);
    }

    /** Returns the dimension that the run binds to {@code symbol}. */
    public static Dim of(String symbol) {
        return new Dim(1, symbol);
    }

    /** Returns whether this dimension is known without bindings. */
    public boolean isFixed() {
        return symbol == null;
    }

    /**
     * Returns the size in elements.
     *
     * @throws IllegalStateException if the dimension is symbolic
     */
    public long size() {
        if (symbol != null) {
            throw new IllegalStateException("the size of dimension " + this + " is known only in a run");
        }
        return factor;
    }

    /**
     * Returns the size in elements under {@code bindings}.
     *
     * @throws IllegalArgumentException if the symbol is not bound, or is bound to a negative number
     */
    public long size(Map<String, Long> bindings) {
        if (symbol == null) {
            return factor;
        }
        Long bound = bindings.get(symbol);
        if (bound == null || bound < 0) {
            throw new IllegalArgumentException(
                    "dimension " + this + " needs a size for '" + symbol + "'; bound: " + bindings);
        }
        return Math.multiplyExact(factor, (long) bound);
    }

    /** Returns this dimension {@code times} as large. */
    public Dim times(long times) {
        return new Dim(Math.multiplyExact(factor, times), symbol);
    }

    @Override
    public String toString() {
        if (symbol == null) {
            return Long.toString(factor);
        }
        return factor == 1 ? symbol : factor + "*" + symbol;
    }
}
