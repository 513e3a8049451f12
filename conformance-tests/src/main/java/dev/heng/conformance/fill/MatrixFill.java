package dev.heng.conformance.fill;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * The fills of matrix operands. Each makes a class of faults visible that others hide; none is enough alone.
 *
 * <p>A fill is a pure function of stream, format, operand and shape. Every value is a number of the format.
 */
public enum MatrixFill {
    /** Uniform on [-1, 1): the signed, independent data for which the order-free bound is derived. */
    UNIFORM(true) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            draft.each((row, column) -> stream.signedUniform());
        }
    },
    /** Standard normal. */
    NORMAL(true) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            draft.each((row, column) -> stream.normal());
        }
    },
    /** Uniform on [0, 1): every partial sum grows, which turns truncation into drift. Shows drift; hides small faults. */
    POSITIVE(false) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            draft.each((row, column) -> stream.uniform());
        }
    },
    /**
     * Activations N(0, 1) with up to 8 columns 40 times larger, as outlier features of language models have; weights
     * {@code N(0, 1) * 0.02}.
     */
    HEAVY(true) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            if (draft.operand == Operand.WEIGHTS) {
                draft.each((row, column) -> stream.normal() * 0.02);
                return;
            }
            int outliers = Math.min(8, draft.columns / 8);
            int[] order = stream.split("outliers").permutation(draft.columns);
            boolean[] outlier = new boolean[draft.columns];
            for (int index = 0; index < outliers; index++) {
                outlier[order[index]] = true;
            }
            draft.each((row, column) -> stream.normal() * (outlier[column] ? 40 : 1));
            draft.require("outlier columns", outliers, draft.columns == 0 ? 0 : 1);
        }
    },
    /**
     * One non-zero per row, at a column that differs between neighbouring rows and cycles through all of them; its value has all
     * of the format's significand bits. A product with it copies single weights: layouts, indices and inputs cut to fewer bits show.
     */
    ONE_HOT(false) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            if (draft.operand == Operand.WEIGHTS) {
                draft.each((row, column) -> draft.fullPrecision(stream));
                return;
            }
            if (draft.columns == 0) {
                return;
            }
            int step = coprimeStep(draft.columns);
            int start = stream.nextInt(draft.columns);
            Set<Integer> touched = new HashSet<>();
            for (int row = 0; row < draft.rows; row++) {
                int column = (int) ((start + (long) row * step) % draft.columns);
                touched.add(column);
                draft.set(row, column, stream.sign());
            }
            draft.require("distinct columns touched", touched.size(), Math.min(draft.rows, draft.columns));
        }
    },
    /**
     * Activations all one; each weight row sums to its own row index plus one, spread over all columns with the same share.
     * A row or column swapped, stale or rotated shows as a wrong identity, whatever the size of the error.
     */
    ROW_IDENTIFYING(false) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            // Small integers of at most the format's significand: identities wrap, but neighbours always differ.
            int distinct = 1 << Math.min(draft.format.significandBits(), 8);
            draft.each((row, column) -> draft.operand == Operand.ACTIVATIONS
                    ? 1 + row % 2
                    : (column == row % Math.max(1, draft.columns) ? 2 : 1) * (1 + row % (distinct / 2)));
        }
    },
    /**
     * Activations one-hot, weights constant within each 128 x 128 block: a power of two that differs from every neighbouring
     * block's (-6 to 6 as exponents, in a pattern of four by four). A scale taken from the wrong block is off by a factor of two or more.
     */
    BLOCK_SCALES(false) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            if (draft.operand == Operand.ACTIVATIONS) {
                ONE_HOT.draw(stream, draft);
                return;
            }
            // From -6 to 9 in E4M3 would overflow: the pattern is centred so that every format holds it as normal
            // numbers.
            draft.each((row, column) -> Math.scalb(1.0, blockExponent(row / 128, column / 128)));
        }
    },
    /**
     * Signed values over 16 binades with random exponents, each even column the near-negative of the column before it in A and
     * equal to it in B, so that products cancel in pairs. Sums are small against their terms.
     */
    ADVERSARIAL(true) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            int span = Math.min(8, Math.min(draft.format.maxExponent() - 1, -draft.format.minExponent() - 1));
            for (int row = 0; row < draft.rows; row++) {
                for (int column = 0; column < draft.columns; column++) {
                    double value = Math.scalb(draft.fullPrecision(stream), stream.between(-span, span));
                    if (column % 2 == 1 && (draft.operand == Operand.WEIGHTS || stream.nextInt(8) != 0)) {
                        double before = draft.at(row, column - 1);
                        value = draft.operand == Operand.WEIGHTS ? before : -before;
                    }
                    draft.set(row, column, value);
                }
            }
        }
    },
    /**
     * Uniform on [-1, 1), but in A every fourth row carries one NaN, +Inf or -Inf in turn (a format without infinities: NaN).
     * Those rows must come out non-finite and every other row untouched.
     */
    NON_FINITE_ROWS(true) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            draft.each((row, column) -> stream.signedUniform());
            if (draft.operand == Operand.WEIGHTS || draft.columns == 0) {
                return;
            }
            double[] specials = draft.format.hasInfinities()
                    ? new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}
                    : new double[] {Double.NaN};
            int planted = 0;
            for (int row = 0; row < draft.rows; row += 4) {
                draft.set(row, stream.nextInt(draft.columns), specials[planted++ % specials.length]);
            }
            draft.require("non-finite rows", planted, draft.rows == 0 ? 0 : 1);
        }
    },
    /** Values from {-1, -1/2, 0, 1/2, 1}: results collide, so that whatever sorts or selects them meets exact ties. */
    TIES(false) {
        @Override
        void draw(RandomStream stream, Draft draft) {
            draft.each((row, column) -> stream.between(-2, 2) / 2.0);
            Set<Double> seen = new HashSet<>();
            long ties = Arrays.stream(draft.values)
                    .filter(value -> !seen.add(value))
                    .count();
            draft.require("repeated values", ties, draft.values.length > 5 ? 1 : 0);
        }
    };

    private final boolean independent;

    MatrixFill(boolean independent) {
        this.independent = independent;
    }

    /**
     * Returns whether values are signed and K positions exchangeable, the condition under which the order-free bound and its bias
     * test are derived (docs/numerics.md, F2 and F6). The other fills are judged exactly or under the worst-case bound.
     */
    public boolean isSignedIndependent() {
        return independent;
    }

    /**
     * Fills a matrix.
     *
     * @param stream where randomness comes from; one stream per tensor
     * @param format the format of the values
     * @param operand the matrix's role in the product
     * @param rows rows, M or N
     * @param columns columns, K
     */
    public final FilledMatrix fill(RandomStream stream, FloatFormat format, Operand operand, int rows, int columns) {
        Draft draft = new Draft(format, operand, rows, columns);
        draw(stream, draft);
        draft.requireTails(this);
        return new FilledMatrix(format, rows, columns, draft.values, new Degeneracy(draft.triggers));
    }

    abstract void draw(RandomStream stream, Draft draft);

    /** Returns -6 .. 6: exponents in a pattern of four by four blocks, no two neighbours alike, diagonals included. */
    private static int blockExponent(int blockRow, int blockColumn) {
        return 3 * (blockRow % 4) + (blockColumn + 2 * (blockRow % 2)) % 4 - 6;
    }

    private static int coprimeStep(int columns) {
        int step = Math.max(1, (int) (columns * 0.381966011250105));
        while (greatestCommonDivisor(step, columns) != 1) {
            step++;
        }
        return step;
    }

    private static int greatestCommonDivisor(int a, int b) {
        return b == 0 ? a : greatestCommonDivisor(b, a % b);
    }

    /** One value by position. */
    @FunctionalInterface
    interface Cell {
        double at(int row, int column);
    }

    /** A matrix while it is being filled. */
    static final class Draft {
        final FloatFormat format;
        final Operand operand;
        final int rows;
        final int columns;
        final double[] values;
        final java.util.List<Trigger> triggers = new java.util.ArrayList<>();

        Draft(FloatFormat format, Operand operand, int rows, int columns) {
            this.format = format;
            this.operand = operand;
            this.rows = rows;
            this.columns = columns;
            this.values = new double[Math.multiplyExact(rows, columns)];
        }

        void each(Cell cell) {
            for (int row = 0; row < rows; row++) {
                for (int column = 0; column < columns; column++) {
                    set(row, column, cell.at(row, column));
                }
            }
        }

        double at(int row, int column) {
            return values[row * columns + column];
        }

        void set(int row, int column, double value) {
            values[row * columns + column] = format.round(value);
        }

        /** Draws a signed value from [1, 2) whose last significand bit is set, so that cutting any bit changes it. */
        double fullPrecision(RandomStream stream) {
            int fractionBits = Math.min(format.significandBits(), 31) - 1;
            long fraction = (stream.nextInt() & ((1L << fractionBits) - 1)) | 1L;
            return stream.sign() * (1 + Math.scalb((double) fraction, -fractionBits));
        }

        void require(String what, long observed, long required) {
            triggers.add(new Trigger(what, observed, required));
        }

        /** Counts what every dense fill must have: a last column that a dropped tail would miss, and rows that differ. */
        void requireTails(MatrixFill fill) {
            boolean sparse = operand == Operand.ACTIVATIONS && (fill == ONE_HOT || fill == BLOCK_SCALES);
            boolean constant = fill == ROW_IDENTIFYING || fill == BLOCK_SCALES || fill == TIES;
            if (columns == 0 || sparse) {
                return;
            }
            long tail = 0;
            long repeated = 0;
            for (int row = 0; row < rows; row++) {
                if (at(row, columns - 1) != 0) {
                    tail++;
                }
                if (row > 0
                        && Arrays.equals(
                                values,
                                row * columns,
                                (row + 1) * columns,
                                values,
                                (row - 1) * columns,
                                row * columns)) {
                    repeated++;
                }
            }
            require("rows with a last element that counts", tail, fill == TIES ? Math.min(rows, 1) : (rows + 1) / 2);
            if (!constant && columns > 1) {
                require("neighbouring rows that differ", Math.max(0, rows - 1L - repeated), Math.max(0, rows - 1L));
            }
        }
    }
}
