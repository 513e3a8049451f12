package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import org.jspecify.annotations.Nullable;

/**
 * Products of many bf16 rows on the matrix unit: one weight, or one of several for each group of rows.
 *
 * <p>Weights in bf16 are read as they lie. Quantised ones are unpacked first, group by group of experts where they are many, into elements that bf16 holds exactly and
 * factors that multiply float32 sums; no weight is rounded. With activations in E4M3 both operands stay in eight bits.
 */
final class MatrixProducts {

    /** Groups that one plan can hold: MAX_EXPERTS of dispatch.cu. */
    private static final long MOST_GROUPS = 1024;

    /** Unpacked weights that one pass over experts may take. */
    private static final long PASS_BYTES = 768L << 20;

    /** Columns that stand under one factor. */
    private static final long FACTOR_COLUMNS = 128;

    /** Tile and shared memory of the kernels by mma.sync: MmaShape. */
    private static final int MMA_TILE = 64;

    private static final long MMA_SHARED = 73_728;

    private MatrixProducts() {}

    /** Returns whether the matrix unit takes a product, by types and shapes alone. */
    static boolean takes(MatrixUnit unit, Value x, Value weight, DType out, ActivationFormat activation) {
        TensorType type = weight.type();
        long k = type.shape().dim(-1).size();
        long features = type.shape().dim(-2).size();
        long experts = type.shape().rank() == 3 ? type.shape().dim(0).size() : 1;
        boolean wide = out == DType.F32 || (out == DType.BF16 && features % 8 == 0);
        if (unit.kind() == MatrixUnit.Kind.NONE
                || x.type().dtype() != DType.BF16
                || k % 8 != 0
                || experts > MOST_GROUPS
                || !wide) {
            return false;
        }
        // Experts lie at multiples of 256 bytes, and the copy engine wants them side by side.
        boolean adjacent = experts == 1 || features * k * type.dtype().bits() / 8 % 256 == 0;
        return switch (activation) {
            case FLOAT -> takesFloat(unit, type, k, adjacent);
            case FP8_PER_TOKEN_128, FP8_PER_TOKEN_128_POWER_OF_TWO ->
                unit.kind() == MatrixUnit.Kind.WGMMA
                        && type.quantization().equals(new Quantization.Fp8Blocks(128, 128, DType.F32))
                        && k % 16 == 0
                        && adjacent;
            case INT8_PER_TOKEN -> false;
        };
    }

    private static boolean takesFloat(MatrixUnit unit, TensorType type, long k, boolean adjacent) {
        boolean unpacks = unit.kind() == MatrixUnit.Kind.WGMMA;
        return switch (type.quantization()) {
            case Quantization.None _ -> type.dtype() == DType.BF16 && adjacent;
            case Quantization.Fp8Blocks blocks -> unpacks && isWholeFactors(blocks.blockColumns(), k);
            case Quantization.Int8Channels _ -> unpacks;
            case Quantization.Int4Groups groups -> unpacks && isWholeFactors(groups.groupSize(), k);
        };
    }

    private static boolean isWholeFactors(long columns, long k) {
        return columns % FACTOR_COLUMNS == 0 || columns >= k;
    }

    /** Returns whether the matrix unit takes a gated MLP's first half. */
    static boolean takes(MatrixUnit unit, Unit.Gated gated) {
        Op.Linear op = (Op.Linear) gated.gate().op();
        return op.out() == DType.BF16
                && gated.swiglu().result().type().dtype() == DType.BF16
                && takes(unit, gated.gate().operand(0), gated.gate().operand(1), op.out(), op.activation());
    }

    /**
     * Rows of a product.
     *
     * @param address of the first
     * @param count rows that may be there
     * @param rowBytes from row to row
     * @param scales of E4M3 rows, or 0
     * @param scalePitch floats from one 128 columns' scales to the next
     */
    record Tokens(long address, long count, long rowBytes, long scales, long scalePitch) {

        static Tokens of(Located x, long count) {
            return new Tokens(x.address(), count, x.stride() * x.type().bits() / 8, 0, 0);
        }

        boolean isE4m3() {
            return scales != 0;
        }
    }

    /**
     * Groups of rows, each with its own weight.
     *
     * @param count how many
     * @param offsets address of their first rows and the end, or 0 for one group of all rows
     * @param rows of all groups, about
     */
    record Groups(long count, long offsets, long rows) {

        static Groups one(long rows) {
            return new Groups(1, 0, rows);
        }
    }

    /** Weights side by side, as the copy engine reads them. */
    private record Matrices(long elements, long scales, long experts) {}

    private record Tiling(boolean wide, int widest) {}

    private record PlanKey(long rows, int widest) {}

