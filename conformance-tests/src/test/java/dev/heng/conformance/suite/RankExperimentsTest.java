package dev.heng.conformance.suite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.ForwardingBackend;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunRequest;
import dev.heng.runtime.parallel.HostGroup;
import dev.heng.spi.Buffer;
import dev.heng.spi.Communicator;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** A backend's own communication is used, judged, and found wrong where it is. */
final class RankExperimentsTest {

    private static final Map<String, HostGroup> GROUPS = new ConcurrentHashMap<>();
    private static final String CASES = "*_COMM_00*ranks=2";

    /** What is wrong with a communicator. */
    private enum Manner {
        NOTHING,
        /** The last element of a sum has another last bit on rank 1. */
        SUMS_DIFFER_BY_A_BIT,
        /** Rank 0 gets what it brought instead of the sum. */
        SUM_FORGETS_THE_OTHERS,
        /** The first two rows that arrive are exchanged. */
        ROWS_OUT_OF_ORDER,
        /** Counts arrive in the reverse order of ranks. */
        GATHERS_BACKWARDS
    }

    /** Forms groups of its own, by a communicator that does one thing wrong. */
    private static final class Grouping extends ForwardingBackend {
        private static final AtomicInteger OPENED = new AtomicInteger();

        private final Manner manner;
        private final int ordinal = OPENED.getAndIncrement();

        Grouping(Manner manner) {
            super(Backends.reference());
            this.manner = manner;
        }

        /** A device of its own for each rank. */
        @Override
        public DeviceInfo device() {
            DeviceInfo real = super.device();
            return new DeviceInfo(
                    real.backend(), ordinal, real.name(), real.memoryBytes(), real.simulated(), real.facts());
        }

        @Override
        public byte[] newGroupId() {
            String id = UUID.randomUUID().toString();
            GROUPS.put(id, new HostGroup(2, Duration.ofSeconds(20)));
            return id.getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public Communicator join(Communicator.Group group) {
            HostGroup found = GROUPS.get(new String(group.id(), StandardCharsets.UTF_8));
            if (found == null) {
                throw new IllegalStateException("an id that nobody made");
            }
            return new Wrong(found.rank(group.rank()), manner);
        }
    }

    /** A communicator with a fault. */
    private record Wrong(Communicator real, Manner manner) implements Communicator {

        private static void turn(Buffer buffer, long from, int bytes) {
            byte[] data = new byte[bytes];
            buffer.read(from, MemorySegment.ofArray(data));
            byte[] turned = new byte[bytes];
            System.arraycopy(data, bytes / 2, turned, 0, bytes / 2);
            System.arraycopy(data, 0, turned, bytes / 2, bytes / 2);
            buffer.write(MemorySegment.ofArray(turned), from);
        }

        @Override
        public int rank() {
            return real.rank();
        }

        @Override
        public int size() {
            return real.size();
        }

        @Override
        public void allReduceSum(Buffer source, Buffer target, DType dtype, long count) {
            byte[] mine = new byte[Math.toIntExact(dtype.bytes(count))];
            source.read(0, MemorySegment.ofArray(mine));
            real.allReduceSum(source, target, dtype, count);
            if (manner == Manner.SUM_FORGETS_THE_OTHERS && rank() == 0) {
                target.write(MemorySegment.ofArray(mine), 0);
            }
            if (manner == Manner.SUMS_DIFFER_BY_A_BIT && rank() == 1) {
                long at = dtype.bytes(count - 1);
                byte[] low = new byte[1];
                target.read(at, MemorySegment.ofArray(low));
                low[0] ^= 1;
                target.write(MemorySegment.ofArray(low), at);
            }
        }

        @Override
        public void allGather(Buffer source, Buffer target, DType dtype, long count) {
            real.allGather(source, target, dtype, count);
            if (manner == Manner.GATHERS_BACKWARDS) {
                turn(target, 0, Math.toIntExact(dtype.bytes(2 * count)));
            }
        }

        @Override
        public void broadcast(Buffer buffer, DType dtype, long count, int root) {
            real.broadcast(buffer, dtype, count, root);
        }

        @Override
        public void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype) {
            real.allToAll(source, sendCounts, target, receiveCounts, dtype);
            if (manner == Manner.ROWS_OUT_OF_ORDER && receiveCounts[0] >= 14) {
                turn(target, 0, Math.toIntExact(dtype.bytes(14)));
            }
        }

        @Override
        public void close() {
            real.close();
        }
    }

    private static List<CaseResult> run(Manner manner) {
        return ParityRun.run(
                        Suite.standard(),
                        RunRequest.of("grouping", Level.REQUIRED).onlyCases(CASES),
                        () -> new Grouping(manner),
                        Backends::reference)
                .results();
    }

    private static List<String> failing(Manner manner) {
        return run(manner).stream()
                .filter(result -> result.state() != CaseState.PASS)
                .map(result -> result.subject().op())
                .distinct()
                .sorted()
                .collect(Collectors.toList());
    }

    @Test
    void aBackendsOwnCommunicationIsUsedAndPasses() {
        List<CaseResult> results = run(Manner.NOTHING);
        assertEquals(7, results.size());
        for (CaseResult result : results) {
            assertEquals(CaseState.PASS, result.state(), result.reason());
            assertTrue(result.reason().contains("by the backend's own communication"), result.reason());
        }
    }

    @Test
    void withoutItRanksMeetInTheHostsMemory() {
        for (CaseResult result : ParityRun.run(
                        Suite.standard(),
                        RunRequest.of("reference", Level.REQUIRED).onlyCases(CASES),
                        Backends::reference,
                        Backends::reference)
                .results()) {
            assertEquals(CaseState.PASS, result.state(), result.reason());
            assertTrue(result.reason().contains("in the host's memory"), result.reason());
        }
    }

    @Test
    void aSumThatIsNotTheSameOrNotTheSumIsFound() {
        assertEquals(List.of("AllReduce"), failing(Manner.SUMS_DIFFER_BY_A_BIT));
        assertEquals(List.of("AllReduce"), failing(Manner.SUM_FORGETS_THE_OTHERS));
    }

    @Test
    void rowsOutOfOrderAreFound() {
        assertTrue(failing(Manner.ROWS_OUT_OF_ORDER).contains("AllToAll"));
    }

    @Test
    void countsOfTheWrongRankAreFound() {
        assertTrue(failing(Manner.GATHERS_BACKWARDS).containsAll(List.of("AllToAll", "AllToAllReturn", "MoeLayer")));
    }
}
