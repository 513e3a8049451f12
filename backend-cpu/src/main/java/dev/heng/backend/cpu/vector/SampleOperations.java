package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;
import dev.heng.backend.reference.Sampling;

/** The choice of the next token. */
final class SampleOperations {

    private SampleOperations() {}

    static final class Argmax extends Operation.ByRows {
        private final Pointer x;
        private final long xStride;
        private final int columns;
        private final Pointer ids;

        Argmax(Instruction in) {
            super(in, in.size("columns"));
            x = in.pointer("x");
            xStride = in.word("x_stride");
            columns = in.size("columns");
            ids = in.pointer("ids");
        }

        @Override
        void row(Context context, int row) {
            Memory.putI32(ids.get() + 4L * row, Elementwise.argmax(x.get() + 4 * xStride * row, columns));
        }
    }

    /** The oracle's own sampling: what a seed gives must not depend on who drew. */
    static final class Sample extends Operation {
        private final Pointer x;
        private final long xStride;
        private final int columns;
        private final Pointer temperature;
        private final Pointer topK;
        private final Pointer topP;
        private final Pointer seed;
        private final Pointer counter;
        private final Pointer ids;

        Sample(Instruction in) {
            super(in);
            x = in.pointer("x");
            xStride = in.word("x_stride");
            columns = in.size("columns");
            temperature = in.pointer("temperature");
            topK = in.pointer("top_k");
            topP = in.pointer("top_p");
            seed = in.pointer("seed");
            counter = in.pointer("counter");
            ids = in.pointer("ids");
        }

        @Override
        int tasks(Context context, int phase) {
            return context.rows();
        }

        @Override
        void task(Context context, int phase, int row) {
            float heat = Memory.f32(temperature.get() + 4L * row);
            int most = Memory.i32(topK.get() + 4L * row);
            float mass = Memory.f32(topP.get() + 4L * row);
            if (!(heat >= 0 && heat <= Float.MAX_VALUE) || most < 0 || !(mass >= 0 && mass <= 1)) {
                context.fail("row " + row + ": temperature is finite and >= 0, top-k is >= 0 (it is " + most
                        + "), top-p within 0..1");
                return;
            }
            double[] logits = new double[columns];
            for (int i = 0; i < columns; i++) {
                logits[i] = Memory.f32(x.get() + 4 * (xStride * row + i));
            }
            int token = Sampling.sample(
                    logits, heat, most, mass, Memory.i64(seed.get() + 8L * row), Memory.i32(counter.get() + 4L * row));
            Memory.putI32(ids.get() + 4L * row, token);
        }
    }
}
