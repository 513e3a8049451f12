package dev.heng.spi.graph;

import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.List;

/**
 * Infers the types of an operator's results from those of its operands, and refuses operands that do not fit.
 *
 * <p>One method for each operator, in the order of {@link Op}; each reads like the operator's own description.
 */
final class ResultTypes {

    private final String where;
    private final Op op;
    private final List<Value> operands;

    private ResultTypes(String where, Op op, List<Value> operands) {
        this.where = where;
        this.op = op;
        this.operands = operands;
    }

    /**
     * Returns the types of the results.
     *
     * @throws GraphException naming {@code where}, the operator and both of the things that disagree
     */
    static List<TensorType> infer(String where, Op op, List<Value> operands) {
        return new ResultTypes(where, op, operands).infer();
    }

    private List<TensorType> infer() {
        return switch (op) {
            case Op.Embed embed -> embed(embed);
            case Op.Add _ -> add();
            case Op.Cast cast -> cast(cast);
            case Op.Slice slice -> slice(slice);
            case Op.SelectRows _ -> selectRows();
            case Op.RmsNorm _ -> rmsNorm();
            case Op.Linear linear -> linear(linear);
            case Op.Rope rope -> rope(rope);
            case Op.KvAppend append -> kvAppend(append);
            case Op.MlaAttention attention -> mlaAttention(attention);
            case Op.GroupedQueryAttention attention -> groupedQueryAttention(attention);
            case Op.Route route -> route(route);
            case Op.Dispatch dispatch -> dispatch(dispatch);
            case Op.GroupedLinear linear -> groupedLinear(linear);
            case Op.Swiglu _ -> add();
            case Op.Combine combine -> combine(combine);
            case Op.Argmax _ -> argmax();
            case Op.Sample _ -> sample();
            case Op.AllReduce _ -> allReduce();
            case Op.AllToAll exchange -> allToAll(exchange);
            case Op.AllToAllReturn exchange -> allToAllReturn(exchange);
        };
    }

    private List<TensorType> embed(Op.Embed embed) {
        count(2, 2);
        Shape table = weight(0, 2).shape();
        TensorType ids = integers(1, DType.I32, 1);
        activationType(embed.out());
        return List.of(TensorType.of(embed.out(), ids.shape().dim(0), table.dim(1)));
    }

    private List<TensorType> add() {
        count(2, 2);
        TensorType left = activation(0, -1);
        TensorType right = activation(1, -1);
        require(left.equals(right), "operands differ: " + describe(0) + " and " + describe(1));
        return List.of(left);
    }

    private List<TensorType> cast(Op.Cast cast) {
        count(1, 1);
        activationType(cast.to());
        return List.of(activation(0, -1).withDtype(cast.to()));
    }

    private List<TensorType> slice(Op.Slice slice) {
        count(1, 1);
        TensorType x = activation(0, 2);
        long width = fixed(0, 1);
        require(
                slice.from() >= 0 && slice.length() > 0 && (long) slice.from() + slice.length() <= width,
                "columns " + slice.from() + ".." + ((long) slice.from() + slice.length() - 1) + " are not within "
                        + describe(0));
        return List.of(TensorType.of(x.dtype(), x.shape().withLast(Dim.of(slice.length()))));
    }

    private List<TensorType> selectRows() {
        count(2, 2);
        TensorType x = activation(0, 2);
        TensorType rows = integers(1, DType.I32, 1);
        return List.of(TensorType.of(x.dtype(), rows.shape().dim(0), x.shape().dim(1)));
    }

    private List<TensorType> rmsNorm() {
        count(2, 2);
        TensorType x = activation(0, 2);
        plainWeight(1, 1);
        long group = fixed(1, 0);
        require(group > 0 && fixed(0, 1) % group == 0, describe(1) + " does not divide the rows of " + describe(0));
        return List.of(x);
    }

