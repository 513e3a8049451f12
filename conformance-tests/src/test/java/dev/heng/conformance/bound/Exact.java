package dev.heng.conformance.bound;

import java.math.BigDecimal;
import java.math.MathContext;

/** Elementary functions in sixty digits, from their definitions alone: a second opinion on what double evaluates. */
final class Exact {

    static final MathContext DIGITS = new MathContext(60);

    private static final MathContext INNER = new MathContext(100);

    private Exact() {}

    /** Returns e^x by its series, with the argument halved until the series converges quickly. */
    static BigDecimal exp(BigDecimal x) {
        int halvings = Math.max(0, x.precision() - x.scale()) * 4 + 8;
        BigDecimal small = x.divide(BigDecimal.TWO.pow(halvings), INNER);
        BigDecimal sum = BigDecimal.ZERO;
        BigDecimal term = BigDecimal.ONE;
        for (int index = 1; index < 60; index++) {
            sum = sum.add(term, INNER);
            term = term.multiply(small, INNER).divide(BigDecimal.valueOf(index), INNER);
        }
        for (int halving = 0; halving < halvings; halving++) {
            sum = sum.multiply(sum, INNER);
        }
        return sum;
    }

    /** Returns log(1 + y) for positive y by Newton's iteration on {@link #exp}, or by its series for small y. */
    static BigDecimal log1p(BigDecimal y) {
        if (y.compareTo(new BigDecimal("1e-8")) < 0) {
            BigDecimal sum = BigDecimal.ZERO;
            BigDecimal power = y;
            for (int index = 1; index < 12; index++) {
                BigDecimal term = power.divide(BigDecimal.valueOf(index), INNER);
                sum = index % 2 == 1 ? sum.add(term, INNER) : sum.subtract(term, INNER);
                power = power.multiply(y, INNER);
            }
            return sum;
        }
        BigDecimal target = y.add(BigDecimal.ONE);
        // The exponent in decimal is a start from which every step doubles the digits that are right.
        double start = (target.precision() - target.scale() - 1) * Math.log(10)
                + Math.log(target.movePointLeft(target.precision() - target.scale() - 1)
                        .doubleValue());
        BigDecimal log = new BigDecimal(start);
        for (int step = 0; step < 3; step++) {
            log = log.subtract(BigDecimal.ONE).add(target.divide(exp(log), INNER), INNER);
        }
        return log;
    }
}
