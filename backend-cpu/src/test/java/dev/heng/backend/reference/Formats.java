package dev.heng.backend.reference;

import java.math.BigDecimal;

/** Roundings written independently of the code under test: by comparing distances in exact arithmetic. */
final class Formats {

    private Formats() {}

    /** Returns the bfloat16 number nearest to {@code value}, ties to an even significand. */
    static double bf16(double value) {
        float truncated = Float.intBitsToFloat(Float.floatToRawIntBits((float) value) & 0xffff0000);
        if (!Double.isFinite(value) || truncated == value) {
            return Double.isFinite(value) ? truncated : (float) value;
        }
        int bits = Float.floatToRawIntBits(truncated) & 0xffff0000;
        int sign = value < 0 ? 0x80000000 : 0;
        double best = truncated;
        for (int step = -1; step <= 1; step++) {
            int candidateBits = (bits & 0x7fffffff) + step * 0x10000;
            if (candidateBits < 0) {
                continue;
            }
            float candidate = Float.intBitsToFloat(candidateBits | sign);
            if (isNearer(value, candidate, best)) {
                best = candidate;
            }
        }
        return best;
    }

    private static boolean isNearer(double value, double candidate, double best) {
        int comparison = distance(value, candidate).compareTo(distance(value, best));
        return comparison < 0 || (comparison == 0 && (Float.floatToRawIntBits((float) candidate) & 0x10000) == 0);
    }

    /** Returns the distance, infinity counting as the number after the largest. */
    private static BigDecimal distance(double value, double candidate) {
        double finite = Double.isInfinite(candidate) ? Math.copySign(0x1p128, candidate) : candidate;
        return new BigDecimal(value).subtract(new BigDecimal(finite)).abs();
    }
}
