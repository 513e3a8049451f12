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

    /** The mean over all windows, models/poet/README.md, to the digits that it gives. */
    private static final double ALL_WINDOWS = 4.126583;

    private static final int TARGETS = 129_024;

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
                            folder(),
                            GraphOptions.generation(DType.F32),
                            RunLimits.generation(text.length, 16));
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

    private static int[] vector(Golden golden, String name) {
        return golden.ids(name, 0);
    }
}