    private List<TensorType> linear(Op.Linear linear) {
        count(2, 3);
        TensorType x = activation(0, 2);
        Shape weight = weight(1, 2).shape();
        same(fixed(0, 1), fixed(1, 1), "input width of " + describe(0) + " and columns of " + describe(1));
        if (operands.size() == 3) {
            plainWeight(2, 1);
            same(fixed(1, 0), fixed(2, 0), "rows of " + describe(1) + " and length of " + describe(2));
        }
        activationType(linear.out());
        activationFormat(linear.activation(), 1);
        return List.of(TensorType.of(linear.out(), x.shape().dim(0), weight.dim(0)));
    }

    private List<TensorType> rope(Op.Rope rope) {
        count(2, 2);
        TensorType x = activation(0, 2);
        integers(1, DType.I32, 1);
        sameDim(0, 0, 1, 0);
        require(fixed(0, 1) % rope.headDim() == 0, describe(0) + " is not whole heads of " + rope.headDim());
        return List.of(x);
    }

    private List<TensorType> kvAppend(Op.KvAppend append) {
        count(append.parts() + 4, append.parts() + 4);
        TensorType cache = state(0);
        long width = 0;
        for (int part = 1; part <= append.parts(); part++) {
            TensorType rows = activation(part, 2);
            require(rows.dtype() == cache.dtype(), describe(part) + " is not of the cache's type " + cache.dtype());
            sameDim(part, 0, 1, 0);
            width += fixed(part, 1);
        }
        same(width, cache.shape().dim(2).size(), "width of the parts and of " + describe(0));
        paging(append.parts() + 1, 1);
        return List.of(cache);
    }

    private List<TensorType> mlaAttention(Op.MlaAttention attention) {
        count(6, 6);
        TensorType q = activation(0, 2);
        TensorType cache = state(1);
        weight(2, 2);
        long headDim = (long) attention.nopeDim() + attention.ropeDim();
        same(fixed(0, 1), attention.heads() * headDim, "width of " + describe(0) + " and heads x head dimension");
        same(
                fixed(2, 0),
                (long) attention.heads() * (attention.nopeDim() + attention.valueDim()),
                "rows of " + describe(2) + " and heads x (nope + value)");
        same(
                cache.shape().dim(2).size(),
                fixed(2, 1) + attention.ropeDim(),
                "width of " + describe(1) + " and latent + rope dimensions");
        paging(3, 0);
        activationType(attention.out());
        return List.of(TensorType.of(
                attention.out(), q.shape().dim(0), Dim.of((long) attention.heads() * attention.valueDim())));
    }

    private List<TensorType> groupedQueryAttention(Op.GroupedQueryAttention attention) {
        count(6, 6);
        TensorType q = activation(0, 2);
        TensorType keys = state(1);
        TensorType values = state(2);
        same(
                fixed(0, 1),
                (long) attention.heads() * attention.headDim(),
                "width of " + describe(0) + " and query heads x dimension");
        same(
                keys.shape().dim(2).size(),
                (long) attention.kvHeads() * attention.headDim(),
                "width of " + describe(1) + " and key heads x dimension");
        same(
                values.shape().dim(2).size(),
                (long) attention.kvHeads() * attention.valueDim(),
                "width of " + describe(2) + " and value heads x dimension");
        sameDim(1, 0, 2, 0);
        sameDim(1, 1, 2, 1);
        paging(3, 0);
        activationType(attention.out());
        return List.of(TensorType.of(
                attention.out(), q.shape().dim(0), Dim.of((long) attention.heads() * attention.valueDim())));
    }

    private List<TensorType> route(Op.Route route) {
        count(1, 2);
        TensorType logits = activation(0, 2);
        require(
                logits.dtype() == DType.F32 || logits.dtype() == DType.F64,
                "router logits are F32 (F64 in a double graph), not " + describe(0));
        same(fixed(0, 1), route.experts(), "width of " + describe(0) + " and experts");
        if (operands.size() == 2) {
            plainWeight(1, 1);
            require(operands.get(1).type().dtype() == DType.F32, "the choice bias is F32, not " + describe(1));
            same(fixed(1, 0), route.experts(), "length of " + describe(1) + " and experts");
        }
        Dim tokens = logits.shape().dim(0);
        return List.of(
                TensorType.of(DType.I32, tokens, Dim.of(route.topK())),
                TensorType.of(logits.dtype(), tokens, Dim.of(route.topK())));
    }

