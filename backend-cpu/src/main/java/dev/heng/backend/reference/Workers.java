package dev.heng.backend.reference;

import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Shares out independent rows among a bounded number of threads. Which thread computes a row never changes what is computed (RUN-013).
 */
final class Workers implements AutoCloseable {

    /** Operations below which starting threads costs more than it saves. */
    private static final long WORTH_SHARING = 200_000;

    private final int threads;
    private final @Nullable ForkJoinPool pool;

    Workers(int threads) {
        this.threads = threads;
        this.pool = threads > 1 ? new ForkJoinPool(threads) : null;
    }

    /** Returns the number of threads. */
    int threads() {
        return threads;
    }

    /**
     * Calls {@code task} for adjacent ranges that together are 0..count-1, and waits for all of them.
     *
     * @param operationsEach the rough cost of one index, in arithmetic operations
     */
    void forEachRange(int count, long operationsEach, RangeTask task) {
        if (count == 0) {
            return;
        }
        ForkJoinPool sharing = pool;
        if (sharing == null || count == 1 || count * operationsEach < WORTH_SHARING) {
            task.run(0, count);
            return;
        }
        int chunks = Math.min(count, threads * 4);
        sharing.submit(() -> IntStream.range(0, chunks).parallel().forEach(chunk -> {
                    int from = (int) ((long) count * chunk / chunks);
                    int to = (int) ((long) count * (chunk + 1) / chunks);
                    task.run(from, to);
                }))
                .join();
    }

    @Override
    public void close() {
        ForkJoinPool sharing = pool;
        if (sharing != null) {
            sharing.close();
        }
    }

    /** Work on the indices from..to-1. */
    @FunctionalInterface
    interface RangeTask {
        void run(int from, int to);
    }
}
