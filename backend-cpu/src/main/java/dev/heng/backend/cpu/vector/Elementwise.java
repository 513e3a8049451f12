package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Element by element, and norms: evaluated in double and rounded once. */
final class Elementwise {

    /** Brings a number below 2^51 to an integer in the lowest bits. */
    private static final double MAGIC = 0x1.8p52;

    private static final double[] EXP = {
        1.0 / 39916800,
        1.0 / 3628800,
        1.0 / 362880,
        1.0 / 40320,
        1.0 / 5040,
        1.0 / 720,
        1.0 / 120,
        1.0 / 24,
        1.0 / 6,
        0.5,
        1,
        1
    };

    private Elementwise() {}

    /** {@code y = x / sqrt(mean(x^2) + epsilon) * weight}, rounded. */
    static void rmsNorm(
            float[] x, int offset, float[] weight, int columns, double epsilon, Element roundTo, float[] y) {
        double squares = 0;
        for (int i = 0; i < columns; i++) {
            squares += (double) x[offset + i] * x[offset + i];
        }
        double factor = 1 / Math.sqrt(squares / columns + epsilon);
        for (int i = 0; i < columns; i++) {
            y[offset + i] = (float) (x[offset + i] * factor * weight[i]);
        }
        Rounding.round(y, offset, columns, roundTo);
    }

    /** {@code gate = round(gate / (1 + exp(-gate)) * up)}. */
    static void swiglu(float[] gate, int gateOffset, float[] up, int upOffset, int count, Element roundTo) {
        int lanes = Simd.HALF_FLOATS.length();
        int whole = Simd.DOUBLES.length() == lanes ? count / lanes * lanes : 0;
        for (int i = 0; i < whole; i += lanes) {
            swigluVector(gate, gateOffset + i, up, upOffset + i);
        }
        for (int i = whole; i < count; i++) {
            double g = gate[gateOffset + i];
            gate[gateOffset + i] = (float) (g / (1 + StrictMath.exp(-g)) * up[upOffset + i]);
        }
        Rounding.round(gate, gateOffset, count, roundTo);
    }

    private static void swigluVector(float[] gate, int g, float[] up, int u) {
        DoubleVector x = (DoubleVector)
                FloatVector.fromArray(Simd.HALF_FLOATS, gate, g).convertShape(VectorOperators.F2D, Simd.DOUBLES, 0);
        DoubleVector factor = (DoubleVector)
                FloatVector.fromArray(Simd.HALF_FLOATS, up, u).convertShape(VectorOperators.F2D, Simd.DOUBLES, 0);
        DoubleVector negated = x.neg();
        // e^-708 and e^708 stand for everything beyond: 1 + e is then 1, or so large that the quotient underflows to
        // the same.
        DoubleVector clamped = negated.max(-708).min(708);
        DoubleVector shifted = clamped.mul(0x1.71547652b82fep0).add(MAGIC);
        DoubleVector n = shifted.sub(MAGIC);
        DoubleVector r = clamped.sub(n.mul(0x1.62e42feep-1)).sub(n.mul(0x1.a39ef35793c76p-33));
        DoubleVector p = DoubleVector.broadcast(Simd.DOUBLES, EXP[0]);
        for (int i = 1; i < EXP.length; i++) {
            p = p.mul(r).add(EXP[i]);
        }
        DoubleVector exp = p.reinterpretAsLongs()
                .add(shifted.reinterpretAsLongs().lanewise(VectorOperators.LSHL, 52))
                .reinterpretAsDoubles();
        exp = exp.blend(Double.POSITIVE_INFINITY, negated.compare(VectorOperators.GT, 709.0));
        DoubleVector result = x.div(exp.add(1)).mul(factor);
        ((FloatVector) result.convertShape(VectorOperators.D2F, Simd.HALF_FLOATS, 0)).intoArray(gate, g);
    }

    /** Returns the index of the largest number, the lowest on ties; a NaN never, unless there is nothing else, which gives 0. */
    static int argmax(long x, int columns) {
        int best = -1;
        float largest = 0;
        for (int i = 0; i < columns; i++) {
            float value = Memory.f32(x + 4L * i);
            if (!Float.isNaN(value) && (best < 0 || value > largest)) {
                largest = value;
                best = i;
            }
        }
        return Math.max(best, 0);
    }
}
