package dev.heng.backend.cpu.vector;

import dev.heng.kernels.cpu.CpuKernelException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Instructions that were checked and can be run.
 *
 * <p>An instruction is one to four phases; a phase is a number of independent tasks that threads claim from a counter; after a phase the threads meet.
 * Which thread does a task changes no result.
 *
 * <p>Threading: that of its team. Ownership: whoever created it closes it, before the team.
 */
public final class VectorProgram implements AutoCloseable {

    /** Distance of counters, so that each has a cache line of its own. */
    private static final int COUNTER_STRIDE = 16;

    private static final int PHASES = 4;

    private final VectorTeam team;
    private final Operation[] operations;
    private final Context[] contexts;
    private final AtomicIntegerArray counters;
    private final long[] maxSizes;
    private final Arena arena = Arena.ofShared();
    private final long sharedBytes;
    private final long shared;
    private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
    private boolean closed;

    VectorProgram(VectorTeam team, MemorySegment instructions, int count, long[] maxSizes) {
        this.team = team;
        this.maxSizes = maxSizes.clone();
        this.operations = new Operation[count];
        long most = 64;
        for (int i = 0; i < count; i++) {
            Operation operation =
                    Operation.of(new Instruction(i, instructions.address() + i * Layouts.INSTRUCTION_BYTES));
            operation.prepare(team.threads());
            operations[i] = operation;
            most = Math.max(most, operation.sharedBytes(operation.rows(maxSizes)));
        }
        this.sharedBytes = most;
        this.shared = allocate(most);
        this.counters = new AtomicIntegerArray((count * PHASES + 1) * COUNTER_STRIDE);
        this.contexts = new Context[team.threads()];
        for (int thread = 0; thread < contexts.length; thread++) {
            contexts[thread] = new Context(thread, team.threads(), shared, failure);
        }
    }

    private long allocate(long bytes) {
        try {
            return arena.allocate(bytes, 64).address();
        } catch (OutOfMemoryError e) {
            arena.close();
            throw new CpuKernelException(
                    CpuKernelException.Kind.OUT_OF_MEMORY,
                    "VectorProgram",
                    "no memory for " + bytes + " bytes of scratch");
        }
    }

    /** Returns the bytes of memory outside the Java heap that this program holds. */
    public long scratchBytes() {
        return sharedBytes;
    }

    /**
     * Runs all instructions and returns when they are done.
     *
     * @param sizes the size of each symbol, in elements
     * @throws CpuKernelException if data that the run read is out of range; the message names it
     */
    public void run(long[] sizes) {
        if (closed) {
            throw new IllegalStateException("the program is closed");
        }
        for (int symbol = 0; symbol < maxSizes.length; symbol++) {
            if (sizes[symbol] < 0 || sizes[symbol] > maxSizes[symbol]) {
                throw failed(
                        "size " + sizes[symbol] + " of symbol " + symbol + " is not within 0.." + maxSizes[symbol]);
            }
        }
        failure.set(null);
        for (int i = 0; i < operations.length * PHASES; i++) {
            counters.set(i * COUNTER_STRIDE, 0);
        }
        team.run(thread -> walk(contexts[thread], sizes));
        String text = failure.get();
        if (text != null) {
            throw failed(text);
        }
    }

    private static CpuKernelException failed(String text) {
        return new CpuKernelException(CpuKernelException.Kind.INVALID, "VectorProgram.run", text);
    }

    private void walk(Context context, long[] sizes) {
        for (int i = 0; i < operations.length; i++) {
            Operation operation = operations[i];
            int rows = operation.rows(sizes);
            context.begin(operation, rows, sizes);
            if (rows == 0 && !operation.worksWithoutRows()) {
                continue;
            }
            for (int phase = 0; phase < operation.phases(); phase++) {
                int tasks = operation.tasks(context, phase);
                if (tasks == 0) {
                    continue;
                }
                int counter = (i * PHASES + phase) * COUNTER_STRIDE;
                for (int task = counters.getAndIncrement(counter);
                        task < tasks;
                        task = counters.getAndIncrement(counter)) {
                    operation.task(context, phase, task);
                }
                team.meet(context.thread());
                // Threads agree: whoever failed did so before the meeting.
                if (failure.get() != null) {
                    return;
                }
            }
        }
    }

    /** Gives back the scratch memory. Idempotent. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            arena.close();
        }
    }
}
