package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.Stage;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/** Conversions and the operators that are little more: everything else is written in their terms. */
public final class Basics {

    /** {@code cubeMathType} KEEP_DTYPE: floats are multiplied as floats. Source: hicann/ops-nn docs aclnnMatmul.md. */
    static final byte KEEP_DTYPE = 0;

    private final Operators operators;
    private final Stage stage;

    /** Uses these. */
    public Basics(Operators operators, Stage stage) {
        this.operators = operators;
        this.stage = stage;
    }

    Operators operators() {
        return operators;
    }

    Stage stage() {
        return stage;
    }

    /** Returns the elements in another type: the view itself if it has it, else dense temporary memory. */
    public TensorView in(DType dtype, TensorView view) {
        if (view.dtype() == dtype) {
            return view;
        }
        TensorView cast = stage.temporary(dtype, dims(view));
        operators.run("aclnnCast", view, Operators.dataType(dtype), cast);
        return cast;
    }

    /** Returns the elements in dense temporary memory of a type. */
    TensorView dense(DType dtype, TensorView view) {
        TensorView copy = stage.temporary(dtype, dims(view));
        store(view, copy);
        return copy;
    }

    /** Copies elements, converting them if types differ. Either side may be strided. */
    public void store(TensorView from, TensorView to) {
        if (to.elements() > 0) {
            operators.run("aclnnInplaceCopy", to, from);
        }
    }

    /** Adds two tensors of one type and shape. */
    public void add(TensorView a, TensorView b, TensorView out) {
        operators.run("aclnnAdd", a, b, new Operators.Scalar(1), out);
    }

    /** Takes adjacent columns. */
    public void slice(TensorView x, long from, TensorView out) {
        long width = x.dim(1);
        store(x.strided(from, dims(out), new long[] {width, 1}), out);
    }

    /** Takes rows of [R, W] by I32 indices [N]. */
    public void select(TensorView x, TensorView rows, TensorView out) {
        operators.run("aclnnIndexSelect", x, 0L, rows, out);
    }

    /** Gathers rows of an embedding table. */
    public void embed(TensorView table, TensorView ids, TensorView out) {
        if (table.dtype() == out.dtype()) {
            operators.run("aclnnEmbedding", table, ids, out);
        } else {
            TensorView rows = stage.temporary(table.dtype(), dims(out));
            operators.run("aclnnEmbedding", table, ids, rows);
            store(rows, out);
        }
    }

    /**
     * Normalises groups as wide as the weight. The operator multiplies in F32 and rounds once, also in a 16-bit type (hicann/ops-nn@e5c3fa9327ea
     * norm/rms_norm/op_kernel/rms_norm.h), with a weight of the type of x or in F32.
     *
     * @param x [rows, groups * width]; rows may lie apart if there is one group
     */
    public void rmsNorm(TensorView x, TensorView weight, double epsilon, TensorView out) {
        long width = weight.dim(0);
        long rows = x.elements() / width;
        TensorView from = x.dim(x.rank() - 1) == width && x.rank() == 2 ? x : x.reshaped(rows, width);
        boolean direct = x.dtype() == out.dtype();
        TensorView wide = direct ? from : in(DType.F32, from);
        TensorView result = direct ? out.reshaped(rows, width) : stage.temporary(DType.F32, rows, width);
        TensorView reciprocal = stage.temporary(DType.F32, rows, 1);
        TensorView gamma = weight.dtype() == wide.dtype() ? weight : in(DType.F32, weight);
        operators.run("aclnnRmsNorm", wide, gamma, epsilon, result, reciprocal);
        if (!direct) {
            store(result, out.reshaped(rows, width));
        }
    }

    /** The gated activation of gate and up [R, I]. */
    public void swiglu(TensorView gate, TensorView up, TensorView out) {
        long rows = gate.dim(0);
        long width = gate.dim(1);
        TensorView both = stage.temporary(out.dtype(), rows, 2 * width);
        store(gate, Columns.of(both, 0, width));
        store(up, Columns.of(both, width, width));
        operators.run("aclnnSwiGlu", both, -1L, out);
    }

    /** Multiplies a node's first operand [T, K] with its weight. */
    void linear(Run run, Node node, @Nullable TensorView bias, TensorView out) {
        TensorView x = run.in(node, 0);
        TensorView weight = run.in(node, 1);
        linear(isDirect(x, weight, bias, out) ? x : run.wide(node, 0), weight, bias, out);
    }

    /** Whether the cube takes everything as it is: it accumulates in float32 and rounds once. */
    private static boolean isDirect(TensorView x, TensorView weight, @Nullable TensorView bias, TensorView out) {
        return x.dtype() == weight.dtype() && x.dtype() == out.dtype() && bias == null;
    }

    /**
     * Multiplies x [T, K] with a transposed plain weight [N, K], in float32 unless operands and result have one type.
     *
     * @param bias [N], or null
     */
    public void linear(TensorView x, TensorView weight, @Nullable TensorView bias, TensorView out) {
        if (isDirect(x, weight, bias, out)) {
            operators.run("aclnnMatmul", x, weight.transposed(), out, KEEP_DTYPE);
            return;
        }
        boolean last = out.dtype() == DType.F32;
        TensorView product = last && bias == null ? out : stage.temporary(DType.F32, dims(out));
        operators.run("aclnnMatmul", in(DType.F32, x), in(DType.F32, weight).transposed(), product, KEEP_DTYPE);
        if (bias != null) {
            TensorView sum = last ? out : stage.temporary(DType.F32, dims(out));
            add(product, in(DType.F32, bias), sum);
            product = sum;
        }
        if (!last) {
            store(product, out);
        }
    }

    /**
     * Picks the largest of each row of logits. What ArgMax does with a NaN is not documented, so none reaches it: it becomes minus infinity, and minus infinity the lowest
     * number (ARGMAX-002). Rows without any larger number than these two are the one case where an index may come out too low.
     */
    public void argmax(TensorView logits, TensorView out) {
        float lowest = switch (logits.dtype()) {
            case F16 -> -65504f;
            case BF16 -> Float.intBitsToFloat(0xFF7F0000);
            default -> -Float.MAX_VALUE;
        };
        TensorView clean = stage.temporary(logits.dtype(), dims(logits));
        operators.run("aclnnNanToNum", logits, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY, lowest, clean);
        operators.run("aclnnArgMax", clean, 1L, (byte) 0, out);
    }

    static long[] dims(TensorView view) {
        long[] dims = new long[view.rank()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = view.dim(i);
        }
        return dims;
    }
}
