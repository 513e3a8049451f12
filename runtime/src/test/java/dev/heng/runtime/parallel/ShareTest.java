package dev.heng.runtime.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.Share;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.runtime.generate.TestModel;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.Backend;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models shared among ranks give what they give on one device: each golden's own bound, and the same bits on every rank. */
final class ShareTest {

    /** As GoldenTest.BOUND: relative RMS of float32 chains of these depths. A sum over ranks adds one rounding for each rank. */
    private static final double BOUND = 2e-5;

    private static final int PAGE_SIZE = 7;

    @ParameterizedTest
    @CsvSource({
        "deepseek-v3-tiny, 2, true, true",
        "deepseek-v3-tiny, 4, true, true",
        "deepseek-v3-tiny, 4, true, false",
        "deepseek-v3-tiny, 4, false, true",
        "deepseek-v3-tiny-attention-bias, 3, false, true",
        "deepseek-v3-tiny-int8, 4, true, true",
        "deepseek-v3-tiny-int4, 4, false, true",
        "deepseek-v3-tiny-fp8, 4, false, true",
        "deepseek-v3-tiny-w8a8, 2, false, true",
        "deepseek-v2-lite-tiny, 2, true, true",
        "glm4-moe-tiny, 5, false, true",
        "qwen3-moe-tiny, 3, true, false",
        "deepseek-llm-tiny-dense, 2, true, false",
    })
    void logitsAreThoseOfOneDevice(String golden, int ranks, boolean tensors, boolean experts) {
        Path folder = RepositoryFiles.of("goldens/" + golden);
        try (Checkpoint expected = Checkpoint.open(folder.resolve("golden.safetensors"))) {
            int length = Math.toIntExact(
                    expected.require("input_ids").shape().dim(-1).size());
            int[] ids = Arrays.stream(expected.require("input_ids").integers(), 0, length)
                    .mapToInt(Math::toIntExact)
                    .toArray();
            List<float[]> logits = Ranks.run(
                    ranks,
                    communicator ->
                            logits(folder, new Share(communicator.rank(), ranks, tensors, experts), communicator, ids));
            float[] wanted = Arrays.copyOf(expected.require("logits").floats(), logits.getFirst().length);
            for (float[] rank : logits) {
                assertArrayEquals(logits.getFirst(), rank, "ranks differ");
                double error = relativeRms(rank, wanted);
                assertTrue(error <= BOUND, () -> golden + " over " + ranks + " ranks is off by " + error);
            }
        }
    }

    private static float[] logits(Path folder, Share share, Communicator communicator, int[] ids) {
        GraphOptions options = new GraphOptions(DType.F32, PAGE_SIZE, true, false, false).withShare(share);
        RunLimits limits = new RunLimits(ids.length, ids.length, ids.length, 1);
        try (Backend rank = new ParallelBackend(TestModel.reference(), communicator);
                TestModel model = TestModel.load(folder, options, limits, rank);
                Session session = model.compiled().open()) {
            // In two pieces, so that the second reads the cache that the first filled.
            int half = ids.length / 2;
            session.run(List.of(new Feed(0, Arrays.copyOf(ids, half), Wanted.ALL)));
            float[] first = session.floats(Names.LOGITS);
            session.run(List.of(new Feed(0, Arrays.copyOfRange(ids, half, ids.length), Wanted.ALL)));
            float[] second = session.floats(Names.LOGITS);
            float[] all = Arrays.copyOf(first, first.length + second.length);
            System.arraycopy(second, 0, all, first.length, second.length);
            return all;
        }
    }

    private static double relativeRms(float[] got, float[] wanted) {
        double difference = 0;
        double square = 0;
        for (int index = 0; index < got.length; index++) {
            double error = (double) got[index] - wanted[index];
            difference += error * error;
            square += (double) wanted[index] * wanted[index];
        }
        return Math.sqrt(difference / square);
    }

    @ParameterizedTest
    @CsvSource({"2", "4"})
    void poetWritesTheSameOnEveryRank(int ranks) {
        Path folder = RepositoryFiles.of("models/poet");
        try (Checkpoint golden = Checkpoint.open(folder.resolve("golden.safetensors"))) {
            int[] prompt = ids(golden, "raw.0.prompt");
            int[] greedy = Arrays.copyOf(ids(golden, "raw.0.greedy"), prompt.length + 8);
            List<List<Integer>> texts = Ranks.run(
                    ranks,
                    communicator -> generate(
                            folder, new Share(communicator.rank(), ranks, true, true), communicator, prompt, 8));
            List<Integer> expected =
                    Arrays.stream(greedy, prompt.length, greedy.length).boxed().toList();
            for (List<Integer> text : texts) {
                assertEquals(expected, text);
            }
        }
    }

    private static List<Integer> generate(
            Path folder, Share share, Communicator communicator, int[] prompt, int tokens) {
        GraphOptions options = GraphOptions.generation(DType.F32).withShare(share);
        try (Backend rank = new ParallelBackend(TestModel.reference(), communicator);
                TestModel model = TestModel.load(
                        folder, options, RunLimits.generation(prompt.length + tokens, prompt.length), rank);
                Session session = model.compiled().open()) {
            List<Integer> text = new ArrayList<>();
            session.run(List.of(new Feed(0, prompt, Wanted.LAST)));
            text.add(session.sampledToken(0));
            while (text.size() < tokens) {
                session.continueSampled();
                text.add(session.sampledToken(0));
            }
            return text;
        }
    }

    private static int[] ids(Checkpoint golden, String name) {
        return Arrays.stream(golden.require(name).integers())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    @ParameterizedTest
    @CsvSource({
        "deepseek-v3-tiny, 3, true, false, 4 attention heads cannot be shared among 3 ranks",
        "llama-tiny-head-dim, 2, true, false, 1 key and value heads cannot be shared",
        "deepseek-v3-tiny-int4, 2, true, true, no multiple of 32",
        "deepseek-v3-tiny-fp8, 2, true, true, no multiple of 128",
        "deepseek-v3-tiny-w8a8, 2, true, true, rounded by whole rows",
    })
    void whatCannotBeSharedIsSaid(String golden, int ranks, boolean tensors, boolean experts, String words) {
        Path folder = RepositoryFiles.of("goldens/" + golden);
        HengException refused = assertThrows(HengException.class, () -> {
            GraphOptions options = new GraphOptions(DType.F32, PAGE_SIZE, true, false, false)
                    .withShare(new Share(1, ranks, tensors, experts));
            try (Backend rank = new ParallelBackend(TestModel.reference(), new FakeRank(1, ranks))) {
                TestModel.load(folder, options, new RunLimits(8, 8, 8, 1), rank).close();
            }
        });
        assertTrue(String.valueOf(refused.getMessage()).contains(words), refused.getMessage());
    }

    @Test
    void aShareThatSplitsNothingIsAMistake() {
        assertThrows(IllegalArgumentException.class, () -> new Share(0, 2, false, false));
        assertThrows(IllegalArgumentException.class, () -> new Share(2, 2, true, false));
    }
}
