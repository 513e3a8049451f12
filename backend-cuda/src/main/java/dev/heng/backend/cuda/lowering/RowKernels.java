package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.RopeFrequencies;

/** Launches of what works row by row. */
final class RowKernels {

    private static final int THREADS = 256;

    /** Of a grid's second dimension. */
    private static final long MOST_BLOCKS = 65_535;

    private RowKernels() {}

    private static long blocks(long columns) {
        return Math.ceilDiv(columns, (long) THREADS);
    }

    static void copy(Lowering to, Located x, Located y, long rows) {
        // Dense integers of a vector make one long row.
        boolean flat = x.stride() == x.columns() && y.stride() == y.columns() && x.type() == y.type();
        long columns = flat ? rows * x.columns() : x.columns();
        if (blocks(columns) > MOST_BLOCKS) {
            flat = false;
            columns = x.columns();
        }
        Located from = flat ? new Located(x.address(), columns, x.type(), (int) columns, x.root()) : x;
        Located target = flat ? new Located(y.address(), columns, y.type(), (int) columns, y.root()) : y;
        long count = flat ? Math.min(1, rows) : rows;
        Arguments arguments =
                to.arguments("CopyArgs").rows("x", from).rows("y", target).set("rows", count);
        to.launch("copy_rows", count, blocks(columns), 1, THREADS, 0, arguments);
    }

    static String embed(Lowering to, Node node) {
        Located y = to.place(node.result());
        Arguments arguments = to.arguments("EmbedArgs")
                .weight("table", to.weight(node.operand(0)))
                .set("ids", to.where(node.operand(1)).address())
                .rows("y", y);
        to.launch("embed", to.rows(node.result()), blocks(y.columns()), 1, THREADS, 0, arguments);
        return "embed";
    }

    static String add(Lowering to, Node node) {
        Located a = to.where(node.operand(0));
        Located b = to.where(node.operand(1));
        add(to, a, b, to.place(node.result()), to.rows(node.result()));
        return "add_rows";
    }

    static void add(Lowering to, Located a, Located b, Located y, long rows) {
        Arguments arguments = to.arguments("AddArgs").rows("a", a).rows("b", b).rows("y", y);
        to.launch("add_rows", rows, blocks(y.columns()), 1, THREADS, 0, arguments);
    }

    static String swiglu(Lowering to, Node node) {
        Located y = to.place(node.result());
        Arguments arguments = to.arguments("SwigluArgs")
                .rows("gate", to.where(node.operand(0)))
                .rows("up", to.where(node.operand(1)))
                .rows("y", y);
        to.launch("swiglu", to.rows(node.result()), blocks(y.columns()), 1, THREADS, 0, arguments);
        return "swiglu";
    }

    static String cast(Lowering to, Node node) {
        copy(to, to.where(node.operand(0)), to.place(node.result()), to.rows(node.result()));
        return "copy_rows";
    }

    static String select(Lowering to, Node node) {
        gather(to, node.operand(0), to.where(node.operand(1)).address(), node.result(), 1, false);
        return "gather_rows";
    }

    static void gather(Lowering to, Value x, long rowsOf, Value y, long divisor, boolean skipNegative) {
        Located target = to.place(y);
        Arguments arguments = to.arguments("GatherArgs")
                .rows("x", to.where(x))
                .rows("y", target)
                .set("rows_of", rowsOf)
                .set("x_rows", to.rows(x))
                .set("divisor", divisor)
                .set("skip_negative", skipNegative);
        to.launch("gather_rows", to.rows(y), blocks(target.columns()), 1, THREADS, 0, arguments);
    }

    static String norm(Lowering to, Node node, Op.RmsNorm norm) {
        Located y = to.place(node.result());
        StoredWeight weight = to.weight(node.operand(1));
        Arguments arguments = to.arguments("RmsNormArgs")
                .rows("x", to.where(node.operand(0)))
                .rows("y", y)
                .weight("weight", weight)
                .real("epsilon", norm.epsilon())
                .set("group", weight.columns());
        int threads = weight.columns() >= 1024 ? 512 : 128;
        to.launchOverlapping(
                "rms_norm", to.rows(node.result()), y.columns() / weight.columns(), 1, threads, 0, arguments);
        return "rms_norm";
    }

