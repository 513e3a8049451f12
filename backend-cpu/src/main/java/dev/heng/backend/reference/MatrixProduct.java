package dev.heng.backend.reference;

import dev.heng.spi.graph.ActivationFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The product of rows with the transpose of a weight, of which {@link Linear} has one and {@link Experts} one for each expert:
 * {@code y[t][n] = sum over k, ascending, of x[t][k] * W[n][k]}, every product and partial sum in double (LINEAR-002).
 *
 * <p>A weight row is dequantised once for every panel of rows of x that it meets, never the whole weight. With many rows the inner loop runs over rows of x, with few over k; both add the products of one
 * element in ascending k, one by one, so that a row gives the same bits alone as in any batch (RUN-013).
 */
final class MatrixProduct {

    /** From this many rows on, the inner loop runs over rows. */
    private static final int MANY = 8;

    /** Weight rows that are multiplied side by side where rows of x are few, so that the processor's adders stay busy. */
    private static final int ABREAST = 4;

    /** Rows of x that meet a weight row while they are in the processor's cache. */
    private static final int PANEL_ROWS = 64;

    /** Bound on the doubles that hold rows of x: 32 MiB. */
    private static final int PANEL_ELEMENTS = 4 << 20;

    /** Bound on the rows of x in memory at a time, so that panels times weight rows can be counted in an int. */
    private static final int MOST_ROWS = 1 << 14;

    private final Invocation invocation;
    private final Tensor x;
    private final Weight weight;
    private final ActivationFormat format;
    private final double @Nullable [] bias;
    private final Tensor result;
    private final boolean integers;

    /**
     * Prepares a product.
     *
     * @param bias one number for each weight row, added in double before the rounding (LINEAR-003), or null
     */
    MatrixProduct(
            Invocation invocation,
            Tensor x,
            Weight weight,
            ActivationFormat format,
            double @Nullable [] bias,
            Tensor result) {
        this.invocation = invocation;
        this.x = x;
        this.weight = weight;
        this.format = format;
        this.bias = bias;
        this.result = result;
        this.integers = format == ActivationFormat.INT8_PER_TOKEN;
    }

    /**
     * Adjacent rows of x that meet one matrix of the weight.
     *
     * @param expert the matrix
     * @param firstRow the first row, of x and of the result
     * @param rows the number of rows
     */
    record Group(int expert, long firstRow, int rows) {}

    /** Computes the result's rows for every group, holding no more than a bounded number of x's rows as doubles at a time. */
    void compute(List<Group> groups) {
        int most = Math.min(MOST_ROWS, Math.max(MANY, PANEL_ELEMENTS / Math.max(1, weight.columns())));
        List<Group> batch = new ArrayList<>();
        int rowsInBatch = 0;
        for (Group group : groups) {
            for (int done = 0; done < group.rows(); ) {
                int rows = Math.min(Math.min(group.rows() - done, PANEL_ROWS), most - rowsInBatch);
                batch.add(new Group(group.expert(), group.firstRow() + done, rows));
                done += rows;
                rowsInBatch += rows;
                if (rowsInBatch == most) {
                    computeBatch(batch, rowsInBatch);
                    batch.clear();
                    rowsInBatch = 0;
                }
            }
        }
        computeBatch(batch, rowsInBatch);
    }

    private void computeBatch(List<Group> batch, int rowsInBatch) {
        if (batch.isEmpty()) {
            return;
        }
        List<Panel> panels = new ArrayList<>();
        for (Group group : batch) {
            panels.add(panel(group));
        }
        int n = weight.rows();
        long operationsEach = (long) weight.columns() * (1 + Math.ceilDiv(rowsInBatch, batch.size()));
        invocation.workers().forEachRange(Math.multiplyExact(batch.size(), n), operationsEach, (from, to) -> {
            double[][] rows = new double[ABREAST][weight.columns()];
            for (int unit = from; unit < to; ) {
                Panel panel = panels.get(unit / n);
                int abreast = Math.min(ABREAST, Math.min(to - unit, n - unit % n));
                if (panel.group().rows() < MANY && abreast == ABREAST) {
                    fewRows(panel, unit % n, rows);
                    unit += ABREAST;
                } else {
                    oneWeightRow(panel, unit % n, rows[0]);
                    unit++;
                }
            }
        });
    }

