package dev.heng.spi;

import java.util.List;

/**
 * The host's mirror of the positions and sequences inputs, for devices whose attention wants lengths on the host (CANN's
 * FusedInferAttentionScore takes host arrays). It must agree with those inputs; devices that read them on the device ignore it.
 *
 * @param spans one for each sequence with rows in this run, in the order of their rows; copied
 * @since 1.0
 */
public record Batch(List<Span> spans) {

    /** The batch of a graph without a cache. */
    public static final Batch NONE = new Batch(List.of());

    public Batch {
        spans = List.copyOf(spans);
    }

    /** Returns the rows of the run. */
    public long rows() {
        return spans.stream().mapToLong(Span::rows).sum();
    }

    /**
     * Adjacent rows of one sequence.
     *
     * @param sequence the row of the page table
     * @param rows rows in this run, positive
     * @param firstPosition the position of the first row; the others follow one by one
     */
    public record Span(int sequence, int rows, int firstPosition) {
        public Span {
            if (sequence < 0 || rows <= 0 || firstPosition < 0) {
                throw new IllegalArgumentException(
                        "span of sequence " + sequence + ": " + rows + " rows from position " + firstPosition);
            }
        }
    }
}
