package dev.heng.runtime.parallel;

import dev.heng.spi.Communicator;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;

/** Ranks of a group as threads of the test. */
final class Ranks {

    private Ranks() {}

    /** Runs something on every rank at once and returns what each gave, in the order of ranks; the first failure is thrown. */
    static <T> List<T> run(int size, Function<Communicator, T> each) {
        HostGroup group = new HostGroup(size, Duration.ofSeconds(60));
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<CompletableFuture<T>> futures = new ArrayList<>();
            for (int rank = 0; rank < size; rank++) {
                Communicator communicator = group.rank(rank);
                futures.add(CompletableFuture.supplyAsync(() -> each.apply(communicator), threads)
                        .whenComplete((_, _) -> communicator.close()));
            }
            return futures.stream().map(CompletableFuture::join).toList();
        }
    }
}