    /** Rows of x as doubles, rounded as the activation format says: [rows][K] where rows are few, [K][rows] where they are many. */
    @SuppressWarnings("ArrayRecordComponent") // Made and read here, never compared.
    private record Panel(Group group, double[] values, double[] scales) {}

    private Panel panel(Group group) {
        int columns = weight.columns();
        int rows = group.rows();
        double[] values = new double[rows * columns];
        double[] scales = new double[rows];
        double[] row = new double[columns];
        for (int t = 0; t < rows; t++) {
            x.read(group.firstRow() + t, 0, columns, row, 0);
            scales[t] = ActivationRounding.round(format, x.dtype(), row);
            if (rows < MANY) {
                System.arraycopy(row, 0, values, t * columns, columns);
            } else {
                for (int k = 0; k < columns; k++) {
                    values[k * rows + t] = row[k];
                }
            }
        }
        return new Panel(group, values, scales);
    }

    private void weightRow(int expert, int n, double[] target) {
        if (integers) {
            weight.codes(expert, n, target);
        } else {
            weight.row(expert, n, target);
        }
    }

    /** Multiplies a few rows of x with {@link #ABREAST} weight rows from {@code n}. */
    private void fewRows(Panel panel, int n, double[][] rows) {
        for (int i = 0; i < ABREAST; i++) {
            weightRow(panel.group().expert(), n + i, rows[i]);
        }
        double[] row0 = rows[0];
        double[] row1 = rows[1];
        double[] row2 = rows[2];
        double[] row3 = rows[3];
        int columns = weight.columns();
        double[] values = panel.values();
        for (int t = 0; t < panel.group().rows(); t++) {
            double sum0 = 0;
            double sum1 = 0;
            double sum2 = 0;
            double sum3 = 0;
            int first = t * columns;
            for (int k = 0; k < columns; k++) {
                double value = values[first + k];
                sum0 += value * row0[k];
                sum1 += value * row1[k];
                sum2 += value * row2[k];
                sum3 += value * row3[k];
            }
            store(panel, t, n, sum0);
            store(panel, t, n + 1, sum1);
            store(panel, t, n + 2, sum2);
            store(panel, t, n + 3, sum3);
        }
    }

    /** Multiplies the panel with one weight row. */
    private void oneWeightRow(Panel panel, int n, double[] row) {
        weightRow(panel.group().expert(), n, row);
        int tokens = panel.group().rows();
        double[] sums = new double[tokens];
        if (tokens < MANY) {
            for (int t = 0; t < tokens; t++) {
                double sum = 0;
                for (int k = 0; k < row.length; k++) {
                    sum += panel.values()[t * row.length + k] * row[k];
                }
                sums[t] = sum;
            }
        } else {
            accumulate(row, panel.values(), sums);
        }
        for (int t = 0; t < tokens; t++) {
            store(panel, t, n, sums[t]);
        }
    }

    /** Adds {@code row[k] * values[k][t]} to every sum t, for k in ascending order; four at a time, still one after the other. */
    private static void accumulate(double[] row, double[] values, double[] sums) {
        int tokens = sums.length;
        Arrays.fill(sums, 0);
        int k = 0;
        for (; k + 4 <= row.length; k += 4) {
            double w0 = row[k];
            double w1 = row[k + 1];
            double w2 = row[k + 2];
            double w3 = row[k + 3];
            int at0 = k * tokens;
            int at1 = at0 + tokens;
            int at2 = at1 + tokens;
            int at3 = at2 + tokens;
            for (int t = 0; t < tokens; t++) {
                sums[t] = sums[t]
                        + w0 * values[at0 + t]
                        + w1 * values[at1 + t]
                        + w2 * values[at2 + t]
                        + w3 * values[at3 + t];
            }
        }
        for (; k < row.length; k++) {
            for (int t = 0; t < tokens; t++) {
                sums[t] += row[k] * values[k * tokens + t];
            }
        }
    }

    private void store(Panel panel, int t, int n, double sum) {
        double y = sum;
        if (integers) {
            // QUANT-042: the integer sum is exact; the two scales meet it once.
            y = sum * (panel.scales()[t] * weight.channelScale(panel.group().expert(), n));
        }
        if (bias != null) {
            y += bias[n];
        }
        result.set(panel.group().firstRow() + t, n, y, invocation.rounding());
    }
}
