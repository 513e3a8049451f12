package dev.heng.conformance.accumulate;

/**
 * The order in which a product's K positions are summed. All are legal for any profile: a kernel may choose its order.
 *
 * <p>Partial sums that meet outside the unit (those of split-K parts, chunks and tree nodes) are float32 sums rounded to nearest,
 * as a kernel's epilogue or reduction forms them.
 */
public sealed interface SummationOrder {

    /** One running sum from the first position to the last. */
    record Sequential() implements SummationOrder {}

    /**
     * One running sum over the positions in shuffled order, the same for every element.
     *
     * @param seed chooses the permutation
     */
    record Permuted(long seed) implements SummationOrder {}

    /**
     * K cut into contiguous parts of nearly equal length, each with its own running sum; part sums are added in order.
     *
     * @param parts the number of parts, positive
     */
    record SplitK(int parts) implements SummationOrder {
        public SplitK {
            if (parts < 1) {
                throw new IllegalArgumentException(parts + " parts of K: at least one is needed");
            }
        }
    }

    /**
     * K cut into contiguous chunks of fixed length, each summed from zero and added in order.
     *
     * @param length elements of K in one chunk, positive
     */
    record Chunked(int length) implements SummationOrder {
        public Chunked {
            if (length < 1) {
                throw new IllegalArgumentException("chunks of " + length + " elements: at least one is needed");
            }
        }
    }

    /**
     * Leaves of fixed length, each summed from zero; leaf sums are added pairwise, level by level.
     *
     * @param leaf elements of K in one leaf, positive
     */
    record PairwiseTree(int leaf) implements SummationOrder {
        public PairwiseTree {
            if (leaf < 1) {
                throw new IllegalArgumentException("leaves of " + leaf + " elements: at least one is needed");
            }
        }
    }
}
