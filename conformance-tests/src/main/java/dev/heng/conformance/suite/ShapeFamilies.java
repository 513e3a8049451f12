package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Backend;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Products in the shapes of released models, token counts one by one, and a stack of experts beyond 2^31 elements. N and K are those of the
 * models' config.json: hidden, ranks and head widths, widths of experts.
 */
final class ShapeFamilies {

    /** A matrix of a released model. */
    private record Matrix(Level level, String name, int n, int k) {}

    private static final List<Matrix> MATRICES = List.of(
            new Matrix(Level.REQUIRED, "deepseek-v3.kv_a_proj", 576, 7168),
            new Matrix(Level.REQUIRED, "deepseek-v3.router", 256, 7168),
            new Matrix(Level.REQUIRED, "deepseek-v2-lite.kv_a_proj", 576, 2048),
            new Matrix(Level.REQUIRED, "deepseek-v2-lite.expert.gate_proj", 1408, 2048),
            new Matrix(Level.REQUIRED, "deepseek-moe-16b.expert.down_proj", 2048, 1408),
            new Matrix(Level.REQUIRED, "qwen3-30b-a3b.expert.gate_proj", 768, 2048),
            new Matrix(Level.REQUIRED, "glm-4.5.k_proj", 1024, 5120),
            new Matrix(Level.REQUIRED, "kimi-k2.router", 384, 7168),
            new Matrix(Level.NIGHTLY, "deepseek-v3.q_a_proj", 1536, 7168),
            new Matrix(Level.NIGHTLY, "deepseek-v3.q_b_proj", 24576, 1536),
            new Matrix(Level.NIGHTLY, "deepseek-v3.expert.gate_proj", 2048, 7168),
            new Matrix(Level.NIGHTLY, "deepseek-v3.expert.down_proj", 7168, 2048),
            new Matrix(Level.NIGHTLY, "deepseek-v2-lite.mlp.gate_proj", 10944, 2048),
            new Matrix(Level.NIGHTLY, "deepseek-v2-lite.mlp.down_proj", 2048, 10944),
            new Matrix(Level.NIGHTLY, "kimi-k2.q_b_proj", 12288, 1536),
            new Matrix(Level.NIGHTLY, "glm-4.5.expert.gate_proj", 1536, 5120),
            new Matrix(Level.NIGHTLY, "qwen3-235b-a22b.expert.down_proj", 4096, 1536));

    private final CaseList cases;

    private ShapeFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ShapeFamilies families = new ShapeFamilies(cases);
        for (Matrix matrix : MATRICES) {
            ProductFamilies.real(cases, matrix.level(), matrix.name(), matrix.n(), matrix.k(), 3);
        }
        for (int tokens = 0; tokens <= 130; tokens++) {
            boolean sampled =
                    tokens == 2 || tokens == 7 || tokens == 8 || tokens == 31 || tokens == 65 || tokens == 128;
            ProductFamilies.tokens(cases, sampled ? Level.REQUIRED : Level.NIGHTLY, tokens);
        }
        for (int tokens : new int[] {1023, 1024, 1025}) {
            ProductFamilies.tokens(cases, tokens == 1025 ? Level.REQUIRED : Level.NIGHTLY, tokens);
        }
        families.beyondIntegers();
    }

    private void beyondIntegers() {
        cases.experiment(
                Level.NIGHTLY,
                "GroupedLinear",
                "bf16",
                List.of("GROUPED-002", "QUANT-003"),
                "multipliesBeyondTwoToThe31Elements",
                "256x7168x2048",
                (id, seed, bench) -> beyond(id, seed, bench.device()));
    }

    /** 256 experts of 7,168 x 2,048 in BF16: 3.76 billion elements, of which the first and the last expert are asked for. */
    private static Experiment.Finding beyond(String id, long seed, Backend device) {
        int experts = 256;
        int n = 7168;
        int k = 2048;
        TensorType type = TensorType.of(DType.BF16, Shape.of(experts, n, k));
        long bytes = 2L * experts * n * k;
        GraphBuilder builder = new GraphBuilder("beyond");
        Value rows = builder.input("rows", TensorType.of(DType.BF16, Dim.of(Dim.TOKENS), Dim.of(k)));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Shape.of(experts + 1L)));
        Value weight = builder.weight("experts", type);
        builder.output(
                "y", builder.groupedLinear("grouped", rows, offsets, weight, ActivationFormat.FLOAT, DType.BF16));
        RandomStream stream = RandomStream.of(id, seed, "experts");
        double[] first = MatrixFill.ONE_HOT
                .fill(stream.split(0), HostTensor.format(DType.BF16), Operand.WEIGHTS, n, k)
                .values();
        double[] last = new double[n * k];
        for (int row = 0; row < n; row++) {
            // Names its row: whichever other one is read shows.
            last[row * k + row % k] = row % 251 + 1;
        }
        MemorySegment common = segment(first);
        List<WeightSource.Part> parts = new ArrayList<>();
        for (int expert = 0; expert < experts - 1; expert++) {
            parts.add(new WeightSource.Part(common, null, null));
        }
        parts.add(new WeightSource.Part(segment(last), null, null));
        StoredWeight stored = new StoredWeight(type, new WeightSource.WeightData(parts), last);
        int[] bounds = new int[experts + 1];
        bounds[experts] = 2;
        double[] x = new double[2 * k];
        Arrays.fill(x, 1);
        Scenario scenario = Scenario.of(
                builder.build(),
                Map.of("experts", stored),
                Map.of(Dim.TOKENS, 2L),
                Map.of(
                        "rows",
                        HostTensor.floats(DType.BF16, new int[] {2, k}, x),
                        "offsets",
                        HostTensor.ints(new int[] {experts + 1}, bounds)),
                (_, _, _) -> List.of());
        String refusal = Session.refusal(device, scenario);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        long free = device.memory().freeBytes();
        if (free < bytes + bytes / 4) {
            return Experiment.Finding.declined("memory: " + free + " bytes are free and " + (bytes + bytes / 4)
                    + " are needed, so offsets beyond 2^31 elements stay untested on this machine");
        }
        double[] exact = new double[2 * n];
        for (int column = 0; column < n; column++) {
            exact[column] = column % 251 + 1;
            exact[n + column] = exact[column];
        }
        try (Session session = Session.open(device, scenario)) {
            session.write(0);
            session.run(0);
            HostTensor y = Checks.output(session.read(0), "y");
            return Experiment.Finding.of(List.of(
                    Checks.within("y of the last expert", y, exact, new IntervalBound(Formula.F1, new double[2 * n]))));
        }
    }

    private static MemorySegment segment(double[] values) {
        return MemorySegment.ofArray(
                HostTensor.floats(DType.BF16, new int[] {values.length}, values).bytes());
    }
}
