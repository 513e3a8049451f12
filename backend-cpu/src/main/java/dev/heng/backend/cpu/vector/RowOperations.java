package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** Operations that take one row at a time. */
final class RowOperations {

    private RowOperations() {}

    private static void fill(float[] y, int count) {
        java.util.Arrays.fill(y, 0, count, 0f);
    }

    static final class Embed extends Operation.ByRows {
        private final Weight table;
        private final Pointer tokens;
        private final Pointer y;
        private final long yStride;
        private final Element roundTo;

        Embed(Instruction in) {
            super(in, in.weight("table").columns());
            table = in.weight("table");
            tokens = in.pointer("tokens");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            int id = Memory.i32(tokens.get() + 4L * row);
            if (id < 0 || id >= table.rows()) {
                context.fail("token id " + id + " is not within the table's " + table.rows() + " rows");
                return;
            }
            float[] values = context.floats(0, table.columns());
            Decode.scaled(table, id, 0, table.columns(), values, 0);
            Rounding.round(values, 0, table.columns(), roundTo);
            Memory.store(values, 0, y.get() + 4 * yStride * row, table.columns());
        }
    }

    static final class RmsNorm extends Operation.ByRows {
        private final Pointer x;
        private final long xStride;
        private final float[] weight;
        private final Pointer y;
        private final long yStride;
        private final int groups;
        private final double epsilon;
        private final Element roundTo;

        RmsNorm(Instruction in) {
            super(in, in.weight("weight").columns() * in.word("groups"));
            if (in.word("addend") != 0) {
                throw in.wrong("a fused addition is not implemented");
            }
            Weight stored = in.weight("weight");
            weight = new float[stored.columns()];
            Decode.plain(stored.type(), stored.data(), weight.length, weight, 0);
            x = in.pointer("x");
            xStride = in.word("x_stride");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            groups = in.size("groups");
            epsilon = in.real("epsilon");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            int columns = weight.length;
            float[] values = context.floats(0, columns * groups);
            Memory.load(x.get() + 4 * xStride * row, values, 0, columns * groups);
            for (int group = 0; group < groups; group++) {
                Elementwise.rmsNorm(values, group * columns, weight, columns, epsilon, roundTo, values);
            }
            Memory.store(values, 0, y.get() + 4 * yStride * row, columns * groups);
        }
    }

    static final class Swiglu extends Operation.ByRows {
        private final Pointer gate;
        private final long gateStride;
        private final Pointer up;
        private final long upStride;
        private final Pointer y;
        private final long yStride;
        private final int columns;
        private final Element roundTo;

        Swiglu(Instruction in) {
            super(in, in.word("columns"));
            gate = in.pointer("gate");
            gateStride = in.word("gate_stride");
            up = in.pointer("up");
            upStride = in.word("up_stride");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            columns = in.integer("columns");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            float[] gates = context.floats(0, columns);
            float[] ups = context.floats(1, columns);
            Memory.load(gate.get() + 4 * gateStride * row, gates, 0, columns);
            Memory.load(up.get() + 4 * upStride * row, ups, 0, columns);
            Elementwise.swiglu(gates, 0, ups, 0, columns, roundTo);
            Memory.store(gates, 0, y.get() + 4 * yStride * row, columns);
        }
    }

    static final class Add extends Operation.ByRows {
        private final Pointer a;
        private final long aStride;
        private final Pointer b;
        private final long bStride;
        private final Pointer y;
        private final long yStride;
        private final int columns;
        private final Element roundTo;

        Add(Instruction in) {
            super(in, in.word("columns"));
            a = in.pointer("a");
            aStride = in.word("a_stride");
            b = in.pointer("b");
            bStride = in.word("b_stride");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            columns = in.integer("columns");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            float[] sum = context.floats(0, columns);
            float[] other = context.floats(1, columns);
            Memory.load(a.get() + 4 * aStride * row, sum, 0, columns);
            Memory.load(b.get() + 4 * bStride * row, other, 0, columns);
            for (int i = 0; i < columns; i++) {
                sum[i] += other[i];
            }
            Rounding.round(sum, 0, columns, roundTo);
            Memory.store(sum, 0, y.get() + 4 * yStride * row, columns);
        }
    }

    static final class Copy extends Operation.ByRows {
        private final Pointer x;
        private final long xStride;
        private final Element xType;
        private final Pointer y;
        private final long yStride;
        private final Element yType;
        private final int columns;
        private final Element roundTo;

        Copy(Instruction in) {
            super(in, in.word("columns"));
            x = in.pointer("x");
            xStride = in.word("x_stride");
            xType = in.type("x_type");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            yType = in.type("y_type");
            columns = in.integer("columns");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            long from = x.get() + xType.bytes() * xStride * row;
            long to = y.get() + yType.bytes() * yStride * row;
            if (xType == Element.F32 && yType == Element.F32 && roundTo == Element.F32) {
                // Integers pass here too: their bits must not be taken for a number's.
                Memory.copy(from, to, 4L * columns);
                return;
            }
            float[] values = context.floats(0, columns);
            Decode.plain(xType, from, columns, values, 0);
            Rounding.round(values, 0, columns, roundTo);
            Rounding.store(yType, values, 0, columns, to);
        }
    }

