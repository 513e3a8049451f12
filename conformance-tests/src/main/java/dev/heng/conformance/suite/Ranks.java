package dev.heng.conformance.suite;

import dev.heng.runtime.parallel.HostGroup;
import dev.heng.runtime.parallel.ParallelBackend;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Communicator;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntFunction;

/**
 * A group of ranks, each a backend of its own on a thread of its own, on which it is opened, joins, works and is closed, so that confined
 * backends are legal. Whoever opens closes; ranks that hang are left behind with their threads.
 */
final class Ranks implements AutoCloseable {

    /** How long all ranks together may take for one thing: less than a case may, so that an experiment can say what hung. */
    private static final Duration PATIENCE = Duration.ofSeconds(25);

    /**
     * One rank.
     *
     * @param number its place, from 0
     * @param backend the backend as a rank: collectives run through the group's communicator, which it closes
     */
    record Member(int number, Backend backend) {}

    /** What a rank does on its thread. */
    @FunctionalInterface
    interface Work<T> {
        T of(Member member) throws InterruptedException;
    }

    private final List<ExecutorService> threads = new ArrayList<>();
    private final List<Member> members = new ArrayList<>();
    private String way = "";
    private boolean hung;

    private Ranks(int size) {
        for (int rank = 0; rank < size; rank++) {
            threads.add(Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("rank " + rank).factory()));
        }
    }

    /**
     * Opens the ranks and joins them: by the backend's own communication, or, where it has none or ranks share a device, in the host's memory. Libraries of collectives take one
     * rank a device: NCCL answers ncclInvalidUsage, HCCL's documents forbid it.
     *
     * @param opener opens the backend of each rank
     */
    static Ranks open(IntFunction<Backend> opener, int size) {
        Ranks ranks = new Ranks(size);
        List<Backend> devices = ranks.each(rank -> () -> opener.apply(rank));
        boolean joined = false;
        try {
            IntFunction<Communicator> group = ranks.group(devices);
            ranks.members.addAll(ranks.each(rank -> () -> {
                Backend device = devices.get(rank);
                return new Member(rank, new ParallelBackend(device, group.apply(rank)));
            }));
            joined = true;
            return ranks;
        } finally {
            if (!joined) {
                if (!ranks.hung) {
                    ranks.each(rank -> () -> {
                        devices.get(rank).close();
                        return rank;
                    });
                }
                ranks.threads.forEach(ExecutorService::shutdownNow);
            }
        }
    }

    /** Returns how each rank joins. */
    private IntFunction<Communicator> group(List<Backend> devices) {
        long distinct = each(rank -> () -> devices.get(rank).device().address()).stream()
                .distinct()
                .count();
        if (distinct < devices.size()) {
            return host(devices.size(), "ranks share a device");
        }
        try {
            byte[] id = one(0, devices.getFirst()::newGroupId);
            way = "by the backend's own communication";
            return rank -> devices.get(rank).join(new Communicator.Group(id, rank, devices.size()));
        } catch (BackendException refused) {
            if (refused.code() != BackendException.Code.DECLINED) {
                throw refused;
            }
            return host(devices.size(), "the backend has no communication of its own");
        }
    }

    private IntFunction<Communicator> host(int size, String reason) {
        way = "in the host's memory, for " + reason;
        return new HostGroup(size, PATIENCE)::rank;
    }

    /** Returns how ranks meet, in words. */
    String way() {
        return way;
    }

    /** Returns the ranks in their order. */
    List<Member> members() {
        return members;
    }

    int size() {
        return threads.size();
    }

    /** Does something on all ranks at once; returns what came of it, in the order of ranks. */
    <T> List<T> all(Work<T> work) {
        return each(rank -> () -> work.of(members.get(rank)));
    }

    private <T> T one(int rank, Callable<T> work) {
        return result(rank, threads.get(rank).submit(work), System.nanoTime() + PATIENCE.toNanos());
    }

    private <T> List<T> each(IntFunction<Callable<T>> work) {
        List<Future<T>> running = new ArrayList<>();
        for (int rank = 0; rank < threads.size(); rank++) {
            running.add(threads.get(rank).submit(work.apply(rank)));
        }
        long end = System.nanoTime() + PATIENCE.toNanos();
        List<T> results = new ArrayList<>();
        List<RuntimeException> failures = new ArrayList<>();
        for (int rank = 0; rank < running.size(); rank++) {
            try {
                results.add(result(rank, running.get(rank), end));
            } catch (RuntimeException failure) {
                failures.add(failure);
            }
        }
        if (!failures.isEmpty()) {
            RuntimeException first = failures.getFirst();
            failures.subList(1, failures.size()).forEach(first::addSuppressed);
            throw first;
        }
        return results;
    }

    private <T> T result(int rank, Future<T> running, long end) {
        try {
            return running.get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException late) {
            hung = true;
            throw new IllegalStateException(
                    "rank " + rank + " of " + threads.size() + " did not end within " + PATIENCE.toSeconds() + " s",
                    late);
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof RuntimeException thrown) {
                throw thrown;
            }
            throw new IllegalStateException("rank " + rank + ": " + failure.getCause(), failure);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            hung = true;
            throw new IllegalStateException("interrupted while " + threads.size() + " ranks worked", interrupted);
        }
    }

    @Override
    public void close() {
        try {
            if (!hung) {
                all(member -> {
                    member.backend().close();
                    return member.number();
                });
            }
        } finally {
            threads.forEach(ExecutorService::shutdownNow);
        }
    }
}
