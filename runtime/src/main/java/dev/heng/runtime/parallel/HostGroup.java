package dev.heng.runtime.parallel;

import dev.heng.spi.BackendException;
import dev.heng.spi.Buffer;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A group whose ranks are threads of this process: for devices without a communication library of their own, such as the processor, and for tests. Data goes through the
 * host's memory; all ranks add in the same order, in double, and round once, so that they get the same bits.
 *
 * <p>A rank that calls something else than the others, has left, or does not come in time, ends the call of every rank with one error that says so; the group is of no use then.
 *
 * <p>Threading: each rank's communicator belongs to one thread at a time.
 */
public final class HostGroup {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int size;
    private final Duration patience;
    private final boolean[] left;
    private Meeting current;
    private @Nullable String broken;

    /**
     * Makes a group.
     *
     * @param size the number of ranks
     * @param patience how long a rank waits for the others
     */
    public HostGroup(int size, Duration patience) {
        if (size < 1) {
            throw new IllegalArgumentException("a group of " + size + " ranks");
        }
        this.size = size;
        this.patience = patience;
        this.left = new boolean[size];
        this.current = new Meeting(size);
    }

    /** Returns the communicator of a rank, from 0. */
    public Communicator rank(int rank) {
        if (rank < 0 || rank >= size) {
            throw new IllegalArgumentException("rank " + rank + " of " + size);
        }
        return new Rank(rank);
    }

    /** What the ranks bring to one call: its name, the same for all, and bytes. */
    private static final class Meeting {
        private final @Nullable String[] calls;
        private final MemorySegment[] data;
        private final long[][] counts;
        private int arrived;

        Meeting(int size) {
            this.calls = new String[size];
            this.data = new MemorySegment[size];
            this.counts = new long[size][];
        }
    }

    private synchronized Meeting meet(int rank, String call, MemorySegment data, long... counts) {
        Meeting meeting = current;
        if (broken == null) {
            meeting.calls[rank] = call;
            meeting.data[rank] = data;
            meeting.counts[rank] = counts;
            meeting.arrived++;
            if (meeting.arrived == size) {
                if (Arrays.stream(meeting.calls).distinct().count() > 1) {
                    broken = "the ranks of a group call different things: " + Arrays.toString(meeting.calls);
                }
                current = new Meeting(size);
                notifyAll();
            } else {
                await(meeting);
            }
        }
        if (broken != null) {
            throw BackendException.of(
                    BackendException.Code.NATIVE_FAILURE,
                    "rank " + rank + ", " + call + ": " + broken,
                    "look for the first error of another rank");
        }
        return meeting;
    }

    private void await(Meeting meeting) {
        long deadline = System.nanoTime() + patience.toNanos();
        while (meeting.arrived < size && broken == null) {
            long remaining = deadline - System.nanoTime();
            int gone = firstGone(meeting);
            if (gone >= 0) {
                broken = "rank " + gone + " has left the group";
                notifyAll();
                return;
            }
            if (remaining <= 0) {
                broken =
                        "only " + meeting.arrived + " of " + size + " ranks came within " + patience.toSeconds() + " s";
                notifyAll();
                return;
            }
            try {
                wait(Math.max(1, remaining / 1_000_000));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                broken = "a rank was interrupted";
                notifyAll();
                return;
            }
        }
    }

    /** Returns a rank that will not come any more, or -1. */
    private int firstGone(Meeting meeting) {
        for (int rank = 0; rank < size; rank++) {
            if (left[rank] && meeting.calls[rank] == null) {
                return rank;
            }
        }
        return -1;
    }

    private synchronized void leave(int rank) {
        left[rank] = true;
        notifyAll();
    }

    private static double get(MemorySegment bytes, DType dtype, long index) {
        return switch (dtype) {
            case F64 -> bytes.get(DOUBLE, 8 * index);
            case F32 -> bytes.get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(bytes.get(SHORT, 2 * index));
            case BF16 -> Float.intBitsToFloat(bytes.get(SHORT, 2 * index) << 16);
            case I8, I32, I64, I4, F8_E4M3, F8_E8M0 ->
                throw new IllegalArgumentException("a sum over ranks is one of activations, not of " + dtype);
        };
    }

