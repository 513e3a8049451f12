package dev.heng.conformance.suite;

import dev.heng.conformance.chain.Ensemble;
import dev.heng.conformance.chain.Numbers;
import dev.heng.conformance.random.RandomStream;
import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.runtime.family.Names;
import dev.heng.spi.Backend;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A trained model: poet, with the graph that the runtime builds, through prefill and greedy decode. Trained weights route and attend as no
 * random ones do. Declined with a reason where the model's folder is not at hand.
 */
final class PoetExperiments {

    private static final int PROMPT = 14;
    private static final int DECODED = 5;
    private static final int PAGE_SIZE = 16;

    private PoetExperiments() {}

    static void addTo(CaseList cases) {
        cases.experiment(
                Level.REQUIRED,
                "Model",
                "bf16",
                List.of("EMBED-001", "MLA-001", "ROUTE-013", "COMBINE-001", "ROPE-001", "NORM-001", "ARGMAX-001"),
                "decodesPoet",
                "bf16",
                (id, seed, bench) -> decode(id, seed, bench.device()));
    }

    private static Experiment.Finding decode(String id, long seed, Backend device) {
        Path folder = Path.of(System.getProperty("heng.home", "."), "models", "poet");
        if (!Files.isRegularFile(folder.resolve("config.json"))) {
            return Experiment.Finding.declined("the model poet is not in " + folder.toAbsolutePath()
                    + ": name Heng's folder by the system property heng.home");
        }
        ModelConfig config = ModelConfig.read(folder);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            WeightCatalog catalog = new WeightCatalog(checkpoint, config, ActivationRounding.NONE);
            Graph built = ModelGraph.of(config, catalog, new GraphOptions(DType.BF16, PAGE_SIZE, true, false, false));
            Graph graph = Chains.withOutputs(built, routed(built));
            Map<String, StoredWeight> weights = new HashMap<>();
            for (Value weight : graph.weights()) {
                weights.put(weight.name(), stored(weight, catalog.source().data(weight)));
            }
            RandomStream stream = RandomStream.of(id, seed, "poet");
            Text text = greedy(graph, weights, config.vocabularySize(), stream);
            Scenario chain = Chains.scenario(graph, weights, text.steps(), stream.split("ensemble"));
            String refusal = Session.refusal(device, chain);
            if (!refusal.isEmpty()) {
                return Experiment.Finding.declined(refusal);
            }
            List<Check> checks = new ArrayList<>();
            int equal = 0;
            try (Session session = Session.open(device, chain)) {
                List<Map<String, HostTensor>> outputs = session.all();
                for (int step = 0; step < outputs.size(); step++) {
                    checks.addAll(chain.judge().judge(step, outputs.get(step), device.numerics()));
                    HostTensor logits = Checks.output(outputs.get(step), Names.LOGITS);
                    equal += largest(logits.doubles()) == text.next().get(step) ? 1 : 0;
                }
            }
            // Logits within their bounds choose another token only where its margin explains it.
            return new Experiment.Finding(
                    checks,
                    List.of(),
                    List.of(equal + " of " + text.next().size() + " greedy tokens are the truth's"),
                    "");
        }
    }

    /** Returns what routers see and choose, for the judge to follow. */
    private static List<Value> routed(Graph graph) {
        List<Value> values = new ArrayList<>();
        for (Node node : graph.nodes()) {
            if (node.op() instanceof Op.Route) {
                values.add(node.operand(0));
                values.addAll(node.results());
            }
        }
        return values;
    }

    private static StoredWeight stored(Value weight, WeightSource.WeightData data) {
        List<double[]> parts = new ArrayList<>();
        int elements = 0;
        for (WeightSource.Part part : data.parts()) {
            byte[] bytes = new byte[Math.toIntExact(part.elements().byteSize())];
            MemorySegment.copy(part.elements(), 0, MemorySegment.ofArray(bytes), 0, bytes.length);
            double[] values = new HostTensor(weight.type().dtype(), new int[] {bytes.length}, bytes).doubles();
            parts.add(values);
            elements += values.length;
        }
        double[] real = new double[elements];
        int at = 0;
        for (double[] part : parts) {
            System.arraycopy(part, 0, real, at, part.length);
            at += part.length;
        }
        return new StoredWeight(weight.type(), data, real);
    }

    /** A prompt and what the truth goes on with: the steps, and the token after each. */
    private record Text(List<Scenario.Step> steps, List<Integer> next) {}

    private static Text greedy(Graph graph, Map<String, StoredWeight> weights, int vocabulary, RandomStream stream) {
        int[][] lengths = new int[1 + DECODED][1];
        for (int step = 0; step < lengths.length; step++) {
            lengths[step][0] = PROMPT + step;
        }
        Timeline timeline = new Timeline(stream.split("pages"), lengths, false, PAGE_SIZE);
        Ensemble truth = new Ensemble(graph, ChainJudge.real(weights), Chains.doubleProfile(), 0, stream);
        List<Scenario.Step> steps = new ArrayList<>();
        List<Integer> next = new ArrayList<>();
        for (int step = 0; step < lengths.length; step++) {
            Timeline.Rows rows = timeline.rows(step);
            int[] tokens = new int[rows.count()];
            for (int row = 0; row < tokens.length; row++) {
                tokens[row] = step == 0 ? stream.nextInt(vocabulary) : next.getLast();
            }
            Map<String, HostTensor> inputs = timeline.inputs(step);
            inputs.put(Names.TOKENS, HostTensor.ints(new int[] {tokens.length}, tokens));
            inputs.put(Names.OUTPUT_ROWS, HostTensor.ints(new int[] {1}, tokens.length - 1));
            steps.add(new Scenario.Step(timeline.dims(step, true), rows.batch(), inputs, null));
            truth.advance(steps.getLast().dims(), ChainJudge.numbers(inputs), Map.of());
            Value logits = graph.outputs().get(Names.LOGITS);
            if (logits == null) {
                throw new IllegalStateException("poet's graph has no logits");
            }
            Numbers exact = truth.truth(logits);
            next.add(largest(exact.values()));
        }
        return new Text(steps, next);
    }

    private static int largest(double[] logits) {
        int picked = 0;
        for (int index = 1; index < logits.length; index++) {
            picked = logits[index] > logits[picked] ? index : picked;
        }
        return picked;
    }
}
