package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main job, from flags to text, on the embedded model. */
final class GenerateTest {

    private static final String PROMPT = "请写一首题为《秋夜》的诗。";

    @TempDir
    Path folder;

    @BeforeAll
    static void nameTheCheckout() {
        System.setProperty("heng.home", Poet.home().toString());
    }

    @AfterAll
    static void forgetIt() {
        System.clearProperty("heng.home");
    }

    private static Command.Result generate(String... arguments) {
        List<String> all = new ArrayList<>(List.of("generate", "--backend", "reference"));
        all.addAll(List.of(arguments));
        return Command.run(all.toArray(String[]::new));
    }

    @Test
    void goldenPromptsHaveTheirGoldenTexts() {
        for (String name : List.of("raw.0", "raw.1", "raw.2")) {
            Poet.Golden golden = Poet.golden(name);
            Command.Result result = generate("--raw", "-n", "" + golden.tokens(), golden.prompt());
            assertEquals(0, result.code(), result.err());
            assertEquals(golden.answer(), result.out(), name);
            assertTrue(result.err().contains("backend reference:0"), result.err());
        }
        for (String name : List.of("chat.0", "chat.1")) {
            Poet.Golden golden = Poet.golden(name);
            Command.Result result = generate("-n", "" + golden.tokens(), golden.prompt());
            assertEquals(golden.answer(), result.out(), name);
        }
    }

    @Test
    void autoAnswersAndSaysOnWhat() {
        Poet.Golden golden = Poet.golden("chat.0");
        Command.Result result = Command.run("generate", "-n", "" + golden.tokens(), golden.prompt());
        assertEquals(0, result.code(), result.err());
        assertEquals(golden.answer(), result.out());
        assertTrue(result.err().startsWith("backend "), result.err());
        assertEquals(2, result.err().lines().count(), result.err());
    }

    @Test
    void fallbackGivesTheSameTextAndThePlanSaysWhere() {
        Poet.Golden golden = Poet.golden("chat.0");
        Command.Result result =
                Command.run("generate", "--fallback", "cpu", "--plan", "-n", "" + golden.tokens(), golden.prompt());
        assertEquals(0, result.code(), result.err());
        assertEquals(golden.answer(), result.out());
        assertTrue(result.err().contains("what it declines runs on "), result.err());
        assertTrue(result.err().contains(": lm_head"), result.err());
    }

    @Test
    void standardInputIsAPromptToo() {
        Poet.Golden golden = Poet.golden("raw.0");
        Command.Result raw = Command.runWithInput(
                golden.prompt(), "generate", "-b", "reference", "--raw", "-q", "-n", "" + golden.tokens(), "-");
        assertEquals(golden.answer(), raw.out());
        assertEquals("", raw.err());
        Command.Result chat = Command.runWithInput(PROMPT + "\n", "generate", "-b", "reference", "-n", "12", "-");
        assertEquals(generate("-n", "12", PROMPT).out(), chat.out(), "the shell's line break is no part of the prompt");
    }

    @Test
    void seedsRepeatAndStopStringsStop() {
        Command.Result once = generate("-t", "0.9", "--top-p", "0.95", "--top-k", "50", "-s", "7", "-n", "20", PROMPT);
        Command.Result again = generate("-t", "0.9", "--top-p", "0.95", "--top-k", "50", "-s", "7", "-n", "20", PROMPT);
        assertEquals(once.out(), again.out());
        assertFalse(once.out().isEmpty());
        String whole = generate("-n", "20", PROMPT).out();
        int comma = whole.indexOf('，');
        assertTrue(comma > 0, whole);
        assertEquals(
                whole.substring(0, comma),
                generate("-n", "20", "--stop", "，", PROMPT).out());
    }

