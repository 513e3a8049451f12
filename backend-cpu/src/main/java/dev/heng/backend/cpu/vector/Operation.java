package dev.heng.backend.cpu.vector;

/** An instruction that can be executed. */
abstract class Operation {

    /** A pointer that is always null. */
    static final Instruction.Pointer NOWHERE = Instruction.Pointer.to(0);

    private final Instruction instruction;

    Operation(Instruction instruction) {
        this.instruction = instruction;
    }

    static Operation of(Instruction in) {
        return switch (in.opcode()) {
            case EMBED -> new RowOperations.Embed(in);
            case RMS_NORM -> new RowOperations.RmsNorm(in);
            case LINEAR -> new LinearOperation(in, false);
            case GATED_LINEAR -> new LinearOperation(in, true);
            case SWIGLU -> new RowOperations.Swiglu(in);
            case ADD -> new RowOperations.Add(in);
            case COPY -> new RowOperations.Copy(in);
            case ROPE_TABLE -> new RopeOperations.Table(in);
            case ROPE -> new RopeOperations.Rotate(in);
            case CACHE_APPEND -> new CacheAppendOperation(in);
            case ATTENTION -> new AttentionOperation(in);
            case ROUTE -> new RouteOperation(in);
            case GROUP -> new GroupOperations.Group(in);
            case EXPERT_LINEAR, EXPERT_GATE_UP -> new ExpertOperation(in);
            case EXPERT_DOWN -> new ExpertDownOperation(in);
            case COMBINE -> new RowOperations.Combine(in);
            case ARGMAX -> new SampleOperations.Argmax(in);
            case GATHER -> new RowOperations.Gather(in);
            case INVERT -> new GroupOperations.Invert(in);
            case QUANTIZE_E4M3 -> new RowOperations.QuantizeE4m3(in);
            case SAMPLE -> new SampleOperations.Sample(in);
        };
    }

    /** Returns what messages call this: its place in the program and its operation. */
    final String name() {
        return "instruction " + instruction.index() + " (" + instruction.opcode() + ")";
    }

    final int rows(long[] sizes) {
        return instruction.rows(sizes);
    }

    /** Learns how many threads there will be, before anything else is asked. */
    void prepare(int threads) {}

    /** Returns the bytes of shared memory that so many rows need. */
    long sharedBytes(int rows) {
        return 0;
    }

    boolean worksWithoutRows() {
        return false;
    }

    int phases() {
        return 1;
    }

    /** Returns the tasks of a phase; every thread asks and gets the same answer. */
    abstract int tasks(Context context, int phase);

    abstract void task(Context context, int phase, int task);

    /** Operations whose rows are independent and cheap: a task is some ten thousand elements. */
    abstract static class ByRows extends Operation {

        private static final int ELEMENTS = 16_384;

        private final int rowsPerTask;

        ByRows(Instruction in, long columns) {
            super(in);
            this.rowsPerTask = (int) Math.max(1, ELEMENTS / Math.max(1, columns));
        }

        abstract void row(Context context, int row);

        @Override
        int tasks(Context context, int phase) {
            return Math.ceilDiv(context.rows(), rowsPerTask);
        }

        @Override
        void task(Context context, int phase, int task) {
            int from = task * rowsPerTask;
            int to = Math.min(context.rows(), from + rowsPerTask);
            for (int row = from; row < to; row++) {
                row(context, row);
            }
        }
    }
}