    private static void put(MemorySegment bytes, DType dtype, long index, double value) {
        switch (dtype) {
            case F64 -> bytes.set(DOUBLE, 8 * index, value);
            case F32 -> bytes.set(FLOAT, 4 * index, (float) value);
            case F16 -> bytes.set(SHORT, 2 * index, Float.floatToFloat16(towardOdd(value)));
            case BF16 -> {
                int bits = Float.floatToRawIntBits(towardOdd(value));
                int rounded = Double.isNaN(value) ? 0x7FC0_0000 : bits + 0x7FFF + (bits >>> 16 & 1);
                bytes.set(SHORT, 2 * index, (short) (rounded >>> 16));
            }
            case I8, I32, I64, I4, F8_E4M3, F8_E8M0 ->
                throw new IllegalArgumentException("a sum over ranks is one of activations, not of " + dtype);
        }
    }

    /** Rounds to a float whose last bit says that something was cut off, so that rounding it again is rounding once. */
    private static float towardOdd(double value) {
        float nearest = (float) value;
        if (Double.isNaN(value) || nearest == value || Float.isInfinite(nearest)) {
            return nearest;
        }
        float truncated = Math.abs((double) nearest) > Math.abs(value)
                ? Float.intBitsToFloat(Float.floatToRawIntBits(nearest) - 1)
                : nearest;
        return Float.intBitsToFloat(Float.floatToRawIntBits(truncated) | 1);
    }

    private static MemorySegment bytes(Buffer buffer, DType dtype, long from, long count) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[Math.toIntExact(dtype.bytes(count))]);
        if (count > 0) {
            buffer.read(dtype.bytes(from), bytes);
        }
        return bytes;
    }

    private final class Rank implements Communicator {

        private final int rank;
        private final Group place;

        Rank(int rank) {
            this.rank = rank;
            this.place = new Group(new byte[0], rank, size);
        }

        @Override
        public int rank() {
            return rank;
        }

        @Override
        public int size() {
            return size;
        }

        @Override
        public void allReduceSum(Buffer source, Buffer target, DType dtype, long count) {
            Meeting meeting = meet(rank, "allReduceSum of " + count + " " + dtype, bytes(source, dtype, 0, count));
            MemorySegment sum = MemorySegment.ofArray(new byte[Math.toIntExact(dtype.bytes(count))]);
            for (long index = 0; index < count; index++) {
                double total = get(meeting.data[0], dtype, index);
                for (int other = 1; other < size; other++) {
                    total += get(meeting.data[other], dtype, index);
                }
                put(sum, dtype, index, total);
            }
            target.write(sum, 0);
        }

        @Override
        public void allGather(Buffer source, Buffer target, DType dtype, long count) {
            Meeting meeting = meet(rank, "allGather of " + count + " " + dtype, bytes(source, dtype, 0, count));
            for (int other = 0; other < size; other++) {
                target.write(meeting.data[other], dtype.bytes(other * count));
            }
        }

        @Override
        public void broadcast(Buffer buffer, DType dtype, long count, int root) {
            place.requireRoot(root);
            MemorySegment own = bytes(buffer, dtype, 0, rank == root ? count : 0);
            Meeting meeting = meet(rank, "broadcast of " + count + " " + dtype + " from rank " + root, own);
            if (rank != root) {
                buffer.write(meeting.data[root], 0);
            }
        }

        @Override
        public void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype) {
            place.requireCounts(sendCounts, receiveCounts);
            MemorySegment own =
                    bytes(source, dtype, 0, Arrays.stream(sendCounts).sum());
            Meeting meeting = meet(rank, "allToAll of " + dtype, own, sendCounts.clone());
            long at = 0;
            List<String> wrong = new ArrayList<>();
            for (int other = 0; other < size; other++) {
                long[] theirs = meeting.counts[other];
                if (theirs[rank] != receiveCounts[other]) {
                    wrong.add("rank " + other + " sends " + theirs[rank] + " elements to rank " + rank
                            + ", which expects " + receiveCounts[other]);
                    continue;
                }
                long from = Arrays.stream(theirs, 0, rank).sum();
                target.write(
                        meeting.data[other].asSlice(dtype.bytes(from), dtype.bytes(theirs[rank])), dtype.bytes(at));
                at += receiveCounts[other];
            }
            if (!wrong.isEmpty()) {
                throw new IllegalArgumentException(String.join("; ", wrong));
            }
        }

        @Override
        public void close() {
            leave(rank);
        }
    }
}
