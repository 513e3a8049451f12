package dev.heng.spi;

import dev.heng.spi.tensor.DType;

/**
 * Collective communication among devices, through the vendor's library (NCCL, HCCL, CNCL).
 *
 * <p>Calls are enqueued in order with the device's other work. All ranks make the same calls in the same order. Counts are in elements.
 * Threading: as the backend's. Ownership: whoever joined closes.
 *
 * @since 1.0
 */
public interface Communicator extends AutoCloseable {

    /** Returns this device's place, from 0. */
    int rank();

    /** Returns the number of ranks. */
    int size();

    /** Sums elementwise over all ranks, accumulating in F32 or better; {@code target} may be {@code source}. */
    void allReduceSum(Buffer source, Buffer target, DType dtype, long count);

    /** Concatenates {@code count} elements of every rank, in the order of ranks. */
    void allGather(Buffer source, Buffer target, DType dtype, long count);

    /** Copies {@code count} elements of {@code root} to every rank. */
    void broadcast(Buffer buffer, DType dtype, long count, int root);

    /**
     * Sends a run of elements to every rank and receives one from each; runs are adjacent, in the order of ranks. The buffers must
     * differ.
     *
     * @param sendCounts elements for each rank
     * @param receiveCounts elements from each rank
     */
    void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype);

    /** Leaves the group. Idempotent. */
    @Override
    void close();

    /**
     * A group of devices and this device's place in it.
     *
     * @param id bytes made once by {@code rank 0}'s library and carried to all ranks by the caller; copied by the callee
     * @param rank this device's place, from 0
     * @param size the number of ranks
     */
    @SuppressWarnings("ArrayRecordComponent") // Opaque bytes of a library, never compared.
    record Group(byte[] id, int rank, int size) {
        public Group {
            if (size < 1 || rank < 0 || rank >= size) {
                throw new IllegalArgumentException("rank " + rank + " of " + size);
            }
        }

        /**
         * Holds the root of a broadcast to the group.
         *
         * @throws IllegalArgumentException if no rank has that place
         */
        public void requireRoot(int root) {
            if (root < 0 || root >= size) {
                throw new IllegalArgumentException("root " + root + " of " + size + " ranks");
            }
        }

        /**
         * Holds the counts of an exchange to the group.
         *
         * @throws IllegalArgumentException if they are not one for each rank
         */
        public void requireCounts(long[] sendCounts, long[] receiveCounts) {
            if (sendCounts.length != size || receiveCounts.length != size) {
                throw new IllegalArgumentException("an exchange among " + size + " ranks with " + sendCounts.length
                        + " counts to send and " + receiveCounts.length + " to receive");
            }
        }
    }
}