    static final class Combine extends Operation.ByRows {
        private final Pointer x;
        private final long xStride;
        private final Pointer places;
        private final Pointer weights;
        private final int topK;
        private final Pointer y;
        private final long yStride;
        private final int columns;
        private final Element roundTo;

        Combine(Instruction in) {
            super(in, in.word("columns") * in.word("top_k"));
            x = in.pointer("x");
            xStride = in.word("x_stride");
            places = in.pointer("places");
            weights = in.pointer("weights");
            topK = in.size("top_k");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            columns = in.integer("columns");
            roundTo = in.type("round_to");
        }

        @Override
        void row(Context context, int row) {
            float[] sum = context.floats(0, columns);
            float[] term = context.floats(1, columns);
            fill(sum, columns);
            for (int j = 0; j < topK; j++) {
                long slot = (long) row * topK + j;
                int place = Memory.i32(places.get() + 4 * slot);
                if (place >= 0) {
                    Memory.load(x.get() + 4 * xStride * place, term, 0, columns);
                    addWeighted(sum, Memory.f32(weights.get() + 4 * slot), term, columns);
                }
            }
            Rounding.round(sum, 0, columns, roundTo);
            Memory.store(sum, 0, y.get() + 4 * yStride * row, columns);
        }
    }

    /** {@code sum += weight * term}. */
    static void addWeighted(float[] sum, float weight, float[] term, int columns) {
        for (int i = 0; i < columns; i++) {
            sum[i] += weight * term[i];
        }
    }

    static final class Gather extends Operation.ByRows {
        private final Instruction in;
        private final Pointer x;
        private final long xStride;
        private final Pointer rowsOf;
        private final int divisor;
        private final boolean skipNegative;
        private final Pointer y;
        private final long yStride;
        private final int columns;

        Gather(Instruction in) {
            super(in, in.word("columns"));
            this.in = in;
            x = in.pointer("x");
            xStride = in.word("x_stride");
            rowsOf = in.pointer("rows_of");
            divisor = in.size("divisor");
            skipNegative = in.flag("skip_negative");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            columns = in.integer("columns");
        }

        @Override
        void row(Context context, int row) {
            int index = Memory.i32(rowsOf.get() + 4L * row);
            if (index < 0 && skipNegative) {
                return;
            }
            int rows = in.count("x_rows", context.sizes());
            if (index < 0 || index / divisor >= rows) {
                context.fail("row " + index + " is not one of " + rows);
                return;
            }
            Memory.copy(x.get() + 4 * xStride * (index / divisor), y.get() + 4 * yStride * row, 4L * columns);
        }
    }

    static final class QuantizeE4m3 extends Operation.ByRows {
        private static final int BLOCK = 128;
        private static final float LARGEST = 448;

        private final Pointer x;
        private final long xStride;
        private final Pointer y;
        private final long yStride;
        private final int columns;
        private final boolean powerOfTwo;

        QuantizeE4m3(Instruction in) {
            super(in, in.word("columns"));
            x = in.pointer("x");
            xStride = in.word("x_stride");
            y = in.pointer("y");
            yStride = in.word("y_stride");
            columns = in.integer("columns");
            powerOfTwo = in.flag("power_of_two");
        }

        @Override
        void row(Context context, int row) {
            float[] values = context.floats(0, columns);
            Memory.load(x.get() + 4 * xStride * row, values, 0, columns);
            for (int from = 0; from < columns; from += BLOCK) {
                block(values, from, Math.min(columns, from + BLOCK));
            }
            Memory.store(values, 0, y.get() + 4 * yStride * row, columns);
        }

        private void block(float[] values, int from, int to) {
            float largest = 1e-4f;
            for (int i = from; i < to; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            float scale = largest / LARGEST;
            if (powerOfTwo && Float.isFinite(scale)) {
                float power = Math.scalb(1f, Math.getExponent(scale));
                scale = power == scale ? power : power * 2;
            }
            for (int i = from; i < to; i++) {
                values[i] = Float.isFinite(scale) ? nearest(values[i] / scale) * scale : Float.NaN;
            }
        }

        /** Returns the nearest E4M3 number, ties to even, saturating: three bits after the leading one, or multiples of 2^-9. */
        private static float nearest(float value) {
            if (value == 0 || Float.isNaN(value)) {
                return value;
            }
            int quantum = Math.max(Math.getExponent(value), -6) - 3;
            float rounded = (float) Math.rint(value * Math.scalb(1.0, -quantum)) * Math.scalb(1f, quantum);
            return Math.copySign(Math.min(Math.abs(rounded), LARGEST), value);
        }
    }
}
