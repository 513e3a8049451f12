package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Chains as models have them: the experts of a layer from router to sum, attention from projection to projection, decoder layers, whole
 * models with random weights through prefill and decode. Judged by an ensemble (F10, F11) that follows legal choices (F12, F13).
 */
final class ChainFamilies {

    private static final List<String> MOE_RULES = List.of(
            "ROUTE-013",
            "ROUTE-008",
            "ROUTE-010",
            "DISPATCH-001",
            "GROUPED-001",
            "SWIGLU-001",
            "COMBINE-001",
            "COMBINE-003",
            "LINEAR-001",
            "ADD-001");
    private static final List<String> MLA_RULES = List.of(
            "MLA-001", "MLA-003", "MLA-004", "MLA-008", "LINEAR-001", "NORM-001", "ROPE-001", "KV-001", "KV-002");
    private static final List<String> GQA_RULES =
            List.of("GQA-001", "GQA-003", "MLA-004", "LINEAR-001", "NORM-002", "ROPE-001", "KV-001", "KV-002");

    private static final ChainGraph.Format FP8 = new ChainGraph.Format(
            "fp8", DType.F8_E4M3, new Quantization.Fp8Blocks(128, 128, DType.F32), ActivationFormat.FLOAT);
    private static final ChainGraph.Format FP8_ACTIVATIONS = new ChainGraph.Format(
            "fp8-fp8",
            DType.F8_E4M3,
            new Quantization.Fp8Blocks(128, 128, DType.F32),
            ActivationFormat.FP8_PER_TOKEN_128);
    private static final ChainGraph.Format INT8 =
            new ChainGraph.Format("int8", DType.I8, new Quantization.Int8Channels(DType.BF16), ActivationFormat.FLOAT);
    private static final ChainGraph.Format W8A8 = new ChainGraph.Format(
            "int8-int8", DType.I8, new Quantization.Int8Channels(DType.BF16), ActivationFormat.INT8_PER_TOKEN);
    private static final ChainGraph.Format INT4 = new ChainGraph.Format(
            "int4", DType.I4, new Quantization.Int4Groups(32, DType.BF16, false), ActivationFormat.FLOAT);

    /** Two sequences in three steps: prefill of one, decode beside a prefill, decode of both, with rows of padding. */
    private static final int[][] SHORT = {{5, 0}, {6, 3}, {7, 4}};

    private static final int[][] LONG = {{17, 0, 3}, {18, 9, 3}, {19, 10, 33}, {20, 11, 34}, {21, 12, 35}};

    private final CaseList cases;

