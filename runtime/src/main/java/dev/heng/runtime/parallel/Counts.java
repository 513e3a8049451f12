package dev.heng.runtime.parallel;

import java.util.Arrays;

/** How many rows go where in one exchange of experts, as one rank sees it. */
final class Counts {

    private final int localExperts;
    private final int[] mine;
    private final int[] receipt;

    /**
     * Takes the counts over.
     *
     * @param mine rows of this rank for each global expert
     * @param receipt [ranks, localExperts]: rows that come from each rank for each expert of this one
     */
    Counts(int localExperts, int[] mine, int[] receipt) {
        this.localExperts = localExperts;
        this.mine = mine;
        this.receipt = receipt;
    }

    int[] receipt() {
        return receipt;
    }

    /** Returns the elements for each rank, of rows of {@code width}. */
    long[] sent(long width) {
        return perRank(mine, width);
    }

    /** Returns the elements from each rank, of rows of {@code width}. */
    long[] received(long width) {
        return perRank(receipt, width);
    }

    private long[] perRank(int[] counts, long width) {
        long[] elements = new long[counts.length / localExperts];
        for (int index = 0; index < counts.length; index++) {
            elements[index / localExperts] += counts[index] * width;
        }
        return elements;
    }

    /** Returns where the rows of each local expert begin, and the end of the last. */
    int[] receivedOffsets() {
        int[] offsets = new int[localExperts + 1];
        for (int index = 0; index < receipt.length; index++) {
            offsets[index % localExperts + 1] += receipt[index];
        }
        for (int expert = 0; expert < localExperts; expert++) {
            offsets[expert + 1] += offsets[expert];
        }
        return offsets;
    }

    /** Returns for each row in the order of experts, then sources, its place among the rows in the order of sources, then experts. */
    int[] byExpert() {
        int total = Arrays.stream(receipt).sum();
        int[] starts = new int[receipt.length];
        for (int index = 1; index < receipt.length; index++) {
            starts[index] = starts[index - 1] + receipt[index - 1];
        }
        int[] rows = new int[total];
        int at = 0;
        for (int expert = 0; expert < localExperts; expert++) {
            for (int index = expert; index < receipt.length; index += localExperts) {
                for (int row = 0; row < receipt[index]; row++) {
                    rows[at++] = starts[index] + row;
                }
            }
        }
        return rows;
    }

    /** Returns the inverse of {@link #byExpert}. */
    int[] bySource() {
        int[] forward = byExpert();
        int[] inverse = new int[forward.length];
        for (int row = 0; row < forward.length; row++) {
            inverse[forward[row]] = row;
        }
        return inverse;
    }
}