    /**
     * Multiplies.
     *
     * @param weight of each group
     * @param up the second weight of a gated product, whose SwiGLU with the first is the result, or null
     * @param out address of the result, rows side by side
     * @param floats whether it is float32 and not bf16
     * @return the kernels
     */
    static String multiply(
            Lowering to,
            StoredWeight weight,
            @Nullable StoredWeight up,
            Tokens tokens,
            Groups groups,
            long out,
            boolean floats) {
        boolean plain = weight.value().type().quantization() instanceof Quantization.None;
        String element = "scaled";
        if (plain) {
            element = "bf16";
        } else if (tokens.isE4m3()) {
            element = "e4m3";
        }
        Product product = new Product(to, element, weight.rows(), weight.columns(), up != null, floats);
        Tiling tiling = product.tiling(groups);
        if (!element.equals("scaled")) {
            long plan = groups.offsets() == 0
                    ? onePlan(to, groups.rows(), tiling.widest())
                    : groupPlan(to, groups.offsets(), groups.count(), tiling.widest());
            Matrices second = up == null ? null : new Matrices(up.elements(), up.scales(), groups.count());
            product.launch(
                    tiling,
                    new Matrices(weight.elements(), weight.scales(), groups.count()),
                    second,
                    tokens,
                    plan,
                    out);
            return product.kernel(tiling);
        }
        long matrix = weight.rows() * weight.columns() * 2;
        long factors = weight.rows() * Math.ceilDiv(weight.columns(), FACTOR_COLUMNS) * 4;
        long pass = Math.clamp(PASS_BYTES / ((up == null ? 1 : 2) * (matrix + factors)), 1, groups.count());
        Matrices first = new Matrices(to.temporary(pass * matrix), to.temporary(pass * factors), pass);
        Matrices second =
                up == null ? null : new Matrices(to.temporary(pass * matrix), to.temporary(pass * factors), pass);
        for (long expert = 0; expert < groups.count(); expert += pass) {
            long count = Math.min(pass, groups.count() - expert);
            unpack(to, weight, first, expert, count);
            if (up != null && second != null) {
                unpack(to, up, second, expert, count);
            }
            long plan = groups.offsets() == 0
                    ? onePlan(to, groups.rows(), tiling.widest())
                    : groupPlan(to, groups.offsets() + 4 * expert, count, tiling.widest());
            product.launch(tiling, first, second, tokens, plan, out);
        }
        return "unpack+" + product.kernel(tiling);
    }

    /** One weight ready for the matrix unit, of which any rows may be multiplied. */
    record Ready(String element, Matrices matrices, long features, long k) {

        private Ready part(long first, long count) {
            long factors = Math.ceilDiv(k, FACTOR_COLUMNS);
            return new Ready(
                    element,
                    new Matrices(matrices.elements() + 2 * first * k, matrices.scales() + 4 * first * factors, 1),
                    count,
                    k);
        }
    }

    /** Makes a weight ready until the unit ends. */
    static Ready ready(Lowering to, StoredWeight weight) {
        if (weight.value().type().quantization() instanceof Quantization.None) {
            return new Ready("bf16", new Matrices(weight.elements(), 0, 1), weight.rows(), weight.columns());
        }
        Matrices unpacked = new Matrices(
                to.temporary(weight.rows() * weight.columns() * 2),
                to.temporary(weight.rows() * Math.ceilDiv(weight.columns(), FACTOR_COLUMNS) * 4),
                1);
        unpack(to, weight, unpacked, 0, 1);
        return new Ready("scaled", unpacked, weight.rows(), weight.columns());
    }

    /** Multiplies by some rows of a weight, into bf16. */
    static String multiply(Lowering to, Ready weight, long first, long count, Tokens tokens, Groups groups, long out) {
        Ready part = weight.part(first, count);
        Product product = new Product(to, part.element(), count, part.k(), false, false);
        Tiling tiling = product.tiling(groups);
        long plan = groupPlan(to, groups.offsets(), groups.count(), tiling.widest());
        product.launch(tiling, part.matrices(), null, tokens, plan, out);
        return product.kernel(tiling);
    }

    private static void unpack(Lowering to, StoredWeight weight, Matrices into, long expert, long count) {
        Arguments arguments = to.arguments("UnpackArgs")
                .weight("weight", weight)
                .set("elements", into.elements())
                .set("scales", into.scales())
                .set("first_expert", expert)
                .set("experts", count);
        long blocks = weight.rows() * Math.ceilDiv(weight.columns(), FACTOR_COLUMNS);
        to.launch("unpack", Math.ceilDiv(blocks, 16L), count, 1, 256, 0, arguments);
    }

    private static long onePlan(Lowering to, long rows, int widest) {
        return to.keep(new PlanKey(rows, widest), 128, plan -> {
            Arguments arguments = to.arguments("OneGroupPlanArgs")
                    .set("plan", plan)
                    .set("rows", rows)
                    .set("widest", widest);
            to.launch("heng_one_group_plan", 1, 1, 1, 32, 0, arguments);
        });
    }

