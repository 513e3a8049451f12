package dev.heng.backend.cpu;

import dev.heng.backend.reference.HostMemory;
import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.kernels.cpu.CpuLibrary;
import dev.heng.kernels.cpu.CpuTeam;
import dev.heng.kernels.cpu.CpuTeam.Dot;
import dev.heng.spi.Ceiling;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleSupplier;

/** Measures what a team of native threads can do at most. Each ceiling is the best of a few tries: what a disturbance took away is no ceiling. */
final class NativeCeilings {

    /** Far more than a last-level cache, or a part of a large one that others use as well. */
    private static final long BYTES = 1L << 30;

    private static final int TRIES = 3;

    /** Tens of milliseconds on a processor of 2 to 4 GHz. */
    private static final long FMA_ROUNDS = 10_000_000;

    private static final long DOT_ROUNDS = 2_000_000;

    private NativeCeilings() {}

    static List<Ceiling> measure(CpuLibrary library, CpuTeam team) {
        List<Ceiling> ceilings = new ArrayList<>();
        String threads = team.threads() + " threads, best of " + TRIES;
        addMemory(ceilings, library, team, threads);
        ceilings.add(new Ceiling(
                Ceiling.Kind.F32_RATE,
                best(() -> team.measureFma(FMA_ROUNDS)),
                "multiply-adds of level " + team.level() + ", " + threads));
        addDot(ceilings, team, Dot.BF16, Ceiling.Kind.BF16_RATE, threads);
        addDot(ceilings, team, Dot.INT8, Ceiling.Kind.INT8_RATE, threads);
        return ceilings;
    }

    private static void addMemory(List<Ceiling> ceilings, CpuLibrary library, CpuTeam team, String threads) {
        // The system promises more than it has, and kills who takes it at its word.
        long available = HostMemory.availableBytes();
        if (available >= 0 && available < BYTES + BYTES / 2) {
            return;
        }
        MemorySegment memory;
        try {
            memory = library.allocate(BYTES);
        } catch (CpuKernelException none) {
            if (none.kind() == CpuKernelException.Kind.OUT_OF_MEMORY) {
                return;
            }
            throw none;
        }
        try {
            // Untouched memory is one page of zeros, which any cache holds.
            memory.fill((byte) 1);
            ceilings.add(new Ceiling(
                    Ceiling.Kind.READ_BANDWIDTH,
                    best(() -> team.measureRead(memory)),
                    "1 GiB in one stream for each of " + threads));
            MemorySegment from = memory.asSlice(0, BYTES / 2);
            MemorySegment to = memory.asSlice(BYTES / 2);
            ceilings.add(new Ceiling(
                    Ceiling.Kind.COPY_BANDWIDTH,
                    best(() -> team.measureCopy(from, to)),
                    "512 MiB by memcpy, " + threads));
        } finally {
            library.free(memory);
        }
    }

    private static void addDot(List<Ceiling> ceilings, CpuTeam team, Dot dot, Ceiling.Kind kind, String threads) {
        team.dotInstruction(dot)
                .ifPresent(instruction -> ceilings.add(
                        new Ceiling(kind, best(() -> team.measureDot(dot, DOT_ROUNDS)), instruction + ", " + threads)));
    }

    private static double best(DoubleSupplier measurement) {
        double best = 0;
        for (int time = 0; time < TRIES; time++) {
            best = Math.max(best, measurement.getAsDouble());
        }
        return best;
    }
}