    private List<TensorType> dispatch(Op.Dispatch dispatch) {
        count(2, 2);
        TensorType x = activation(0, 2);
        TensorType ids = integers(1, DType.I32, 2);
        sameDim(0, 0, 1, 0);
        Dim rows = ids.shape().dim(0).times(fixed(1, 1));
        return List.of(
                TensorType.of(x.dtype(), rows, x.shape().dim(1)),
                TensorType.of(DType.I32, Dim.of(dispatch.localExperts() + 1L)),
                TensorType.of(DType.I32, rows));
    }

    private List<TensorType> groupedLinear(Op.GroupedLinear linear) {
        count(3, 3);
        TensorType rows = activation(0, 2);
        integers(1, DType.I32, 1);
        Shape weight = weight(2, 3).shape();
        same(fixed(0, 1), fixed(2, 2), "input width of " + describe(0) + " and columns of " + describe(2));
        same(fixed(1, 0), fixed(2, 0) + 1, "length of " + describe(1) + " and experts + 1");
        activationType(linear.out());
        activationFormat(linear.activation(), 2);
        return List.of(TensorType.of(linear.out(), rows.shape().dim(0), weight.dim(1)));
    }

    private List<TensorType> combine(Op.Combine combine) {
        count(3, 3);
        TensorType rows = activation(0, 2);
        integers(1, DType.I32, 1);
        TensorType weights = activation(2, 2);
        sameDim(0, 0, 1, 0);
        Dim tokens = weights.shape().dim(0);
        require(
                rows.shape().dim(0).equals(tokens.times(fixed(2, 1))),
                describe(0) + " has not one row for each slot of " + describe(2));
        activationType(combine.out());
        return List.of(TensorType.of(combine.out(), tokens, rows.shape().dim(1)));
    }

    private List<TensorType> argmax() {
        count(1, 1);
        return List.of(TensorType.of(DType.I32, activation(0, 2).shape().dim(0)));
    }

    private List<TensorType> sample() {
        count(6, 6);
        Dim rows = activation(0, 2).shape().dim(0);
        DType[] types = {DType.F32, DType.I32, DType.F32, DType.I64, DType.I32};
        for (int operand = 1; operand <= types.length; operand++) {
            TensorType wanted = TensorType.of(types[operand - 1], rows);
            require(operands.get(operand).type().equals(wanted), describe(operand) + " is not " + wanted);
        }
        return List.of(TensorType.of(DType.I32, rows));
    }

    private List<TensorType> allReduce() {
        count(1, 1);
        return List.of(activation(0, 2));
    }

    private List<TensorType> allToAll(Op.AllToAll exchange) {
        count(2, 2);
        TensorType rows = activation(0, 2);
        integers(1, DType.I32, 1);
        same(
                fixed(1, 0),
                (long) exchange.ranks() * exchange.localExperts() + 1,
                "length of " + describe(1) + " and global experts + 1");
        return List.of(
                TensorType.of(
                        rows.dtype(),
                        rows.shape().dim(0).times(exchange.ranks()),
                        rows.shape().dim(1)),
                TensorType.of(DType.I32, Dim.of(exchange.localExperts() + 1L)),
                TensorType.of(DType.I32, Dim.of(exchange.ranks()), Dim.of(exchange.localExperts())));
    }

    private List<TensorType> allToAllReturn(Op.AllToAllReturn exchange) {
        count(3, 3);
        TensorType rows = activation(0, 2);
        TensorType receipt = integers(1, DType.I32, 2);
        require(
                receipt.shape().equals(Shape.of(exchange.ranks(), exchange.localExperts())),
                describe(1) + " is not [ranks, local experts]");
        integers(2, DType.I32, 1);
        Dim received = rows.shape().dim(0);
        require(
                received.factor() % exchange.ranks() == 0,
                describe(0) + " is not a capacity of " + exchange.ranks() + " ranks");
        Dim sent = new Dim(received.factor() / exchange.ranks(), received.symbol());
        return List.of(TensorType.of(rows.dtype(), sent, rows.shape().dim(1)));
    }

