package dev.heng.conformance.suite;

import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;

/** Cases of the operators that move rows and columns and change nothing: Embed, Slice, SelectRows. */
final class CopyFamilies {

    private static final int[] TOKENS = {0, 1, 3, 17, 130};
    private static final int[] WIDTHS = {1, 8, 33, 127};

    private final CaseList cases;

    private CopyFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        CopyFamilies families = new CopyFamilies(cases);
        for (DType dtype : Tensors.ACTIVATIONS) {
            for (int index = 0; index < TOKENS.length; index++) {
                int tokens = TOKENS[index];
                int width = WIDTHS[index % WIDTHS.length];
                Level level = index < 3 ? Level.SMOKE : Level.REQUIRED;
                String variant = Tensors.name(dtype) + "/T=" + tokens + "/W=" + width;
                CaseShape shape = CaseShape.FIXED.and("T", tokens, 0).and("W", width, 1);
                families.embed(level, dtype, shape.and("V", 37, 1), variant);
                families.slice(level, dtype, shape, variant);
                families.select(level, dtype, shape, variant);
            }
            families.bitPatterns(dtype);
        }
        families.quantizedEmbedding();
        families.embedOutOfRange();
        families.selectOutOfRange();
    }

    private void embed(Level level, DType out, CaseShape shape, String variant) {
        cases.add(
                level,
                "Embed",
                Tensors.name(out),
                List.of("EMBED-001", "FORMAT-001", "RUN-011"),
                "gathersRows",
                variant,
                shape,
                (id, seed, at) -> {
                    int tokens = at.get("T");
                    int width = at.get("W");
                    int vocabulary = at.get("V");
                    GraphBuilder builder = new GraphBuilder("embed");
                    TensorType type = TensorType.of(DType.BF16, Shape.of(vocabulary, width));
                    Value table = builder.weight("table", type);
                    Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
                    builder.output("y", builder.embed("embed", table, ids, out));
                    StoredWeight weight = StoredWeight.draw(
                            RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE);
                    int[] chosen = Tensors.indices(RandomStream.of(id, seed, "tokens"), tokens, vocabulary);
                    return Scenario.of(
                            builder.build(),
                            Map.of("table", weight),
                            Tensors.tokens(tokens),
                            Map.of("tokens", HostTensor.ints(new int[] {tokens}, chosen)),
                            (_, outputs, _) -> List.of(Checks.rounded(
                                    "y", Checks.output(outputs, "y"), gather(weight.real(), chosen, width))));
                });
    }

    private static double[] gather(double[] source, int[] rows, int width) {
        double[] gathered = new double[rows.length * width];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(source, rows[row] * width, gathered, row * width, width);
        }
        return gathered;
    }

    private void quantizedEmbedding() {
        List<TensorType> tables = List.of(
                new TensorType(DType.F8_E4M3, Shape.of(130, 136), new Quantization.Fp8Blocks(128, 128, DType.F32)),
                new TensorType(DType.I8, Shape.of(33, 40), new Quantization.Int8Channels(DType.BF16)),
                new TensorType(DType.I4, Shape.of(17, 44), new Quantization.Int4Groups(32, DType.F16, true)));
        List<String> names = List.of("fp8", "int8", "int4");
        List<String> layouts = List.of("QUANT-010", "QUANT-020", "QUANT-030");
        for (int index = 0; index < tables.size(); index++) {
            TensorType type = tables.get(index);
            cases.add(
                    Level.SMOKE,
                    "Embed",
                    names.get(index),
                    List.of("EMBED-001", "QUANT-001", layouts.get(index)),
                    "dequantizesRows",
                    names.get(index),
                    (id, seed) -> quantizedEmbedding(id, seed, type));
        }
    }

    private static Scenario quantizedEmbedding(String id, long seed, TensorType type) {
        int vocabulary = (int) type.shape().dim(0).size();
        int width = (int) type.shape().dim(1).size();
        GraphBuilder builder = new GraphBuilder("embed-quantized");
        Value table = builder.weight("table", type);
        Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("embed", table, ids, DType.F32));
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.DISTINCT);
        int[] chosen = new int[vocabulary];
        for (int row = 0; row < vocabulary; row++) {
            chosen[row] = vocabulary - 1 - row;
        }
        // Scales are powers of two: each dequantised element is a number of F32.
        return Scenario.of(
                builder.build(),
                Map.of("table", weight),
                Tensors.tokens(vocabulary),
                Map.of("tokens", HostTensor.ints(new int[] {vocabulary}, chosen)),
                (_, outputs, _) -> List.of(
                        Checks.rounded("y", Checks.output(outputs, "y"), gather(weight.real(), chosen, width))));
    }

    private void embedOutOfRange() {
        for (int bad : new int[] {-1, 37, Integer.MAX_VALUE}) {
            cases.add(
                    Level.SMOKE,
                    "Embed",
                    "i32",
                    List.of("EMBED-002", "RUN-005", "RUN-006"),
                    "refusesIdsOutsideTheTable",
                    "id=" + bad,
                    (id, seed) -> {
                        Scenario good = embedScenario(id, seed, new int[] {5, 0, 36});
                        HostTensor refused = HostTensor.ints(new int[] {3}, 5, bad, 36);
                        Scenario.Step step = Scenario.Step.invalid(Tensors.tokens(3), Map.of("tokens", refused));
                        return new Scenario(
                                good.graph(),
                                good.weights(),
                                List.of(step, good.steps().getFirst()),
                                good.judge(),
                                good.degeneracy(),
                                true);
                    });
        }
    }

    private static Scenario embedScenario(String id, long seed, int[] chosen) {
        GraphBuilder builder = new GraphBuilder("embed");
        TensorType type = TensorType.of(DType.F32, Shape.of(37, 8));
        Value table = builder.weight("table", type);
        Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("embed", table, ids, DType.F32));
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE);
        return Scenario.of(
                builder.build(),
                Map.of("table", weight),
                Tensors.tokens(chosen.length),
                Map.of("tokens", HostTensor.ints(new int[] {chosen.length}, chosen)),
                (_, outputs, _) ->
                        List.of(Checks.rounded("y", Checks.output(outputs, "y"), gather(weight.real(), chosen, 8))));
    }

    private void slice(Level level, DType dtype, CaseShape shape, String variant) {
        cases.add(
                level,
                "Slice",
                Tensors.name(dtype),
                List.of("SLICE-001", "FORMAT-010"),
                "copiesColumns",
                variant,
                shape,
                (id, seed, at) -> {
                    int whole = at.get("W") + 5;
                    HostTensor x = Tensors.normal(RandomStream.of(id, seed, "x"), dtype, at.get("T"), whole, 1);
                    return slice(dtype, whole, 3, at.get("W"), x);
                });
    }

    private static Scenario slice(DType dtype, int whole, int from, int width, HostTensor x) {
        GraphBuilder builder = new GraphBuilder("slice");
        builder.output("y", builder.slice("slice", builder.input("x", Tensors.rows(dtype, whole)), from, width));
        int tokens = x.shape()[0];
        long[] source = x.bits();
        long[] bits = new long[tokens * width];
        for (int row = 0; row < tokens; row++) {
            System.arraycopy(source, row * whole + from, bits, row * width, width);
        }
        HostTensor expected = new HostTensor(dtype, new int[] {tokens, width}, new byte[0]).withBits(bits);
        return Scenario.of(
                builder.build(),
                Map.of(),
                Tensors.tokens(tokens),
                Map.of("x", x),
                (_, outputs, _) -> List.of(Checks.bits("y", Checks.output(outputs, "y"), expected)));
    }

    private static Scenario selection(DType dtype, int width, HostTensor x, int[] chosen) {
        GraphBuilder builder = new GraphBuilder("select");
        Value source = builder.input("x", Tensors.rows(dtype, width));
        Value rows = builder.input("output_rows", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        builder.output("y", builder.selectRows("select", source, rows));
        long[] all = x.bits();
        long[] bits = new long[chosen.length * width];
        for (int row = 0; row < chosen.length; row++) {
            System.arraycopy(
                    all, Math.floorMod(chosen[row], Math.max(1, x.shape()[0])) * width, bits, row * width, width);
        }
        HostTensor expected = new HostTensor(dtype, new int[] {chosen.length, width}, new byte[0]).withBits(bits);
        return Scenario.of(
                builder.build(),
                Map.of(),
                Map.of(Dim.TOKENS, (long) x.shape()[0], Dim.OUTPUTS, (long) chosen.length),
                Map.of("x", x, "output_rows", HostTensor.ints(new int[] {chosen.length}, chosen)),
                (_, outputs, _) -> List.of(Checks.bits("y", Checks.output(outputs, "y"), expected)));
    }

    private void select(Level level, DType dtype, CaseShape shape, String variant) {
        cases.add(
                level,
                "SelectRows",
                Tensors.name(dtype),
                List.of("SELECT-001", "FORMAT-010"),
                "copiesRowsInAnyOrder",
                variant,
                shape,
                (id, seed, at) -> {
                    int tokens = at.get("T");
                    int width = at.get("W");
                    HostTensor x = Tensors.normal(RandomStream.of(id, seed, "x"), dtype, tokens, width, 1);
                    int[] chosen = tokens == 0
                            ? new int[0]
                            : Tensors.indices(RandomStream.of(id, seed, "rows"), 2 * tokens, tokens);
                    return selection(dtype, width, x, chosen);
                });
    }

    private void selectOutOfRange() {
        for (int bad : new int[] {-1, 4}) {
            cases.add(
                    Level.SMOKE,
                    "SelectRows",
                    "i32",
                    List.of("SELECT-002", "RUN-005", "RUN-006"),
                    "refusesRowsOutsideTheRun",
                    "row=" + bad,
                    (id, seed) -> {
                        HostTensor x = Tensors.normal(RandomStream.of(id, seed, "x"), DType.F32, 4, 8, 1);
                        Scenario good = selection(DType.F32, 8, x, new int[] {3, 0});
                        Scenario.Step first = good.steps().getFirst();
                        Map<String, HostTensor> inputs =
                                Map.of("x", x, "output_rows", HostTensor.ints(new int[] {2}, 3, bad));
                        return new Scenario(
                                good.graph(),
                                good.weights(),
                                List.of(Scenario.Step.invalid(first.dims(), inputs), first),
                                good.judge(),
                                good.degeneracy(),
                                true);
                    });
        }
    }

    private void bitPatterns(DType dtype) {
        double largest = HostTensor.format(dtype).maxFinite();
        double tiny = HostTensor.format(dtype).minSubnormal();
        cases.add(
                Level.SMOKE,
                "Slice",
                Tensors.name(dtype),
                List.of("SLICE-001", "FORMAT-010", "FORMAT-003"),
                "copiesEveryBitPattern",
                Tensors.name(dtype),
                (_, _) -> {
                    HostTensor x = HostTensor.floats(
                            dtype, new int[] {1, 8}, 7, Double.NaN, -0.0, tiny, -tiny, largest, -1.5, 9);
                    return slice(dtype, 8, 1, 6, x);
                });
    }
}
