package dev.heng.backend.cpu.vector;

import dev.heng.kernels.cpu.CpuLayout;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A team of Java threads that runs programs, one at a time. Threads that meet spin for a moment and then sleep: a decode step meets some hundreds of
 * times, each time for less than it takes to wake a sleeping thread, and a machine may have fewer free processors than the team has threads.
 *
 * <p>Threading: any thread, one at a time. Ownership: whoever created it closes it, after its programs.
 */
public final class VectorTeam implements AutoCloseable {

    private static final int SPINS_IN_RUN = 2_000;
    private static final int SPINS_BETWEEN_RUNS = 6_000;

    private final int threads;
    private final List<Thread> workers = new ArrayList<>();
    private final Signal meeting;
    private final Signal start;
    private final AtomicInteger arrived = new AtomicInteger();
    private volatile IntConsumer work = _ -> {};
    private volatile boolean stopped;

    /** A thread of the team ended in an error, so that a meeting would wait for ever. */
    private volatile boolean broken;

    /** Counts events; threads wait for the next one. */
    private static final class Signal {
        private final AtomicInteger count = new AtomicInteger();
        private final AtomicReferenceArray<@Nullable Thread> asleep;

        Signal(int threads) {
            asleep = new AtomicReferenceArray<>(threads);
        }

        int now() {
            return count.get();
        }

        void announce() {
            count.incrementAndGet();
            for (int i = 0; i < asleep.length(); i++) {
                LockSupport.unpark(asleep.get(i));
            }
        }

        void await(int seen, int thread, int spins) {
            for (int i = 0; i < spins; i++) {
                if (count.get() != seen) {
                    return;
                }
                Thread.onSpinWait();
            }
            asleep.set(thread, Thread.currentThread());
            while (count.get() == seen) {
                LockSupport.park(this);
            }
            asleep.set(thread, null);
        }
    }

    /**
     * Starts the threads.
     *
     * @param threads how many, the calling thread of a run included
     */
    public VectorTeam(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("a team of " + threads + " threads");
        }
        this.threads = threads;
        this.meeting = new Signal(threads);
        this.start = new Signal(threads);
        for (int thread = 1; thread < threads; thread++) {
            int own = thread;
            workers.add(
                    Thread.ofPlatform().daemon().name("heng-cpu-vector-" + own).start(() -> workFor(own)));
        }
    }

    /** Returns the layout in which programs are described. */
    public CpuLayout layout() {
        return Layouts.LAYOUT;
    }

    /** Returns the bits of a vector. */
    public int vectorBits() {
        return Simd.FLOATS.vectorBitSize();
    }

    /**
     * Checks instructions and readies them for runs; the caller closes the program, before this team.
     *
     * @param instructions {@code count} instructions; borrowed for the life of the program, as is everything they point to
     * @param maxSizes the largest size of each symbol, in elements
     * @throws dev.heng.kernels.cpu.CpuKernelException if an instruction is wrong, or the program needs more memory than there is
     */
    public VectorProgram createProgram(MemorySegment instructions, long count, long[] maxSizes) {
        return new VectorProgram(this, instructions, Math.toIntExact(count), maxSizes);
    }

    int threads() {
        return threads;
    }

    /** Runs {@code walk} on every thread, with the thread's number, and returns when all are done. */
    void run(IntConsumer walk) {
        if (broken || stopped) {
            throw new IllegalStateException("the team of vector threads has ended");
        }
        work = walk;
        start.announce();
        walkOrBreak(0);
        meet(0);
    }

    /** Waits until every thread of the team is here. */
    void meet(int thread) {
        if (threads == 1) {
            return;
        }
        int seen = meeting.now();
        if (arrived.incrementAndGet() == threads) {
            arrived.set(0);
            meeting.announce();
        } else {
            meeting.await(seen, thread, SPINS_IN_RUN);
        }
        if (broken) {
            throw new IllegalStateException("a vector thread ended in an error; see its stack trace");
        }
    }

    private void workFor(int thread) {
        int seen = 0;
        while (true) {
            start.await(seen, thread, SPINS_BETWEEN_RUNS);
            seen++;
            if (stopped) {
                return;
            }
            walkOrBreak(thread);
            meet(thread);
        }
    }

    /** An error (there is no memory left, say) must not leave the others waiting. */
    private void walkOrBreak(int thread) {
        boolean done = false;
        try {
            work.accept(thread);
            done = true;
        } finally {
            if (!done) {
                broken = true;
                arrived.set(0);
                meeting.announce();
            }
        }
    }

    /** Ends the threads. Idempotent. */
    @Override
    public void close() {
        stopped = true;
        start.announce();
        for (Thread worker : workers) {
            boolean interrupted = false;
            while (true) {
                try {
                    worker.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
