package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Rows on their way to their experts, through them, and back (DISPATCH, GROUPED, COMBINE). */
final class Experts {

    private Experts() {}

    /** DISPATCH-001: copies of x's rows sorted by local expert, within an expert by token * k + slot. */
    static void dispatch(Invocation in, Op.Dispatch op) {
        Tensor x = in.operand(0);
        Tensor ids = in.operand(1);
        Tensor rows = in.result(0);
        Tensor offsets = in.result(1);
        Tensor origins = in.result(2);
        long slots = ids.rows() * ids.columns();
        int next = 0;
        for (int expert = 0; expert < op.localExperts(); expert++) {
            offsets.setInteger(expert, next);
            for (long origin = 0; origin < slots; origin++) {
                // DISPATCH-003: any other id, a sentinel or another rank's expert, makes no row.
                if (ids.integer(origin) == op.firstExpert() + expert) {
                    rows.copyBits(next, 0, x, origin / ids.columns(), 0, x.columns());
                    origins.setInteger(next, (int) origin);
                    next++;
                }
            }
        }
        offsets.setInteger(op.localExperts(), next);
        double[] nothing = new double[rows.columns()];
        Arrays.fill(nothing, Double.NaN);
        for (int row = next; row < rows.rows(); row++) {
            // DISPATCH-004: rows past the last offset are unspecified; NaN here, so that whoever reads them is seen.
            rows.setRow(row, nothing, in.rounding());
            origins.setInteger(row, -1);
        }
    }

    /** GROUPED-001: y[r] = rows[r] . W[e]^T for offsets[e] <= r < offsets[e + 1]. */
    static void groupedLinear(Invocation in, Op.GroupedLinear op) {
        Tensor rows = in.operand(0);
        Tensor offsets = in.operand(1);
        Tensor result = in.result(0);
        int experts = offsets.columns() - 1;
        List<MatrixProduct.Group> groups = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
            int from = offset(in, offsets, expert, rows.rows());
            int to = offset(in, offsets, expert + 1, rows.rows());
            if (to > from) {
                // GROUPED-002: experts may be empty.
                groups.add(new MatrixProduct.Group(expert, from, to - from));
            }
        }
        new MatrixProduct(in, rows, in.weight(2), op.activation(), null, result).compute(groups);
        double[] nothing = new double[result.columns()];
        Arrays.fill(nothing, Double.NaN);
        for (long row = offset(in, offsets, experts, rows.rows()); row < result.rows(); row++) {
            result.setRow(row, nothing, in.rounding()); // GROUPED-003
        }
    }

    /** Returns offsets[index], checked: the first is 0, they ascend, and none is past the rows (GROUPED-004). */
    private static int offset(Invocation in, Tensor offsets, int index, long rows) {
        int offset = offsets.integer(index);
        int least = index == 0 ? 0 : offsets.integer(index - 1);
        long most = index == 0 ? 0 : rows;
        if (offset < least || offset > most) {
            throw in.invalidData(
                    1, Integer.toString(index), offset, "offsets begin at 0, ascend, and end at most at " + rows);
        }
        return offset;
    }

    /** COMBINE-001: y[t] = sum over slots s, in order, of weights[t][s] * row(t, s), in double, rounded once. */
    static void combine(Invocation in) {
        Tensor rows = in.operand(0);
        Tensor origins = in.operand(1);
        Tensor weights = in.operand(2);
        Tensor result = in.result(0);
        int slots = weights.columns();
        int[] rowOf = new int[Math.toIntExact(rows.rows())];
        Arrays.fill(rowOf, -1);
        for (int row = 0; row < rowOf.length; row++) {
            int origin = origins.integer(row);
            if (origin == -1) {
                continue;
            }
            if (origin < 0 || origin >= rowOf.length || rowOf[origin] >= 0) {
                // COMBINE-004
                throw in.invalidData(
                        1,
                        Integer.toString(row),
                        origin,
                        "origins are -1, or each of 0.." + (rowOf.length - 1) + " at most once");
            }
            rowOf[origin] = row;
        }
        in.workers().forEachRange(Math.toIntExact(result.rows()), (long) slots * rows.columns() * 3, (from, to) -> {
            double[] expert = new double[rows.columns()];
            for (int t = from; t < to; t++) {
                double[] sum = new double[rows.columns()];
                for (int slot = 0; slot < slots; slot++) {
                    int row = rowOf[t * slots + slot];
                    if (row < 0) {
                        continue; // COMBINE-002: a slot without a row adds nothing.
                    }
                    rows.read(row, 0, rows.columns(), expert, 0);
                    double weight = weights.get(t, slot); // COMBINE-003: applied once.
                    for (int i = 0; i < sum.length; i++) {
                        sum[i] += weight * expert[i];
                    }
                }
                result.setRow(t, sum, in.rounding());
            }
        });
    }
}
