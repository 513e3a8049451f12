package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Experiments that count what is left behind: memory of the process, open files, native threads, and what the device says is free, over
 * cycles of opening and closing and over many runs. Memory is counted in lost buffers, which are made large enough to stand out of what a
 * JVM's own memory does; a leak of a few bytes a run is beyond it.
 */
final class LeakExperiments {

    /** What a leaking cycle loses. */
    private static final long LOST_BYTES = 4 << 20;

    /** Files and threads that a JVM may come to hold by itself in between. */
    private static final long OWN = 12;

    private static final Path PROCESS = Path.of("/proc/self");

    private LeakExperiments() {}

    static void addTo(CaseList cases) {
        open(cases, Level.SMOKE, 12);
        open(cases, Level.REQUIRED, 100);
        runs(cases, Level.SMOKE, 200);
        runs(cases, Level.NIGHTLY, 10_000);
    }

    private static void open(CaseList cases, Level level, int cycles) {
        cases.experiment(
                level,
                "Memory",
                "any",
                List.of("RUN-008", "RUN-014"),
                "leavesNothingBehindWhenClosed",
                cycles + "-cycles",
                (_, _, bench) -> openAndClose(bench, cycles));
    }

    private static void runs(CaseList cases, Level level, int runs) {
        cases.experiment(
                level,
                "Memory",
                "any",
                List.of("RUN-008", "RUN-014"),
                "leavesNothingBehindAfterRuns",
                runs + "-runs",
                (id, seed, bench) -> manyRuns(id, seed, bench.device(), runs));
    }

    /** What a process holds. */
    private record Holdings(long residentBytes, long files, long threads) {

        static Holdings now() {
            System.gc();
            return new Holdings(outsideHeap(), count("fd"), count("task"));
        }

        private static long outsideHeap() {
            try (Stream<String> lines = Files.lines(PROCESS.resolve("status"))) {
                long resident = lines.filter(line -> line.startsWith("VmRSS:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                        .findFirst()
                        .orElse(0);
                // The heap grows and shrinks as the collector likes.
                return resident - Runtime.getRuntime().totalMemory();
            } catch (IOException unreadable) {
                return 0;
            }
        }

        private static long count(String folder) {
            try (Stream<Path> entries = Files.list(PROCESS.resolve(folder))) {
                return entries.count();
            } catch (IOException unreadable) {
                return 0;
            }
        }

        /** Notes what grew since {@code before} in {@code cycles} cycles, each of which loses a buffer if it leaks. */
        void compare(Holdings before, int cycles, List<String> observed, List<String> breaches) {
            long grown = residentBytes - before.residentBytes();
            observed.add("over " + cycles + " cycles memory outside the heap grew by " + grown / 1024
                    + " KiB, open files by " + (files - before.files()) + ", threads by "
                    + (threads - before.threads()));
            // Half of what would be lost, and never less than the JVM's own growth may be.
            if (grown > Math.max(64L << 20, cycles * LOST_BYTES / 2)) {
                breaches.add("memory outside the heap grew by " + grown + " bytes over " + cycles + " cycles");
            }
            if (files - before.files() > OWN) {
                breaches.add((files - before.files()) + " files were left open");
            }
            if (threads - before.threads() > OWN) {
                breaches.add((threads - before.threads()) + " threads were left running");
            }
        }
    }

    private static Experiment.Finding openAndClose(Experiment.Bench bench, int cycles) {
        List<String> observed = new ArrayList<>();
        List<String> breaches = new ArrayList<>();
        cycle(bench);
        Holdings before = Holdings.now();
        long free = bench.device().memory().freeBytes();
        for (int cycle = 0; cycle < cycles; cycle++) {
            cycle(bench);
        }
        Holdings.now().compare(before, cycles, observed, breaches);
        observed.add("the device's free memory changed by "
                + (bench.device().memory().freeBytes() - free) / 1024 + " KiB");
        return Experiment.Finding.of(observed, breaches);
    }

    /** Opens a backend, touches a buffer that would stand out if it were lost, and closes both. */
    private static void cycle(Experiment.Bench bench) {
        TensorType type = TensorType.of(DType.F32, Dim.of(Dim.TOKENS));
        try (Backend own = bench.another().get();
                Buffer buffer = own.allocate(new BufferRequest(
                        "cycle", BufferRequest.Usage.TENSOR, type, Map.of(Dim.TOKENS, LOST_BYTES / 4)))) {
            buffer.fill((byte) 1);
            byte[] last = new byte[1];
            buffer.read(LOST_BYTES - 1, java.lang.foreign.MemorySegment.ofArray(last));
        }
    }

    private static Experiment.Finding manyRuns(String id, long seed, Backend device, int runs) {
        Scenario chain = ChainFamilies.expertsChain(id, seed, ModelShape.deepSeekV2Lite(), DType.BF16, 7);
        String refusal = Session.refusal(device, chain);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        List<String> observed = new ArrayList<>();
        List<String> breaches = new ArrayList<>();
        TensorType type = TensorType.of(DType.F32, Dim.of(Dim.TOKENS));
        try (Session session = Session.open(device, chain)) {
            session.all();
            Holdings before = Holdings.now();
            for (int run = 0; run < runs; run++) {
                session.write(0);
                session.run(0);
                session.read(0);
                if (run % 10 == 0) {
                    // Programs and buffers come and go beside the runs.
                    Session.open(device, chain).close();
                    try (Buffer buffer = device.allocate(new BufferRequest(
                            "passing", BufferRequest.Usage.TENSOR, type, Map.of(Dim.TOKENS, LOST_BYTES / 4)))) {
                        buffer.fill((byte) 1);
                    }
                }
            }
            Holdings.now().compare(before, runs / 10, observed, breaches);
        }
        return Experiment.Finding.of(observed, breaches);
    }
}
