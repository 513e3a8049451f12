package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The embedded model on the reference against transformers' float32 outputs (models/poet/README.md). */
class PoetTest {

    private static final double BOUND = 2e-5;

    /** The mean over all windows, models/poet/README.md. It counts to four digits: the last ones hang on the arithmetic of the softmax. */
    private static final double README_WINDOWS = 4.126583;

    /** The same by transformers 5.18.0 on a processor, in float32 with the logarithm of the softmax in float64. */
    private static final double ALL_WINDOWS = 4.126586;

    private static final int TARGETS = 129_024;

    /** Windows of the subset that every build computes. */
    private static final int FIRST_WINDOWS_COUNT = 16;

    /** Its mean, likewise: 2,048 targets. */
    private static final double FIRST_WINDOWS = 4.454522;

    /**
     * How far float32 logits may move a mean: a logit's error is far below 1e-5 (logits of about 10, relative error below 1e-6), and its effects on thousands of targets
     * have no common sign. The numbers above are rounded at their sixth decimal besides.
     */
    private static final double LIKELIHOOD_SLACK = 5e-6;

    private static final int BATCH = 8;

    private static Path folder() {
        return RepositoryFiles.of("models/poet");
    }

    private static Golden golden() {
        return new Golden(folder().resolve("golden.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw.0", "raw.1", "raw.2", "chat.0", "chat.1"})
    void promptLogitsAndGreedyTextsAreTransformers(String prompt, TestReporter reporter) {
        try (Golden golden = golden()) {
            int[] ids = vector(golden, prompt + ".prompt");
            int[] text = vector(golden, prompt + ".greedy");
            try (TestModel model = TestModel.load(
                            folder(),
                            new GraphOptions(DType.F32, GraphOptions.DEFAULT_PAGE_SIZE, true, false, false),
                            RunLimits.inspection(ids.length, ids.length));
                    Session session = model.compiled().open()) {
                session.run(List.of(new Feed(0, ids, Wanted.ALL)));
                double error = Golden.relativeRms(session.floats(Names.LOGITS), golden.floats(prompt + ".logits"));
                reporter.publishEntry(prompt + " logits, relative RMS", Double.toString(error));
                assertTrue(error <= BOUND, () -> prompt + " is off by " + error);
            }
            try (TestModel model = TestModel.load(
                            folder(), GraphOptions.generation(DType.F32), RunLimits.generation(text.length, 16));
                    Session session = model.compiled().open()) {
                GenerationRequest request = new GenerationRequest(
                        Arrays.stream(ids).boxed().toList(),
                        Sampling.GREEDY,
                        Set.copyOf(model.compiled().config().endIds()),
                        List.of(),
                        text.length - ids.length);
                Generation generation = new Generator(session).generate(request, new IdDecoder(), _ -> {}, () -> false);
                reporter.publishEntry(prompt, generation.statistics());
                assertEquals(
                        Arrays.stream(text, ids.length, text.length).boxed().toList(), generation.tokens());
            }
        }
    }

    @Test
    void theFirstHeldOutWindowsAreAsLikelyAsTransformersSays(TestReporter reporter) {
        double mean = meanNegativeLogLikelihood(FIRST_WINDOWS_COUNT, reporter);
        assertEquals(FIRST_WINDOWS, mean, 5e-7 + LIKELIHOOD_SLACK);
    }

    @Test
    @Tag("nightly")
    void allHeldOutPoemsAreAsLikelyAsTheModelsReadmeSays(TestReporter reporter) {
        double mean = meanNegativeLogLikelihood(Integer.MAX_VALUE, reporter);
        assertEquals(README_WINDOWS, mean, 5e-5);
        assertEquals(ALL_WINDOWS, mean, 5e-7 + LIKELIHOOD_SLACK);
    }

    /** Computes the mean over all targets of the first {@code most} windows, several windows to a run. */
    private static double meanNegativeLogLikelihood(int most, TestReporter reporter) {
        long start = System.nanoTime();
        double sum = 0;
        int targets = 0;
        try (Golden validation = new Golden(folder().resolve("validation.safetensors"))) {
            int windows = Math.min(most, validation.dim("windows", 0));
            int length = validation.dim("windows", 1) - 1;
            RunLimits limits = new RunLimits(length, BATCH * length, BATCH * length, BATCH);
            GraphOptions options = new GraphOptions(DType.F32, GraphOptions.DEFAULT_PAGE_SIZE, true, false, false);
            try (TestModel model = TestModel.load(folder(), options, limits);
                    Session session = model.compiled().open()) {
                for (int first = 0; first < windows; first += BATCH) {
                    int[][] batch = new int[Math.min(BATCH, windows - first)][];
                    List<Feed> feeds = new ArrayList<>();
                    for (int row = 0; row < batch.length; row++) {
                        batch[row] = validation.ids("windows", first + row);
                        session.truncate(row, 0);
                        feeds.add(new Feed(row, Arrays.copyOf(batch[row], length), Wanted.ALL));
                    }
                    session.run(feeds);
                    float[] logits = session.floats(Names.LOGITS);
                    int vocabulary = logits.length / (batch.length * length);
                    for (int row = 0; row < batch.length; row++) {
                        for (int position = 0; position < length; position++) {
                            int from = (row * length + position) * vocabulary;
                            sum += negativeLogLikelihood(logits, from, vocabulary, batch[row][position + 1]);
                            targets++;
                        }
                    }
                }
            }
            if (windows == validation.dim("windows", 0)) {
                assertEquals(TARGETS, targets);
            }
        }
        double mean = sum / targets;
        reporter.publishEntry(
                "negative log-likelihood per token",
                mean + " over " + targets + " targets in " + (System.nanoTime() - start) / 1_000_000 + " ms");
        return mean;
    }

    private static double negativeLogLikelihood(float[] logits, int from, int vocabulary, int target) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int index = 0; index < vocabulary; index++) {
            largest = Math.max(largest, logits[from + index]);
        }
        double sum = 0;
        for (int index = 0; index < vocabulary; index++) {
            sum += Math.exp(logits[from + index] - largest);
        }
        return Math.log(sum) + largest - logits[from + target];
    }

    private static int[] vector(Golden golden, String name) {
        return golden.ids(name, 0);
    }
}