    @Test
    void valuesOutOfRangeAreMistakes() {
        MainTest.assertMistake(generate("--temperature", "-1", PROMPT), "temperature -1");
        MainTest.assertMistake(generate("--temperature", "Infinity", PROMPT), "temperature");
        MainTest.assertMistake(generate("--temperature", "NaN", PROMPT), "temperature");
        MainTest.assertMistake(generate("--temperature", "warm", PROMPT), "--temperature", "warm");
        MainTest.assertMistake(generate("--top-p", "0", PROMPT), "top-p 0");
        MainTest.assertMistake(generate("--top-p", "1.5", PROMPT), "top-p 1.5");
        MainTest.assertMistake(generate("--top-k", "-1", PROMPT), "top-k -1");
        MainTest.assertMistake(generate("--max-tokens", "0", PROMPT), "--max-tokens is 0");
        MainTest.assertMistake(generate("--max-tokens", "99999999999", PROMPT), "--max-tokens");
        MainTest.assertMistake(generate("--context", "0", PROMPT), "--context is 0");
        MainTest.assertMistake(generate("--context", "4097", PROMPT), "4097", "2048");
        MainTest.assertMistake(generate("--seed", "x", PROMPT), "--seed");
        MainTest.assertMistake(generate("--stop", "", PROMPT), "--stop");
        MainTest.assertMistake(generate("--activations", "int8", PROMPT), "--activations", "BF16");
        MainTest.assertMistake(generate("--fallback", "gpu", PROMPT), "--fallback");
        MainTest.assertMistake(generate(""), "prompt is empty");
        MainTest.assertMistake(generate(), "PROMPT");
        MainTest.assertMistake(generate("one", "two"), "'two'");
    }

    @Test
    void promptsThatDoNotFitAreMistakes() {
        MainTest.assertMistake(generate("--context", "4", PROMPT), "context of 4");
        MainTest.assertMistake(generate("--context", "20", "--max-tokens", "19", PROMPT), "context of 20");
    }

    @Test
    void modelsAndBackendsThatAreNoneAreMistakes() throws IOException {
        MainTest.assertMistake(generate("--model", folder.resolve("无").toString(), PROMPT), "无", "does not exist");
        MainTest.assertMistake(generate("--model", folder.toString(), PROMPT), folder.toString());
        Path file = Files.writeString(folder.resolve("file"), "");
        MainTest.assertMistake(generate("--model", file.toString(), PROMPT), "is not a folder");
        MainTest.assertMistake(
                Command.run("generate", "--backend", "cambricon", PROMPT),
                "'cambricon' is not implemented in this build");
        MainTest.assertMistake(
                Command.run("generate", "--backend", "tpu", PROMPT), "no backend 'tpu'", "reference: available");
        MainTest.assertMistake(Command.run("generate", "--backend", "reference:9", PROMPT), "no device 9");
        MainTest.assertMistake(generate("--backend-option", "speed=high", PROMPT), "speed", "threads");
        MainTest.assertMistake(generate("--backend-option", "threads=none", PROMPT), "threads");
        MainTest.assertMistake(generate("--backend-option", "threads", PROMPT), "KEY=VALUE");
    }

