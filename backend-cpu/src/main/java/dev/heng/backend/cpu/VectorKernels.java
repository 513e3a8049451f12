package dev.heng.backend.cpu;

import dev.heng.backend.cpu.vector.VectorProgram;
import dev.heng.backend.cpu.vector.VectorTeam;
import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.kernels.cpu.CpuLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The Vector API: the same instructions, executed in Java. Made only where {@link dev.heng.backend.cpu.vector.VectorModule} is present. */
final class VectorKernels implements Kernels {

    /** The name of this level. */
    static final String LEVEL = "vector";

    private static final long ALIGNMENT = 64;

    private final VectorTeam team;
    private final Map<Long, Arena> arenas = new ConcurrentHashMap<>();

    VectorKernels(int threads) {
        this.team = new VectorTeam(threads);
    }

    private record Interpreted(VectorProgram program) implements Executable {
        @Override
        public void run(long[] sizes) {
            program.run(sizes);
        }

        @Override
        public long scratchBytes() {
            return program.scratchBytes();
        }

        @Override
        public void close() {
            program.close();
        }
    }

    @Override
    public String level() {
        return LEVEL;
    }

    @Override
    public String label() {
        return LEVEL;
    }

    @Override
    public CpuLayout layout() {
        return team.layout();
    }

    @Override
    public MemorySegment allocate(long bytes) {
        Arena arena = Arena.ofShared();
        try {
            MemorySegment memory = arena.allocate(bytes, ALIGNMENT);
            arenas.put(memory.address(), arena);
            return memory;
        } catch (OutOfMemoryError e) {
            arena.close();
            throw new CpuKernelException(
                    CpuKernelException.Kind.OUT_OF_MEMORY,
                    "Arena.allocate",
                    "the system has no " + bytes + " bytes of memory left");
        }
    }

    @Override
    public void free(MemorySegment memory) {
        Arena arena = arenas.remove(memory.address());
        if (arena == null) {
            throw new IllegalArgumentException("nothing was allocated at " + memory.address());
        }
        arena.close();
    }

    @Override
    public Executable createProgram(MemorySegment instructions, long count, long[] maxSizes) {
        return new Interpreted(team.createProgram(instructions, count, maxSizes));
    }

    @Override
    public void close() {
        team.close();
    }
}
