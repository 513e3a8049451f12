package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** Rotary position embedding: tables of angles, then rotations, in double. */
final class RopeOperations {

    private RopeOperations() {}

    static final class Table extends Operation.ByRows {
        private final Pointer positions;
        private final Pointer inverse;
        private final int pairs;
        private final double factor;
        private final Pointer table;

        Table(Instruction in) {
            super(in, 16 * in.word("pairs"));
            positions = in.pointer("positions");
            inverse = in.pointer("inverse");
            pairs = in.size("pairs");
            factor = in.real("factor");
            table = in.pointer("table");
        }

        @Override
        void row(Context context, int row) {
            int position = Memory.i32(positions.get() + 4L * row);
            long cosines = table.get() + 16L * pairs * row;
            long sines = cosines + 8L * pairs;
            for (int i = 0; i < pairs; i++) {
                double angle = position * Memory.f64(inverse.get() + 8L * i);
                Memory.putF64(cosines + 8L * i, StrictMath.cos(angle) * factor);
                Memory.putF64(sines + 8L * i, StrictMath.sin(angle) * factor);
            }
        }
    }

    static final class Rotate extends Operation.ByRows {
        private final Pointer x;
        private final long xStride;
        private final int xHeadStride;
        private final Pointer y;
        private final long yStride;
        private final int yHeadStride;
        private final Pointer table;
        private final int heads;
        private final int width;
        private final int offset;
        private final int pairs;
        private final boolean interleaved;
        private final Element roundTo;

        Rotate(Instruction in) {
            super(in, in.word("heads") * in.word("width"));
            x = in.pointer("x");
            xStride = in.word("x_stride");
            xHeadStride = in.integer("x_head_stride");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            yHeadStride = in.integer("y_head_stride");
            table = in.pointer("table");
            heads = in.integer("heads");
            width = in.integer("width");
            offset = in.integer("offset");
            pairs = in.size("pairs");
            interleaved = in.flag("interleaved");
            roundTo = in.type("round_to");
            if (offset < 0 || offset + 2 * pairs > width) {
                throw in.wrong("the rotated elements do not lie within a head");
            }
        }

        @Override
        void row(Context context, int row) {
            long cosines = table.get() + 16L * pairs * row;
            long sines = cosines + 8L * pairs;
            int step = interleaved ? 2 : 1;
            int apart = interleaved ? 1 : pairs;
            float[] head = context.floats(0, width);
            for (int h = 0; h < heads; h++) {
                Memory.load(x.get() + 4 * (xStride * row + (long) h * xHeadStride), head, 0, width);
                for (int i = 0; i < pairs; i++) {
                    int first = offset + i * step;
                    double a = head[first];
                    double b = head[first + apart];
                    double cosine = Memory.f64(cosines + 8L * i);
                    double sine = Memory.f64(sines + 8L * i);
                    head[first] = (float) (a * cosine - b * sine);
                    head[first + apart] = (float) (a * sine + b * cosine);
                }
                Rounding.round(head, offset, 2 * pairs, roundTo);
                Memory.store(head, 0, y.get() + 4 * (yStride * row + (long) h * yHeadStride), width);
            }
        }
    }
}
