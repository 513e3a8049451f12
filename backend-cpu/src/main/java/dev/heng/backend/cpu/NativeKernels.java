package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.kernels.cpu.CpuLibrary;
import dev.heng.kernels.cpu.CpuProgram;
import dev.heng.kernels.cpu.CpuTeam;
import dev.heng.spi.Ceiling;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The native library: a run is one native call. */
final class NativeKernels implements Kernels {

    private final CpuLibrary library;
    private final CpuTeam team;

    /**
     * Makes the team.
     *
     * @throws dev.heng.kernels.cpu.CpuKernelException if the level does not run here, or a thread could not be made
     */
    NativeKernels(CpuLibrary library, int threads, boolean pin, String level) {
        this.library = library;
        this.team = library.createTeam(threads, pin, level);
    }

    private record Native(CpuProgram program) implements Executable {
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
        return team.level();
    }

    @Override
    public boolean flushesSubnormals() {
        return team.flushesSubnormals();
    }

    @Override
    public String label() {
        return "heng_cpu";
    }

    @Override
    public CpuLayout layout() {
        return library.layout();
    }

    @Override
    public MemorySegment allocate(long bytes) {
        return library.allocate(bytes);
    }

    @Override
    public void free(MemorySegment memory) {
        library.free(memory);
    }

    @Override
    public Executable createProgram(MemorySegment instructions, long count, long[] maxSizes) {
        return new Native(team.createProgram(instructions, count, maxSizes));
    }

    @Override
    public List<Ceiling> measureCeilings() {
        return NativeCeilings.measure(library, team);
    }

    @Override
    public void close() {
        team.close();
    }
}
