package dev.heng.conformance.bound;

import dev.heng.conformance.format.FloatFormat;

/**
 * Scalar functions with the error that a float32 evaluation may commit, in units of 2^-24 relative to the result (F9).
 *
 * <p>Elementary limits are those of the OpenCL C 3.0 specification, table "ULP values for single precision built-in math
 * functions": exp 3 ulp, tanh 5, rsqrt 2, sqrt 3, division 2.5, log1p 2, sin and cos 4. An ulp is at most 2 * 2^-24 relative.
 * Limits of compositions are derived from them below; none is tuned.
 */
public enum ScalarFunction {
    /** e^x: 3 ulp. */
    EXP(6) {
        @Override
        public double exact(double x) {
            return StrictMath.exp(x);
        }
    },
    /** tanh(x): 5 ulp. */
    TANH(10) {
        @Override
        public double exact(double x) {
            return StrictMath.tanh(x);
        }
    },
    /** 1 / sqrt(x): 2 ulp. */
    RSQRT(4) {
        @Override
        public double exact(double x) {
            return 1 / StrictMath.sqrt(x);
        }
    },
    /** sqrt(x): 3 ulp. */
    SQRT(6) {
        @Override
        public double exact(double x) {
            return StrictMath.sqrt(x);
        }
    },
    /** 1 / x: 2.5 ulp. */
    RECIPROCAL(5) {
        @Override
        public double exact(double x) {
            return 1 / x;
        }
    },
    /** 1 / (1 + e^-x): exp 6, of which at most all reaches the sum; addition 1; division 5. */
    SIGMOID(12) {
        @Override
        public double exact(double x) {
            // Of e^x and e^-x the one that does not overflow.
            double small = StrictMath.exp(-Math.abs(x));
            return (x < 0 ? small : 1) / (1 + small);
        }
    },
    /** x * sigmoid(x): sigmoid 12, multiplication 1. */
    SILU(13) {
        @Override
        public double exact(double x) {
            return x == Double.NEGATIVE_INFINITY ? Double.NaN : x * SIGMOID.exact(x);
        }
    },
    /** log(1 + e^x): exp 6, damped by the logarithm to at most all; log1p 4. */
    SOFTPLUS(10) {
        @Override
        public double exact(double x) {
            return Math.max(0, x) + StrictMath.log1p(StrictMath.exp(-Math.abs(x)));
        }
    },
    /** sqrt(softplus(x)): half of softplus's 10, sqrt 6. */
    SQRT_SOFTPLUS(11) {
        @Override
        public double exact(double x) {
            return StrictMath.sqrt(SOFTPLUS.exact(x));
        }
    };

    /** The smallest normal float32, below which a unit that flushes subnormals returns zero. */
    private static final double FLOAT_MIN_NORMAL = 0x1p-126;

    private final int units;

    ScalarFunction(int units) {
        this.units = units;
    }

    /** Returns f(x) to about one unit in the last place of double. */
    public abstract double exact(double x);

    /** Returns E of F9: the error of a float32 evaluation in units of 2^-24 relative to the result. */
    public int units() {
        return units;
    }

    /**
     * Returns the largest legal error of an evaluation whose exact result is {@code exact}.
     *
     * @param exact the exact result, finite
     * @param output the format of the result
     * @param subnormals what the device declares for subnormals
     */
    public double largestError(double exact, FloatFormat output, Subnormals subnormals) {
        double half = output.ulp(exact) / 2;
        double evaluation = units * 0x1p-24 * Math.abs(exact);
        // Below float32's normal range errors count in its smallest steps, or, where subnormals are flushed, as the
        // whole value.
        double floor = Math.abs(exact) < FLOAT_MIN_NORMAL ? units * subnormals.floor() / 2 : 0;
        return half + evaluation + Math.min(floor, Math.max(Math.abs(exact), units * 0x1p-150));
    }
}