    private static long groupPlan(Lowering to, long offsets, long groups, int widest) {
        long plan = to.temporary(32 * (groups + 1));
        Arguments arguments = to.arguments("GroupPlanArgs")
                .set("fault", to.setting.fault())
                .set("offsets", offsets)
                .set("plan", plan)
                .set("experts", groups)
                .set("widest", widest);
        to.launch("heng_group_plan", 1, 1, 1, 1024, 0, arguments);
        return plan;
    }

    /** Returns the address of {0, rows}, as offsets of one group. */
    private static long oneGroupOffsets(Lowering to, long rows) {
        return onePlan(to, rows, MMA_TILE) + 64;
    }

    /** One kernel's choice of tiles, and its launch. */
    private record Product(Lowering to, String element, long features, long k, boolean fused, boolean floats) {

        private MatrixUnit unit() {
            return to.setting.matrices();
        }

        String kernel(Tiling tiling) {
            String form = "";
            if (fused) {
                form = "_swiglu";
            } else if (floats) {
                form = "_f32";
            }
            return unit().kind() == MatrixUnit.Kind.MMA
                    ? "heng_grouped_bf16_mma" + form
                    : "heng_grouped_" + element + (tiling.wide() ? "_wide" : "_narrow") + form;
        }

        /**
         * Chooses the width of tiles. Where rows are few only the stream of weights counts, and many stages serve it best. Otherwise the time of a wave is that of
         * its bytes from the second-level cache, which was what bound the kernels when they were measured (docs/cuda-performance.md): 16 KB of weights and 128
         * bytes of each column, which the blocks of a cluster share, for 64 of K.
         */
        Tiling tiling(Groups groups) {
            long rows = Math.max(1, Math.ceilDiv(groups.rows(), groups.count()));
            if (unit().kind() == MatrixUnit.Kind.MMA || floats || rows <= (groups.count() == 1 ? 64 : 32)) {
                return new Tiling(false, MMA_TILE);
            }
            MatrixUnit.Shape shape = unit().shape(kernel(new Tiling(true, 0)));
            long clusters = unit().multiprocessors() / shape.cluster();
            long across = Math.ceilDiv(Math.ceilDiv(features, (long) shape.features()), (long) shape.cluster());
            int best = shape.columns();
            long least = Long.MAX_VALUE;
            for (int widest = shape.columns(); widest >= 64; widest -= 16) {
                long parts = Math.ceilDiv(rows, (long) widest);
                long columns = Math.ceilDiv(Math.ceilDiv(rows, parts), 16L) * 16;
                long waves = Math.ceilDiv(parts * groups.count() * across, clusters);
                long time = waves * (16_384 + 128 * columns / shape.cluster());
                if (time < least) {
                    least = time;
                    best = widest;
                }
            }
            return new Tiling(true, best);
        }

        void launch(Tiling tiling, Matrices weights, @Nullable Matrices up, Tokens tokens, long plan, long out) {
            String kernel = kernel(tiling);
            if (unit().kind() == MatrixUnit.Kind.MMA) {
                Arguments arguments = to.arguments("GroupedMmaArgs")
                        .set("weights", weights.elements())
                        .set("up", up == null ? weights.elements() : up.elements())
                        .set("tokens", tokens.address())
                        .set("out", out)
                        .set("plan", plan)
                        .set("token_pitch", tokens.rowBytes() / 2)
                        .set("features", features)
                        .set("k", k);
                to.launch(kernel, 2L * unit().multiprocessors(), 1, 1, 256, MMA_SHARED, arguments);
                return;
            }
            MatrixUnit.Shape shape = unit().shape(kernel);
            MatrixMap tokenMap = map(tokens.address(), tokens.count(), tokens.rowBytes(), shape.box(), shape);
            MatrixMap scaleMap = !tokens.isE4m3()
                    ? tokenMap
                    : new MatrixMap(
                            0,
                            MatrixMap.Element.PAIR_OF_FLOATS,
                            tokens.scales(),
                            tokens.scalePitch() / 2,
                            Math.ceilDiv(k, FACTOR_COLUMNS),
                            tokens.scalePitch() * 4,
                            shape.columns() / 2,
                            1,
                            false);
            Arguments arguments = to.arguments("GroupedWgmmaArgs")
                    .map("weights", weightMap(weights, shape))
                    .map("up", weightMap(up == null ? weights : up, shape))
                    .map("tokens", tokenMap)
                    .map("scales", scaleMap)
                    .set("weight_scales", weights.scales())
                    .set("up_scales", up == null ? weights.scales() : up.scales())
                    .set("out", out)
                    .set("plan", plan)
                    .set("features", features)
                    .set("k", k);
            long blocks = (long) unit().multiprocessors() / shape.cluster() * shape.cluster();
            to.launch(kernel, blocks, 1, 1, 384, shape.sharedBytes(), arguments);
        }

