package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every checkpoint of goldens/ on the reference against transformers' float32 outputs (goldens/README.md). */
class GoldenTest {

    /** What issue and README promise for logits and each hidden state, relative RMS. */
    private static final double BOUND = 2e-5;
    /** What one chunk and many chunks may differ by: the order of no sum depends on the chunk, so this is slack for a device; the reference gives 0. */
    private static final double CHUNK_BOUND = 1e-6;

    /** Less than a golden's 40 tokens and no divisor of them, so that sequences take several pages and the last is partial. */
    private static final int PAGE_SIZE = 7;

    private static List<Path> folders() throws IOException {
        try (Stream<Path> entries = Files.list(RepositoryFiles.of("goldens"))) {
            return entries.filter(folder -> Files.exists(folder.resolve("golden.safetensors")))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void everyFamilyHasAGolden() throws IOException {
        List<String> names = folders().stream()
                .map(folder -> folder.getFileName().toString())
                .toList();
        assertFalse(names.isEmpty(), "goldens/ holds no golden.safetensors");
        for (String family : List.of(
                "deepseek-v3", "deepseek-v2", "kimi-k2", "deepseek-llm", "deepseek-moe", "glm4-moe", "qwen3-moe")) {
            assertTrue(
                    names.stream().anyMatch(name -> name.startsWith(family)),
                    "no golden of " + family + " in " + names);
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void logitsAndHiddenStatesAreTransformers(Path folder, TestReporter reporter) {
        try (Golden golden = new Golden(folder.resolve("golden.safetensors"))) {
            int batch = golden.dim("input_ids", 0);
            int length = golden.dim("input_ids", 1);
            GraphOptions options = GraphOptions.inspection(DType.F32).withPageSize(PAGE_SIZE);
            RunLimits limits = new RunLimits(length, batch * length, batch * length, batch);
            try (TestModel model = TestModel.load(folder, options, limits);
                    Session session = model.compiled().open()) {
                // Both sequences in one run: a batch must not mix them.
                List<Feed> feeds = new ArrayList<>();
                for (int row = 0; row < batch; row++) {
                    feeds.add(new Feed(row, golden.ids("input_ids", row), Wanted.ALL));
                }
                session.run(feeds);
                Map<String, Double> errors = new HashMap<>();
                for (String output : session.graph().outputs().keySet()) {
                    errors.put(output, Golden.relativeRms(session.floats(output), golden.floats(output)));
                }
                assertEquals(model.compiled().config().layers() + 2, errors.size());
                reporter.publishEntry(folder.getFileName() + " relative RMS", errors.toString());
                errors.forEach((output, error) ->
                        assertTrue(error <= BOUND, () -> folder + ": " + output + " is off by " + error));

                float[] whole = session.floats(Names.LOGITS);
                for (int chunk : new int[] {1, 7, 16, length}) {
                    float[] pieces = inChunks(session, golden, batch, chunk);
                    double error = Golden.relativeRms(pieces, whole);
                    assertTrue(error <= CHUNK_BOUND, () -> folder + ": chunks of " + chunk + " differ by " + error);
                }
            }
        }
    }

    /** Feeds the sequences one after the other in chunks; with chunks of one token this is decoding. */
    private static float[] inChunks(Session session, Golden golden, int batch, int chunk) {
        float[][] logits = new float[batch][];
        for (int row = 0; row < batch; row++) {
            session.truncate(row, 0);
        }
        for (int row = batch - 1; row >= 0; row--) {
            int[] ids = golden.ids("input_ids", row);
            float[] sequence = new float[0];
            for (int start = 0; start < ids.length; start += chunk) {
                int[] piece = Arrays.copyOfRange(ids, start, Math.min(ids.length, start + chunk));
                session.run(List.of(new Feed(row, piece, Wanted.ALL)));
                float[] next = session.floats(Names.LOGITS);
                int at = sequence.length;
                sequence = Arrays.copyOf(sequence, at + next.length);
                System.arraycopy(next, 0, sequence, at, next.length);
            }
            logits[row] = sequence;
        }
        float[] all = new float[batch * logits[0].length];
        for (int row = 0; row < batch; row++) {
            System.arraycopy(logits[row], 0, all, row * logits[row].length, logits[row].length);
        }
        return all;
    }

    @ParameterizedTest
    @MethodSource("folders")
    void greedyTokensAreTransformers(Path folder, TestReporter reporter) {
        try (Golden golden = new Golden(folder.resolve("golden.safetensors"))) {
            int[] prompt = golden.ids("greedy.prompt", 0);
            int[] output = golden.ids("greedy.output", 0);
            int decided = decided(folder, prompt, output, reporter);
            List<Integer> generated = generate(folder, prompt, output.length - prompt.length);
            int[] expected = Arrays.copyOfRange(output, prompt.length, prompt.length + decided);
            assertEquals(
                    Arrays.stream(expected).boxed().toList(),
                    generated.subList(0, decided),
                    folder + " generates other tokens");
        }
    }

    /** Returns how many tokens from the first on follow from logits whose two largest are farther apart than the error that {@link #BOUND} allows. */
    private static int decided(Path folder, int[] prompt, int[] output, TestReporter reporter) {
        try (TestModel model = TestModel.load(
                        folder,
                        GraphOptions.inspection(DType.F32).withPageSize(PAGE_SIZE),
                        RunLimits.inspection(output.length, output.length));
                Session session = model.compiled().open()) {
            session.run(List.of(new Feed(0, output, Wanted.ALL)));
            float[] logits = session.floats(Names.LOGITS);
            int vocabulary = logits.length / output.length;
            StringBuilder margins = new StringBuilder();
            int decided = 0;
            boolean open = false;
            for (int position = prompt.length - 1; position < output.length - 1; position++) {
                Margin margin = Margin.of(logits, position * vocabulary, vocabulary);
                margins.append(String.format(Locale.ROOT, " %.2e/%.2e", margin.gap(), margin.bound()));
                open |= margin.gap() <= margin.bound();
                if (!open) {
                    decided++;
                }
            }
            reporter.publishEntry(folder.getFileName() + " margins/bounds", margins.toString());
            return decided;
        }
    }

    /**
     * How far the two largest logits are apart.
     *
     * @param gap their difference
     * @param bound what two elements of a row can differ by together if the row's error is {@link #BOUND} of its norm: sqrt(2) of that
     */
    private record Margin(double gap, double bound) {
        static Margin of(float[] logits, int from, int length) {
            float first = Float.NEGATIVE_INFINITY;
            float second = Float.NEGATIVE_INFINITY;
            double square = 0;
            for (int index = from; index < from + length; index++) {
                float logit = logits[index];
                square += (double) logit * logit;
                if (logit > first) {
                    second = first;
                    first = logit;
                } else if (logit > second) {
                    second = logit;
                }
            }
            return new Margin((double) first - second, Math.sqrt(2 * square) * BOUND);
        }
    }

    private static List<Integer> generate(Path folder, int[] prompt, int tokens) {
        GraphOptions options = GraphOptions.generation(DType.F32).withPageSize(PAGE_SIZE);
        try (TestModel model = TestModel.load(folder, options, RunLimits.generation(prompt.length + tokens, 5));
                Session session = model.compiled().open()) {
            GenerationRequest request = new GenerationRequest(
                    Arrays.stream(prompt).boxed().toList(), Sampling.GREEDY, Set.of(), List.of(), tokens);
            return new Generator(session)
                    .generate(request, new IdDecoder(), _ -> {}, () -> false)
                    .tokens();
        }
    }

    private static List<Path> foldersWithLongTexts() throws IOException {
        return folders().stream()
                .filter(folder -> {
                    try (Golden golden = new Golden(folder.resolve("golden.safetensors"))) {
                        return golden.has("long.input_ids");
                    }
                })
                .toList();
    }

    /** Beyond the trained context of YaRN, and through many pages. */
    @ParameterizedTest
    @MethodSource("foldersWithLongTexts")
    void longTextsAreTransformers(Path folder, TestReporter reporter) {
        try (Golden golden = new Golden(folder.resolve("golden.safetensors"))) {
            int[] ids = golden.ids("long.input_ids", 0);
            float[] expected = golden.floats("long.logits");
            int rows = golden.dim("long.logits", 1);
            GraphOptions options = new GraphOptions(DType.F32, PAGE_SIZE, true, false, false);
            try (TestModel model = TestModel.load(folder, options, new RunLimits(ids.length, 64, rows, 1));
                    Session session = model.compiled().open()) {
                int last = ids.length - rows;
                for (int start = 0; start < last; start += 64) {
                    session.run(List.of(
                            new Feed(0, Arrays.copyOfRange(ids, start, Math.min(last, start + 64)), Wanted.NONE)));
                }
                session.run(List.of(new Feed(0, Arrays.copyOfRange(ids, last, ids.length), Wanted.ALL)));
                double error = Golden.relativeRms(session.floats(Names.LOGITS), expected);
                reporter.publishEntry(folder.getFileName() + " long", Double.toString(error));
                assertTrue(error <= BOUND, () -> folder + ": long logits are off by " + error);
            }
        }
    }
}
