package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/**
 * EXPERT_DOWN: the second half of the experts and their combination. The products of all experts go to shared memory first, then each token's are
 * summed in the order in which its experts were chosen.
 */
final class ExpertDownOperation extends Operation {

    private static final float[] NO_BIAS = {};

    private final Weight[] down;
    private final Experts experts;
    private final Multiplication multiplication;
    private final int topK;
    private final Pointer places;
    private final Pointer h;
    private final long hStride;
    private final Pointer weights;
    private final Pointer addend;
    private final long addendStride;
    private final Pointer y;
    private final long yStride;
    private final Element downRoundTo;
    private final Element roundTo;
    private final Element sumRoundTo;

    ExpertDownOperation(Instruction in) {
        super(in);
        down = in.weights("down", in.size("experts"));
        boolean quantized = in.flag("quantize_activations");
        if (quantized && down[0].type() != Element.I8) {
            throw in.wrong("int8 activations meet only int8 weights");
        }
        downRoundTo = in.type("down_round_to");
        multiplication = new Multiplication(down[0], quantized, downRoundTo, downRoundTo);
        experts = new Experts(in, down, 1, multiplication);
        topK = in.size("top_k");
        places = in.pointer("places");
        h = in.pointer("h");
        hStride = in.word("h_stride");
        weights = in.pointer("weights");
        addend = in.optional("addend");
        addendStride = in.word("addend_stride");
        y = in.pointer("y");
        yStride = in.word("y_stride");
        roundTo = in.type("round_to");
        sumRoundTo = in.type("sum_round_to");
    }

    @Override
    void prepare(int threads) {
        experts.prepare(threads);
    }

    private int columns() {
        return Math.toIntExact(down[0].rows());
    }

    /** Returns the bytes of what is made ready; the products lie behind it. */
    private long ready(int rows) {
        long bytes = multiplication.isOrdered() ? multiplication.readyBytes() * rows * topK : 0;
        return Math.ceilDiv(bytes, 64L) * 64;
    }

    @Override
    long sharedBytes(int rows) {
        return ready(rows) + 4L * rows * topK * columns();
    }

    @Override
    int phases() {
        return 3;
    }

    @Override
    int tasks(Context context, int phase) {
        int slots = Math.multiplyExact(context.rows(), topK);
        return switch (phase) {
            case 0 -> multiplication.isOrdered() ? Math.min(slots, experts.begin(down.length)) : 0;
            case 1 -> experts.tasks(context, slots);
            default -> context.rows();
        };
    }

    private long row(int sorted) {
        return h.get() + 4 * hStride * sorted;
    }

    private long product(Context context, int sorted) {
        return context.shared() + ready(context.rows()) + 4L * sorted * columns();
    }

    @Override
    void task(Context context, int phase, int task) {
        switch (phase) {
            case 0 ->
                multiplication.makeReady(context, row(task), context.shared() + multiplication.readyBytes() * task);
            case 1 -> multiply(context, experts.part(task));
            default -> combine(context, task);
        }
    }

    private void multiply(Context context, Experts.Part part) {
        long products = product(context, 0);
        Multiplication.Finish finish = new Multiplication.Finish(NO_BIAS, NOWHERE, 0, Pointer.to(products), columns());
        ExpertRows.multiply(
                context,
                multiplication,
                down[part.expert()],
                null,
                part,
                experts.begin(part.expert()),
                experts.rows(part.expert()),
                this::row,
                sorted -> context.shared() + multiplication.readyBytes() * sorted,
                finish);
    }

    private void combine(Context context, int token) {
        int columns = columns();
        float[] sum = context.floats(0, columns);
        float[] term = context.floats(1, columns);
        java.util.Arrays.fill(sum, 0, columns, 0f);
        for (int j = 0; j < topK; j++) {
            long slot = (long) token * topK + j;
            int place = Memory.i32(places.get() + 4 * slot);
            if (place >= 0) {
                Memory.load(product(context, place), term, 0, columns);
                RowOperations.addWeighted(sum, Memory.f32(weights.get() + 4 * slot), term, columns);
            }
        }
        Rounding.round(sum, 0, columns, roundTo);
        if (!addend.isNull()) {
            Memory.load(addend.get() + 4 * addendStride * token, term, 0, columns);
            for (int c = 0; c < columns; c++) {
                sum[c] += term[c];
            }
            Rounding.round(sum, 0, columns, sumRoundTo);
        }
        Memory.store(sum, 0, y.get() + 4 * yStride * token, columns);
    }
}
