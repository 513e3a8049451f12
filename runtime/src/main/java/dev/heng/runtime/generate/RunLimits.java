package dev.heng.runtime.generate;

import dev.heng.spi.tensor.Dim;
import java.util.Map;

/**
 * How much one program has to hold and to do at once.
 *
 * @param contextTokens the longest sequence, in tokens
 * @param chunkTokens the most rows of one run: the size of the pieces in which prompts are read
 * @param outputs the most rows of one run whose next token or logits are asked for
 * @param sequences the most sequences that are held at once
 */
public record RunLimits(int contextTokens, int chunkTokens, int outputs, int sequences) {

    public RunLimits {
        if (contextTokens <= 0 || chunkTokens <= 0 || outputs <= 0 || sequences <= 0) {
            throw new IllegalArgumentException("limits must be positive: context of " + contextTokens + ", chunks of "
                    + chunkTokens + ", " + outputs + " outputs, " + sequences + " sequences");
        }
        if (outputs > chunkTokens || sequences > chunkTokens) {
            throw new IllegalArgumentException("a chunk of " + chunkTokens + " rows holds neither " + outputs
                    + " outputs nor one row of each of " + sequences + " sequences");
        }
    }

    /** Returns the limits of generating one text: one sequence, one output. */
    public static RunLimits generation(int contextTokens, int chunkTokens) {
        return new RunLimits(contextTokens, Math.min(chunkTokens, contextTokens), 1, 1);
    }

    /** Returns the limits of looking at every position of one text: one sequence, an output for each row. */
    public static RunLimits inspection(int contextTokens, int chunkTokens) {
        int chunk = Math.min(chunkTokens, contextTokens);
        return new RunLimits(contextTokens, chunk, chunk, 1);
    }

    /** Returns the pages of {@code pageSize} positions that the longest sequence takes. */
    public int pagesPerSequence(int pageSize) {
        return Math.ceilDiv(contextTokens, pageSize);
    }

    /**
     * Returns the largest size of each symbol of a model's graph.
     *
     * @param pageSize positions in one page
     */
    public Map<String, Long> maxima(int pageSize) {
        long perSequence = pagesPerSequence(pageSize);
        return Map.of(
                Dim.TOKENS, (long) chunkTokens,
                Dim.OUTPUTS, (long) outputs,
                Dim.SEQUENCES, (long) sequences,
                Dim.PAGES_PER_SEQUENCE, perSequence,
                Dim.PAGES, Math.multiplyExact(perSequence, (long) sequences));
    }
}