    // What every operator asks of its operands.

    private void count(int least, int most) {
        require(
                operands.size() >= least && operands.size() <= most,
                "takes " + (least == most ? "" + least : least + " to " + most) + " operands, not " + operands.size());
    }

    private TensorType activation(int operand, int rank) {
        TensorType type = operands.get(operand).type();
        require(
                type.dtype().isActivation() && type.isPlain(),
                describe(operand) + " is not an activation (F64, F32, F16, BF16)");
        require(rank < 0 || type.shape().rank() == rank, describe(operand) + " has not " + rank + " dimensions");
        return type;
    }

    private TensorType integers(int operand, DType dtype, int rank) {
        TensorType type = operands.get(operand).type();
        require(
                type.dtype() == dtype && type.shape().rank() == rank,
                describe(operand) + " is not " + dtype + " of " + rank + " dimensions");
        return type;
    }

    private TensorType weight(int operand, int rank) {
        TensorType type = operands.get(operand).type();
        boolean storable = switch (type.quantization()) {
            case Quantization.None _ -> type.dtype().isActivation();
            case Quantization.Fp8Blocks _, Quantization.Int8Channels _, Quantization.Int4Groups _ -> true;
        };
        require(storable, describe(operand) + " is not a weight");
        require(
                type.shape().rank() == rank && type.shape().isFixed(),
                describe(operand) + " has not " + rank + " fixed dimensions");
        return type;
    }

    private void plainWeight(int operand, int rank) {
        require(weight(operand, rank).isPlain(), describe(operand) + " is quantised, which this operand must not be");
    }

    private TensorType state(int operand) {
        Value value = operands.get(operand);
        require(
                value.role() == Value.Role.STATE
                        && value.type().shape().rank() == 3
                        && value.type().dtype().isActivation(),
                describe(operand) + " is not a paged cache [pages, page size, width]");
        fixed(operand, 1);
        fixed(operand, 2);
        return value.type();
    }

    /** Checks positions, sequences and page table, which stand in this order from {@code first}, against rows of operand {@code rows}. */
    private void paging(int first, int rows) {
        integers(first, DType.I32, 1);
        integers(first + 1, DType.I32, 1);
        integers(first + 2, DType.I32, 2);
        sameDim(rows, 0, first, 0);
        sameDim(rows, 0, first + 1, 0);
    }

    private void activationType(DType dtype) {
        require(dtype.isActivation(), "the result type " + dtype + " is not an activation type");
    }

    private void activationFormat(ActivationFormat format, int weight) {
        Quantization quantization = operands.get(weight).type().quantization();
        boolean fits = switch (format) {
            case FLOAT -> true;
            case INT8_PER_TOKEN -> quantization instanceof Quantization.Int8Channels;
            case FP8_PER_TOKEN_128, FP8_PER_TOKEN_128_POWER_OF_TWO -> quantization instanceof Quantization.Fp8Blocks;
        };
        require(fits, "activations rounded as " + format + " do not go with " + describe(weight));
    }

    private long fixed(int operand, int dim) {
        Dim size = operands.get(operand).type().shape().dim(dim);
        require(size.isFixed(), "dimension " + dim + " of " + describe(operand) + " is not fixed");
        return size.factor();
    }

    private void same(long left, long right, String what) {
        require(left == right, what + " differ: " + left + " != " + right);
    }

    private void sameDim(int leftOperand, int leftDim, int rightOperand, int rightDim) {
        require(
                operands.get(leftOperand)
                        .type()
                        .shape()
                        .dim(leftDim)
                        .equals(operands.get(rightOperand).type().shape().dim(rightDim)),
                "dimension " + leftDim + " of " + describe(leftOperand) + " and dimension " + rightDim + " of "
                        + describe(rightOperand) + " differ");
    }

    private String describe(int operand) {
        return "operand " + operand + " " + operands.get(operand);
    }

    private void require(boolean condition, String message) {
        if (!condition) {
            throw new GraphException(where + ": " + op.name() + ": " + message);
        }
    }
}