    @Test
    void modelWithoutTemplateCanBePromptedRawOnly() throws IOException {
        Path copy = Files.createDirectories(folder.resolve("bare"));
        try (Stream<Path> files = Files.list(Poet.folder())) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (!name.equals("tokenizer_config.json")) {
                    Files.copy(file, copy.resolve(name));
                }
            }
        }
        Files.writeString(copy.resolve("tokenizer_config.json"), "{}");
        MainTest.assertMistake(generate("-m", copy.toString(), PROMPT), "no chat template", "--raw");
        assertEquals(
                0, generate("-m", copy.toString(), "--raw", "-n", "2", "李白").code());
    }

    @Test
    void chatRemembersAndForgets() {
        String script = PROMPT + "\n/help\n\n" + "再写一首。\n/reset\n" + PROMPT + "\n/exit\nnever reached\n";
        Command.Result result = Command.runWithInput(script, "chat", "-b", "reference", "-q", "-n", "8");
        assertEquals(0, result.code(), result.err());
        List<String> answers = result.out().lines().toList();
        String first = generate("-n", "8", PROMPT).out();
        assertTrue(result.out().startsWith(first), result.out());
        assertTrue(result.out().endsWith(first + "\n"), result.out());
        assertTrue(answers.size() >= 3, result.out());
        assertTrue(result.err().contains("/reset forgets"), result.err());
    }

    @Test
    void logitsAreWrittenWholeOrNotAtAll() throws IOException {
        Path ids = Files.writeString(folder.resolve("ids.json"), "[0, 17, 4021]");
        Path out = folder.resolve("out.safetensors");
        Command.Result result =
                Command.run("logits", "-b", "reference", "--tokens", ids.toString(), "--out", out.toString());
        assertEquals(0, result.code(), result.err());
        assertEquals("", result.out());
        try (Checkpoint file = Checkpoint.open(out)) {
            assertEquals("[3, 8192]", file.require("logits").shape().toString());
            for (int layer = 0; layer <= 5; layer++) {
                assertEquals(
                        "[3, 256]",
                        file.require("hidden_states." + layer).shape().toString());
            }
        }
        Map<String, String> mistakes = Map.of(
                "[0, 17,", "not JSON",
                "{\"ids\": [1]}", "not a JSON array",
                "[]", "an empty array",
                "[1.5]", "element 0 is 1.5",
                "[0, -1]", "element 1 is -1",
                "[0, \"1\"]", "element 1",
                "[99999999999]", "element 0",
                "[0, 8192]", "8192",
                "[1] 2", "not JSON");
        Path other = folder.resolve("other.safetensors");
        for (Map.Entry<String, String> mistake : mistakes.entrySet()) {
            Files.writeString(ids, mistake.getKey());
            MainTest.assertMistake(
                    Command.run("logits", "-b", "reference", "--tokens", ids.toString(), "--out", other.toString()),
                    mistake.getValue());
        }
        MainTest.assertMistake(
                Command.run("logits", "--tokens", folder.resolve("no").toString(), "--out", other.toString()),
                "does not exist");
        MainTest.assertMistake(
                Command.run("logits", "--tokens", folder.toString(), "--out", other.toString()), "cannot be read");
        Files.writeString(ids, "[0]");
        MainTest.assertMistake(
                Command.run(
                        "logits",
                        "--tokens",
                        ids.toString(),
                        "--out",
                        folder.resolve("no/o").toString()),
                "folder that does not exist");
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(
                    List.of("ids.json", "out.safetensors"),
                    left.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void graphIsPrintedAsTextAndForGraphviz() {
        Command.Result text = Command.run("graph");
        assertEquals(0, text.code(), text.err());
        assertTrue(text.out().startsWith("graph deepseek_v3\n"), text.out().substring(0, 40));
        assertTrue(text.out().contains("MlaAttention") && text.out().contains("output next_token"));
        Command.Result dot = Command.run("graph", "--format", "dot", "--activations", "bf16");
        assertTrue(dot.out().startsWith("digraph")
                && dot.out().endsWith("}\n")
                && dot.out().contains("BF16"));
    }

    /** Starts another process, whose arguments and output cross a locale that knows no Chinese. */
    @Test
    void processUnderPosixLocaleReadsAndWritesUtf8() throws IOException, InterruptedException {
        Poet.Golden golden = Poet.golden("chat.0");
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Dheng.home=" + Poet.home(),
                "-cp",
                System.getProperty("java.class.path"),
                "dev.heng.cli.Main",
                "generate",
                "-b",
                "reference",
                "-n",
                "" + golden.tokens(),
                golden.prompt());
        builder.environment().put("LC_ALL", "POSIX");
        Path err = folder.resolve("err");
        Process process = builder.redirectError(err.toFile()).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), Files.readString(err));
        assertEquals(golden.answer(), out);
    }

    @Test
    void launcherSaysWhatIsMissing() throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder("sh", Poet.home().resolve("heng").toString(), "version");
        builder.environment().put("HENG_JAVA_HOME", folder.toString());
        Process process = builder.redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(2, process.waitFor());
        assertTrue(said.startsWith("heng: HENG_JAVA_HOME is " + folder) && said.contains("\n  remedy: "), said);
    }
}
