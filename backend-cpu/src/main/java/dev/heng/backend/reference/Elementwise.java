package dev.heng.backend.reference;

/** Operators that gather, copy or combine elements one by one (EMBED, ADD, CAST, SLICE, SELECT, SWIGLU). */
final class Elementwise {

    private Elementwise() {}

    /** EMBED-001: result[t] = table[ids[t]], rounded to the result's type. */
    static void embed(Invocation in) {
        Weight table = in.weight(0);
        Tensor ids = in.operand(1);
        Tensor result = in.result(0);
        double[] row = new double[table.columns()];
        for (int t = 0; t < result.rows(); t++) {
            int id = ids.integer(t);
            if (id < 0 || id >= table.rows()) {
                // EMBED-002
                throw in.invalidData(1, Integer.toString(t), id, "token ids are 0.." + (table.rows() - 1));
            }
            table.row(0, id, row);
            result.setRow(t, row, in.rounding());
        }
    }

    /** ADD-001: a + b, rounded once. */
    static void add(Invocation in) {
        Tensor left = in.operand(0);
        Tensor right = in.operand(1);
        Tensor result = in.result(0);
        in.workers().forEachRange(Math.toIntExact(result.rows()), result.columns() * 4L, (from, to) -> {
            for (int t = from; t < to; t++) {
                double[] a = left.row(t);
                double[] b = right.row(t);
                for (int i = 0; i < a.length; i++) {
                    a[i] += b[i];
                }
                result.setRow(t, a, in.rounding());
            }
        });
    }

    /** CAST-001: x, rounded to another type. */
    static void cast(Invocation in) {
        Tensor x = in.operand(0);
        Tensor result = in.result(0);
        for (int t = 0; t < result.rows(); t++) {
            result.setRow(t, x.row(t), in.rounding());
        }
    }

    /** SLICE-001: adjacent columns, bit for bit. */
    static void slice(Invocation in, int from) {
        Tensor result = in.result(0);
        for (int t = 0; t < result.rows(); t++) {
            result.copyBits(t, 0, in.operand(0), t, from, result.columns());
        }
    }

    /** SELECT-001: rows by index, bit for bit. */
    static void selectRows(Invocation in) {
        Tensor x = in.operand(0);
        Tensor rows = in.operand(1);
        Tensor result = in.result(0);
        for (int o = 0; o < result.rows(); o++) {
            int row = rows.integer(o);
            if (row < 0 || row >= x.rows()) {
                // SELECT-002
                throw in.invalidData(1, Integer.toString(o), row, "this run has rows 0.." + (x.rows() - 1));
            }
            result.copyBits(o, 0, x, row, 0, result.columns());
        }
    }

    /** SWIGLU-001: gate / (1 + exp(-gate)) * up, rounded once. */
    static void swiglu(Invocation in) {
        Tensor gate = in.operand(0);
        Tensor up = in.operand(1);
        Tensor result = in.result(0);
        in.workers().forEachRange(Math.toIntExact(result.rows()), result.columns() * 32L, (from, to) -> {
            for (int t = from; t < to; t++) {
                double[] g = gate.row(t);
                double[] u = up.row(t);
                for (int i = 0; i < g.length; i++) {
                    g[i] = g[i] / (1 + StrictMath.exp(-g[i])) * u[i];
                }
                result.setRow(t, g, in.rounding());
            }
        });
    }
}
