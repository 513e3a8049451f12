package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** EXPERT_LINEAR and EXPERT_GATE_UP: each expert its own matrices against its own sorted rows. */
final class ExpertOperation extends Operation {

    private static final float[] NO_BIAS = {};

    private final boolean gated;
    private final Weight[] first;
    private final Weight[] second;
    private final Experts experts;
    private final Multiplication multiplication;
    private final Multiplication.Finish finish;
    private final Pointer origins;
    private final int topK;
    private final Pointer x;
    private final long xStride;

    ExpertOperation(Instruction in) {
        super(in);
        gated = in.opcode() == Opcode.EXPERT_GATE_UP;
        int count = in.size("experts");
        first = in.weights(gated ? "gate" : "weights", count);
        second = gated ? in.weights("up", count) : new Weight[0];
        for (Weight weight : second) {
            if (!weight.sameFormat(first[0])) {
                throw in.wrong("gate and up differ in shape or type");
            }
        }
        boolean quantized = in.flag("quantize_activations");
        if (quantized && first[0].type() != Element.I8) {
            throw in.wrong("int8 activations meet only int8 weights");
        }
        multiplication = new Multiplication(
                first[0], quantized, in.type(gated ? "gate_round_to" : "round_to"), in.type("round_to"));
        experts = new Experts(in, first, gated ? 2 : 1, multiplication);
        finish = new Multiplication.Finish(
                NO_BIAS, NOWHERE, 0, in.pointer(gated ? "h" : "y"), in.word(gated ? "h_stride" : "y_stride"));
        origins = in.optional("origins");
        topK = in.size("top_k");
        x = in.pointer("x");
        xStride = in.word("x_stride");
    }

    @Override
    void prepare(int threads) {
        experts.prepare(threads);
    }

    @Override
    long sharedBytes(int rows) {
        return multiplication.isOrdered() ? multiplication.readyBytes() * rows : 0;
    }

    @Override
    int phases() {
        return 2;
    }

    /** Returns the rows of x: tokens if the rows are reached through their origins, else sorted rows. */
    private int inputs(Context context) {
        return origins.isNull() ? context.rows() : context.rows() / topK;
    }

    @Override
    int tasks(Context context, int phase) {
        if (phase == 0) {
            return multiplication.isOrdered() ? inputs(context) : 0;
        }
        return experts.tasks(context, context.rows());
    }

    private int input(int sorted) {
        return origins.isNull() ? sorted : Memory.i32(origins.get() + 4L * sorted) / topK;
    }

    private long row(int input) {
        return x.get() + 4 * xStride * input;
    }

    @Override
    void task(Context context, int phase, int task) {
        if (phase == 0) {
            multiplication.makeReady(context, row(task), context.shared() + multiplication.readyBytes() * task);
            return;
        }
        Experts.Part part = experts.part(task);
        int begin = experts.begin(part.expert());
        ExpertRows.multiply(
                context,
                multiplication,
                first[part.expert()],
                gated ? second[part.expert()] : null,
                part,
                begin,
                experts.rows(part.expert()),
                sorted -> row(input(sorted)),
                sorted -> context.shared() + multiplication.readyBytes() * input(sorted),
                finish);
    }
}
