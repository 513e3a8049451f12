package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** Which sorted rows belong to which expert, and how the work on them is cut into tasks. */
final class Experts {

    private final Weight[] weights;
    private final Multiplication multiplication;
    private final Pointer offsets;
    private final int matrices;
    private int threads = 1;

    Experts(Instruction in, Weight[] weights, int matrices, Multiplication multiplication) {
        this.weights = weights;
        this.multiplication = multiplication;
        this.matrices = matrices;
        this.offsets = in.pointer("offsets");
        for (Weight weight : weights) {
            if (!weight.sameFormat(weights[0])) {
                throw in.wrong("experts differ in shape or type");
            }
        }
    }

    void prepare(int teamThreads) {
        threads = teamThreads;
    }

    int begin(int expert) {
        return Memory.i32(offsets.get() + 4L * expert);
    }

    int rows(int expert) {
        return begin(expert + 1) - begin(expert);
    }

    /**
     * What a task works on: weight rows {@code [row0, row0 + rows)} of an expert.
     */
    record Part(int expert, int row0, int rows) {}

    private int rowsPerTask(int active, int total) {
        Weight format = weights[0];
        if (total / active < Gemm.TOKENS) {
            return multiplication.rowsPerTask(matrices * active, threads);
        }
        // Packing an expert's rows is repeated in each of its tasks: as few as keep the threads busy.
        int parts = Math.max(1, Math.ceilDiv(8 * threads, active));
        int fair = (int) Math.ceilDiv(format.rows(), (long) parts);
        return Math.max(Multiplication.BLOCK_ROWS, Simd.roundUp(fair, Multiplication.BLOCK_ROWS));
    }

    /** Returns the number of tasks, or 0 with the failure recorded if the offsets are no partition of {@code slots} rows. */
    int tasks(Context context, int slots) {
        if (begin(0) != 0) {
            context.fail("offsets begin at " + begin(0) + ", not at 0");
            return 0;
        }
        int active = 0;
        for (int expert = 0; expert < weights.length; expert++) {
            int rows = rows(expert);
            if (rows < 0 || begin(expert) < 0 || begin(expert + 1) > slots) {
                context.fail("offsets of expert " + expert + " do not ascend within " + slots + " rows");
                return 0;
            }
            active += rows > 0 ? 1 : 0;
        }
        return active == 0 ? 0 : active * parts(rowsPerTask(active, begin(weights.length)));
    }

    private int parts(int rowsPerTask) {
        return (int) Math.ceilDiv(weights[0].rows(), (long) rowsPerTask);
    }

    /** Returns the part that a task stands for: experts without rows have none. */
    Part part(int task) {
        int active = 0;
        for (int expert = 0; expert < weights.length; expert++) {
            active += rows(expert) > 0 ? 1 : 0;
        }
        int rowsPerTask = rowsPerTask(active, begin(weights.length));
        int parts = parts(rowsPerTask);
        int wanted = task / parts;
        int expert = 0;
        while (rows(expert) == 0 || wanted-- > 0) {
            expert++;
        }
        int row0 = task % parts * rowsPerTask;
        return new Part(expert, row0, (int) Math.min(rowsPerTask, weights[0].rows() - row0));
    }
}