        private MatrixMap weightMap(Matrices matrices, MatrixUnit.Shape shape) {
            return map(matrices.elements(), matrices.experts() * features, k * shape.elementBytes(), WEIGHT_BOX, shape);
        }

        private MatrixMap map(long address, long rows, long rowBytes, int box, MatrixUnit.Shape shape) {
            MatrixMap.Element kind = shape.elementBytes() == 1 ? MatrixMap.Element.BYTE : MatrixMap.Element.BF16;
            return new MatrixMap(0, kind, address, k, rows, rowBytes, SWIZZLED / shape.elementBytes(), box, true);
        }
    }

    /** Rows of a box of weights, and bytes of a swizzled row. */
    private static final int WEIGHT_BOX = 64;

    private static final int SWIZZLED = 128;

    /** Returns rows at multiples of 16 bytes, copied if they do not lie so. */
    static Located aligned(Lowering to, Located x, long rows) {
        if (x.address() % 16 == 0 && x.stride() * x.type().bits() / 8 % 16 == 0) {
            return x;
        }
        return copied(to, x, rows);
    }

    private static Located copied(Lowering to, Located x, long rows) {
        Located copy = to.temporaryRows(rows, x.columns(), x.type(), x.root());
        RowKernels.copy(to, x, copy, rows);
        return copy;
    }

    /**
     * Rounds rows to E4M3 (QUANT-050).
     *
     * @param x the rows
     * @param tokens how many there are
     * @param inverse address of the row that each slot of each token becomes, or 0 where rows stay where they are
     * @param slots of a token
     * @param groups of the rounded rows
     */
    static Tokens e4m3(
            Lowering to, Located x, long tokens, long inverse, long slots, Groups groups, ActivationFormat format) {
        Located dense = x.stride() == x.columns() ? aligned(to, x, tokens) : copied(to, x, tokens);
        long rows = tokens * slots;
        long pitch = Math.ceilDiv(rows + 15 * groups.count(), 16L) * 16;
        long k = x.columns();
        long q = to.temporary(rows * k);
        long scales = to.temporary(Math.ceilDiv(k, FACTOR_COLUMNS) * pitch * 4);
        Arguments arguments = to.arguments("QuantizeE4m3Args")
                .set("x", dense.address())
                .set("inverse", inverse)
                .set("offsets", groups.offsets() == 0 ? oneGroupOffsets(to, rows) : groups.offsets())
                .set("q", q)
                .set("scales", scales)
                .set("experts", groups.count())
                .set("tokens", tokens)
                .set("slots", slots)
                .set("k", k)
                .set("pitch", pitch)
                .set("power_of_two", format == ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO);
        long blocks = Math.min(tokens, 16L * to.setting.matrices().multiprocessors());
        to.launch("heng_quantize_e4m3", blocks, 1, 1, 128, 0, arguments);
        return new Tokens(q, rows, k, scales, pitch);
    }

    /** Returns rows as a product with {@code format} reads them. */
    static Tokens tokens(Lowering to, Located x, long rows, Groups groups, ActivationFormat format) {
        return format == ActivationFormat.FLOAT
                ? Tokens.of(aligned(to, x, rows), rows)
                : e4m3(to, x, rows, 0, 1, groups, format);
    }

    /** Multiplies all rows by one weight, without a bias. */
    static String linear(Lowering to, Op.Linear op, StoredWeight weight, Located x, long rows, Located y) {
        Groups one = Groups.one(rows);
        Tokens tokens = tokens(to, x, rows, one, op.activation());
        return multiply(to, weight, null, tokens, one, y.address(), y.type() == DType.F32);
    }

    /** Multiplies each group's rows by its own weight. */
    static String grouped(Lowering to, Op.GroupedLinear op, StoredWeight weight, Located x, Groups groups, Located y) {
        Tokens tokens = tokens(to, x, groups.rows(), groups, op.activation());
        return multiply(to, weight, null, tokens, groups, y.address(), y.type() == DType.F32);
    }

    /** The first half of a gated MLP. */
    static String gated(Lowering to, Unit.Gated unit) {
        Op.Linear op = (Op.Linear) unit.gate().op();
        long rows = to.rows(unit.swiglu().result());
        Groups one = Groups.one(rows);
        Tokens tokens = tokens(to, to.where(unit.gate().operand(0)), rows, one, op.activation());
        StoredWeight gate = to.weight(unit.gate().operand(1));
        StoredWeight up = to.weight(unit.up().operand(1));
        Located y = to.place(unit.swiglu().result());
        return multiply(to, gate, up, tokens, one, y.address(), false);
    }
}