    private record RopeKey(Value positions, RopeFrequencies frequencies) {}

    /** Returns the table of angles, which all layers share. */
    static long ropeTable(Lowering to, Value positions, Op.Rope rope) {
        long rows = to.rows(positions);
        int pairs = rope.frequencies().pairs();
        return to.keep(new RopeKey(positions, rope.frequencies()), rows * pairs * 16, table -> {
            Arguments arguments = to.arguments("RopeTableArgs")
                    .set("positions", to.where(positions).address())
                    .set("inverse", to.setting.frequencies().applyAsLong(rope))
                    .set("table", table)
                    .real("factor", rope.frequencies().attentionFactor())
                    .set("pairs", pairs);
            to.launch("rope_table", rows, 1, 1, 64, 0, arguments);
        });
    }

    static String rope(Lowering to, Node node, Op.Rope rope) {
        Value positions = node.operand(1);
        long table = ropeTable(to, positions, rope);
        Located x = to.where(node.operand(0));
        Located y = to.place(node.result());
        Arguments arguments = to.arguments("RopeArgs")
                .rows("x", x)
                .rows("y", y)
                .set("table", table)
                .set("positions", to.where(positions).address())
                .set("head_dim", rope.headDim())
                .set("offset", rope.offset())
                .set("pairs", rope.frequencies().pairs())
                .set("interleaved", rope.pairing() == Op.Pairing.INTERLEAVED);
        to.launch("rope", to.rows(node.result()), y.columns() / rope.headDim(), 1, 64, 0, arguments);
        return "rope";
    }

    /** Columns of a block that looks for the largest logit: PART of sample.cu. */
    private static final int PART = 2048;

    private record Largest(long best, long parts) {}

    private static Largest largest(Lowering to, Located x, long rows) {
        long parts = Math.ceilDiv(x.columns(), PART);
        long best = to.temporary(8 * rows * parts);
        Arguments arguments = to.arguments("LargestArgs").rows("x", x).set("best", best);
        to.launchOverlapping("largest", parts, rows, 1, 256, 0, arguments);
        return new Largest(best, parts);
    }

    static String argmax(Lowering to, Node node) {
        long rows = to.rows(node.operand(0));
        Largest largest = largest(to, to.where(node.operand(0)), rows);
        Arguments arguments = to.arguments("ArgmaxArgs")
                .set("best", largest.best())
                .set("ids", to.place(node.result()).address())
                .set("parts", largest.parts());
        to.launchOverlapping("argmax", rows, 1, 1, 32, 0, arguments);
        return "largest+argmax";
    }

    static String sample(Lowering to, Node node) {
        long rows = to.rows(node.operand(0));
        Located x = to.where(node.operand(0));
        Largest largest = largest(to, x, rows);
        Arguments arguments = to.arguments("SampleArgs")
                .rows("x", x)
                .set("best", largest.best())
                .set("temperature", to.where(node.operand(1)).address())
                .set("top_k", to.where(node.operand(2)).address())
                .set("top_p", to.where(node.operand(3)).address())
                .set("seed", to.where(node.operand(4)).address())
                .set("counter", to.where(node.operand(5)).address())
                .set("ids", to.place(node.result()).address())
                .set("parts", largest.parts());
        to.launchOverlapping("sample", rows, 1, 1, 1024, 0, arguments);
        return "largest+sample";
    }

    /** Rounds activations to F8 by blocks of 128 columns and returns them as float32. */
    static Located quantizedFp8(Lowering to, Value x, boolean powerOfTwo) {
        Located from = to.where(x);
        Located rounded = to.temporaryRows(to.rows(x), from.columns(), DType.F32, x);
        Arguments arguments = to.arguments("QuantizeFp8Args")
                .rows("x", from)
                .rows("y", rounded)
                .set("power_of_two", powerOfTwo);
        to.launch("quantize_fp8", to.rows(x), Math.ceilDiv(from.columns(), 128), 1, 128, 0, arguments);
        return rounded;
    }
}