    private ChainFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ChainFamilies families = new ChainFamilies(cases);
        for (ModelShape shape : ModelShape.all()) {
            for (DType dtype : List.of(DType.BF16, DType.F32, DType.F16)) {
                ChainGraph.Format plain = ChainGraph.Format.plain(dtype);
                boolean main = dtype == DType.BF16;
                Level level = main ? Level.SMOKE : Level.REQUIRED;
                families.experts(level, shape, dtype, plain, 7);
                families.experts(Level.REQUIRED, shape, dtype, plain, 1);
                families.experts(Level.REQUIRED, shape, dtype, plain, 33);
                families.attention(level, shape, dtype, plain, "short", SHORT);
                families.attention(Level.REQUIRED, shape, dtype, plain, "long", LONG);
                families.layer(Level.REQUIRED, shape, dtype, plain);
                families.model(level, shape, dtype, plain, "short", SHORT);
                families.model(Level.REQUIRED, shape, dtype, plain, "long", LONG);
            }
        }
        ModelShape v3 = ModelShape.deepSeekV3();
        for (ChainGraph.Format format : List.of(FP8, FP8_ACTIVATIONS, INT8, W8A8, INT4)) {
            families.experts(Level.SMOKE, v3, DType.BF16, format, 9);
            families.attention(Level.REQUIRED, v3, DType.BF16, format, "short", SHORT);
            families.model(Level.REQUIRED, v3, DType.BF16, format, "short", SHORT);
        }
        families.experts(Level.SMOKE, v3, DType.BF16, ChainGraph.Format.plain(DType.BF16), 0);
    }

    private static ChainGraph graph(
            String id, long seed, String name, ModelShape shape, DType dtype, ChainGraph.Format format) {
        return new ChainGraph(name, shape, dtype, format, RandomStream.of(id, seed, "weights"));
    }

    private static Scenario chain(String id, long seed, ChainGraph graph, List<Scenario.Step> steps) {
        return Chains.scenario(graph.builder().build(), graph.weights(), steps, RandomStream.of(id, seed, "ensemble"));
    }

    private static HostTensor hidden(String id, long seed, int step, DType dtype, int rows, int width) {
        RandomStream stream = RandomStream.of(id, seed, "x").split(step);
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal();
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    private static String variant(ModelShape shape, DType dtype, ChainGraph.Format format, String plan) {
        return shape.name() + "/" + Tensors.name(dtype) + "/w=" + format.name() + "/" + plan;
    }

    private void experts(Level level, ModelShape shape, DType dtype, ChainGraph.Format format, int tokens) {
        cases.add(
                level,
                "MoeLayer",
                format.name(),
                MOE_RULES,
                "routesWorksAndCombines",
                variant(shape, dtype, format, "T=" + tokens),
                CaseShape.FIXED.and("T", tokens, 0),
                (id, seed, at) -> expertsChain(id, seed, shape, dtype, format, at.get("T")));
    }

    /** Returns the experts of a layer in plain weights, over {@code tokens} rows. */
    static Scenario expertsChain(String id, long seed, ModelShape shape, DType dtype, int tokens) {
        return expertsChain(id, seed, shape, dtype, ChainGraph.Format.plain(dtype), tokens);
    }

    /** Returns the same over rows of batch {@code batch}: batches have the weights in common and rows of their own. */
    static Scenario expertsChain(String id, long seed, int batch, ModelShape shape, DType dtype, int tokens) {
        return expertsChain(id, seed, batch, shape, dtype, ChainGraph.Format.plain(dtype), tokens);
    }

    private static Scenario expertsChain(
            String id, long seed, ModelShape shape, DType dtype, ChainGraph.Format format, int tokens) {
        return expertsChain(id, seed, 0, shape, dtype, format, tokens);
    }

    private static Scenario expertsChain(
            String id, long seed, int batch, ModelShape shape, DType dtype, ChainGraph.Format format, int tokens) {
        ChainGraph graph = graph(id, seed, "moe", shape, dtype, format);
        Value y = graph.sparse(0, graph.hiddenInput());
        graph.builder().output("y", y);
        HostTensor x = hidden(id, seed, batch, dtype, tokens, shape.hidden());
        return chain(id, seed, graph, List.of(Scenario.Step.of(Map.of(Dim.TOKENS, (long) tokens), Map.of("x", x))));
    }

    private static List<Scenario.Step> steps(String id, long seed, ModelShape shape, DType dtype, int[][] lengths) {
        Timeline timeline = new Timeline(RandomStream.of(id, seed, "pages"), lengths, true, ChainGraph.PAGE_SIZE);
        List<Scenario.Step> steps = new ArrayList<>();
        for (int step = 0; step < timeline.steps(); step++) {
            Timeline.Rows rows = timeline.rows(step);
            Map<String, HostTensor> inputs = timeline.inputs(step);
            inputs.put("x", hidden(id, seed, step, dtype, rows.count(), shape.hidden()));
            steps.add(new Scenario.Step(timeline.dims(step, false), rows.batch(), inputs, null));
        }
        return steps;
    }

    private void attention(
            Level level, ModelShape shape, DType dtype, ChainGraph.Format format, String plan, int[][] lengths) {
        List<String> rules = switch (shape.attention()) {
            case ModelShape.Latent _ -> MLA_RULES;
            case ModelShape.Grouped _ -> GQA_RULES;
        };
        cases.add(
                level,
                "AttentionLayer",
                format.name(),
                rules,
                "projectsAppendsAttendsAndProjects",
                variant(shape, dtype, format, plan),
                Timeline.shape(lengths),
                (id, seed, at) -> attentionChain(id, seed, shape, dtype, format, Timeline.lengths(lengths, at)));
    }

    /** Returns the attention of a layer in plain weights, over prefill and decode of two sequences. */
    static Scenario attentionChain(String id, long seed, ModelShape shape, DType dtype) {
        return attentionChain(id, seed, shape, dtype, ChainGraph.Format.plain(dtype), SHORT);
    }

    private static Scenario attentionChain(
            String id, long seed, ModelShape shape, DType dtype, ChainGraph.Format format, int[][] lengths) {
        ChainGraph graph = graph(id, seed, "attention", shape, dtype, format);
        Value x = graph.hiddenInput();
        GraphBuilder.Paging paging = graph.paging();
        graph.builder().output("y", graph.attention(0, x, paging));
        return chain(id, seed, graph, steps(id, seed, shape, dtype, lengths));
    }

    private void layer(Level level, ModelShape shape, DType dtype, ChainGraph.Format format) {
        List<String> rules = new ArrayList<>(MOE_RULES);
        rules.addAll(
                switch (shape.attention()) {
                    case ModelShape.Latent _ -> MLA_RULES;
                    case ModelShape.Grouped _ -> GQA_RULES;
                });
        cases.add(
                level,
                "DecoderLayer",
                format.name(),
                rules,
                "decodesALayer",
                variant(shape, dtype, format, "short"),
                Timeline.shape(SHORT),
                (id, seed, at) -> {
                    ChainGraph graph = graph(id, seed, "layer", shape, dtype, format);
                    Value x = graph.hiddenInput();
                    GraphBuilder.Paging paging = graph.paging();
                    graph.builder().output("y", graph.layer(shape.denseLayers(), x, paging));
                    return chain(id, seed, graph, steps(id, seed, shape, dtype, Timeline.lengths(SHORT, at)));
                });
    }

    private void model(
            Level level, ModelShape shape, DType dtype, ChainGraph.Format format, String plan, int[][] lengths) {
        List<String> rules = new ArrayList<>(List.of("EMBED-001", "SELECT-001", "ARGMAX-001", "RUN-007"));
        rules.addAll(MOE_RULES);
        rules.addAll(
                switch (shape.attention()) {
                    case ModelShape.Latent _ -> MLA_RULES;
                    case ModelShape.Grouped _ -> GQA_RULES;
                });
        cases.add(
                level,
                "Model",
                format.name(),
                rules,
                "prefillsAndDecodesAModel",
                variant(shape, dtype, format, plan),
                Timeline.shape(lengths).and("layers", shape.layers(), shape.denseLayers() + 1),
                (id, seed, at) -> modelChain(
                        id,
                        seed,
                        shape.withLayers(at.get("layers")),
                        dtype,
                        format,
                        Timeline.lengths(lengths, at),
                        true));
    }

    /** Returns a model in plain weights. A token depends on its sequence and position, not on how steps are cut. */
    static Scenario modelChain(String id, long seed, ModelShape shape, DType dtype, int[][] lengths, boolean padded) {
        return modelChain(id, seed, shape, dtype, ChainGraph.Format.plain(dtype), lengths, padded);
    }

    private static Scenario modelChain(
            String id,
            long seed,
            ModelShape shape,
            DType dtype,
            ChainGraph.Format format,
            int[][] lengths,
            boolean padded) {
        ChainGraph graph = graph(id, seed, "model", shape, dtype, format);
        graph.model();
        Timeline timeline = new Timeline(RandomStream.of(id, seed, "pages"), lengths, padded, ChainGraph.PAGE_SIZE);
        RandomStream tokens = RandomStream.of(id, seed, "tokens");
        List<Scenario.Step> steps = new ArrayList<>();
        for (int step = 0; step < timeline.steps(); step++) {
            Timeline.Rows rows = timeline.rows(step);
            Map<String, HostTensor> inputs = timeline.inputs(step);
            int[] ids = new int[rows.count()];
            for (int row = 0; row < ids.length; row++) {
                int position = Math.max(0, rows.positions()[row]);
                int sequence = Math.max(0, rows.sequences()[row]);
                ids[row] = tokens.split(sequence).split(position).nextInt(shape.vocabulary());
            }
            inputs.put("tokens", HostTensor.ints(new int[] {ids.length}, ids));
            inputs.put("output_rows", HostTensor.ints(new int[] {rows.ends().length}, rows.ends()));
            steps.add(new Scenario.Step(timeline.dims(step, true), rows.batch(), inputs, null));
        }
        return chain(id, seed, graph, steps);
    }
}
