package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every checkpoint of goldens/ and the embedded model on backend {@code cpu}, each of its dispatch levels forced in turn, against
 * transformers' float32 outputs: the same bound that the reference meets (GoldenTest), since both keep activations in float32.
 */
class CpuGoldenTest {

    /** As GoldenTest.BOUND: relative RMS of float32 chains of these depths. */
    private static final double BOUND = 2e-5;

    private static final int PAGE_SIZE = 7;

    private static List<Path> folders() throws IOException {
        try (Stream<Path> entries = Files.list(RepositoryFiles.of("goldens"))) {
            return entries.filter(folder -> Files.exists(folder.resolve("golden.safetensors")))
                    .sorted()
                    .toList();
        }
    }

    private static BackendProvider provider() {
        return ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(candidate -> candidate.id().equals("cpu"))
                .findFirst()
                .orElseThrow();
    }

    /** Returns the device; without a C compiler at build time there is none, and the answer says what to install. */
    private static DeviceInfo device() {
        return switch (provider().probe()) {
            case Availability.Available(var devices) -> devices.getFirst();
            case Availability.Unavailable(var _, var detail, var remedy) -> {
                Assumptions.abort("backend cpu is not available: " + detail + "; " + remedy);
                throw new AssertionError();
            }
        };
    }

    private static List<String> levels() {
        return List.of(device().facts().getOrDefault("levels", "").split(" "));
    }

    private static Backend open(String level) {
        return provider().open(device(), new BackendOptions(Map.of("level", level, "threads", "2")));
    }

    @ParameterizedTest
    @MethodSource("folders")
    void logitsAreTransformersOnEveryLevel(Path folder, TestReporter reporter) {
        try (Golden golden = new Golden(folder.resolve("golden.safetensors"))) {
            int batch = golden.dim("input_ids", 0);
            int length = golden.dim("input_ids", 1);
            GraphOptions options = new GraphOptions(DType.F32, PAGE_SIZE, true, false, false);
            RunLimits limits = new RunLimits(length, batch * length, batch * length, batch);
            for (String level : levels()) {
                try (Backend backend = open(level);
                        TestModel model = TestModel.load(folder, options, limits, backend);
                        Session session = model.compiled().open()) {
                    List<Feed> feeds = new ArrayList<>();
                    for (int row = 0; row < batch; row++) {
                        feeds.add(new Feed(row, golden.ids("input_ids", row), Wanted.ALL));
                    }
                    session.run(feeds);
                    float[] whole = session.floats(Names.LOGITS);
                    double error = Golden.relativeRms(whole, golden.floats("logits"));
                    reporter.publishEntry(folder.getFileName() + " " + level, Double.toString(error));
                    assertTrue(error <= BOUND, () -> folder + " at level " + level + " is off by " + error);

                    // One token at a time takes other kernels than forty: the last row must be as right.
                    float[] last = new float[0];
                    session.truncate(0, 0);
                    for (int id : golden.ids("input_ids", 0)) {
                        session.run(List.of(new Feed(0, new int[] {id}, Wanted.ALL)));
                        last = session.floats(Names.LOGITS);
                    }
                    int vocabulary = last.length;
                    float[] expected =
                            Arrays.copyOfRange(golden.floats("logits"), (length - 1) * vocabulary, length * vocabulary);
                    double single = Golden.relativeRms(last, expected);
                    assertTrue(
                            single <= BOUND, () -> folder + " at level " + level + ", decoding, is off by " + single);
                }
            }
        }
    }

    private static List<Integer> generate(Path folder, int[] prompt, int tokens, Backend backend, int chunk) {
        GraphOptions options = GraphOptions.generation(DType.F32).withPageSize(PAGE_SIZE);
        try (TestModel model =
                        TestModel.load(folder, options, RunLimits.generation(prompt.length + tokens, chunk), backend);
                Session session = model.compiled().open()) {
            GenerationRequest request = new GenerationRequest(
                    Arrays.stream(prompt).boxed().toList(), Sampling.GREEDY, Set.of(), List.of(), tokens);
            return new Generator(session)
                    .generate(request, new IdDecoder(), _ -> {}, () -> false)
                    .tokens();
        }
    }

    @Test
    void poetWritesWhatTransformersWrites() {
        Path folder = RepositoryFiles.of("models/poet");
        try (Golden golden = new Golden(folder.resolve("golden.safetensors"));
                Backend backend = open("")) {
            for (String name : List.of("raw.0", "raw.1", "raw.2", "chat.0", "chat.1")) {
                int[] prompt = ids(golden, name + ".prompt");
                int[] greedy = ids(golden, name + ".greedy");
                List<Integer> expected = Arrays.stream(greedy, prompt.length, greedy.length)
                        .boxed()
                        .toList();
                assertEquals(
                        expected,
                        generate(folder, prompt, greedy.length - prompt.length, backend, 64),
                        name + " goes on otherwise");
            }
        }
    }

    private static int[] ids(Golden golden, String name) {
        return golden.ids(name, 0);
    }
}
