package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.HengException;
import dev.heng.spi.BackendException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MainTest {

    @TempDir
    Path folder;

    /** Asserts that a mistake ended in one message with its remedy, nothing on standard output and no stack trace. */
    static void assertMistake(Command.Result result, String... parts) {
        assertEquals(ExitCodes.USER_ERROR, result.code(), result.err());
        assertEquals("", result.out());
        assertTrue(result.err().startsWith("heng: "), result.err());
        assertTrue(result.err().contains("\n  remedy: "), result.err());
        assertFalse(result.err().contains("\tat "), result.err());
        assertFalse(result.err().contains("Exception"), result.err());
        for (String part : parts) {
            assertTrue(result.err().contains(part), () -> "'" + part + "' is not in: " + result.err());
        }
    }

    @Test
    void helpIsShownWithoutACommandAndOnRequest() {
        Command.Result bare = Command.run();
        assertEquals(0, bare.code());
        assertTrue(bare.out().contains("Usage: heng"));
        assertEquals(bare.out(), Command.run("--help").out());
        assertTrue(Command.run("help", "backends").out().contains("--plugin-path"));
    }

    @Test
    void unknownCommandsAndOptionsAreNamedWithASuggestion() {
        assertMistake(Command.run("backend"), "'backend'", "did you mean backends");
        assertMistake(Command.run("backends", "--jsno"), "--jsno", "--json", "heng help backends");
        assertMistake(Command.run("backends", "extra"), "'extra'");
        assertMistake(Command.run("completion", "fish"), "fish", "BASH");
    }

    @Test
    void versionNamesEveryPart() {
        Command.Result result = Command.run("version");
        assertEquals(0, result.code());
        assertTrue(result.out().matches("heng \\d+\\.\\d+\\.\\d+\\S* \\(SPI \\d+\\.\\d+, Java .*\\)\n"), result.out());
        assertEquals(result.out(), Command.run("--version").out());
    }

    @Test
    void completionIsAScriptThatNamesTheCommands() {
        for (String shell : List.of("bash", "zsh")) {
            Command.Result result = Command.run("completion", shell);
            assertEquals(0, result.code());
            assertTrue(result.out().startsWith("#!/usr/bin/env bash"));
            assertTrue(result.out().contains("doctor") && result.out().contains("compinit"));
        }
    }

    @Test
    void backendsListsTheSameInTableAndJson() throws IOException {
        Command.Result table = Command.run("backends");
        assertEquals(0, table.code());
        JsonNode tree =
                new ObjectMapper().readTree(Command.run("backends", "--json").out());
        assertFalse(tree.get("backends").isEmpty(), "this build has backends");
        for (JsonNode backend : tree.get("backends")) {
            assertFalse(backend.get("status").asText().equals("rejected"), backend.toString());
            assertTrue(table.out().contains(backend.get("id").asText()), table.out());
        }
        for (JsonNode missing : tree.get("not_implemented")) {
            assertTrue(table.out().contains(missing.asText()), table.out());
        }
    }

    @Test
    void doctorSaysWhatItLookedAt() throws IOException {
        Command.Result text = Command.run("doctor");
        for (String part : List.of("java", "native access", "locale", "terminal", "SPI version", "verdict")) {
            assertTrue(text.out().contains(part), () -> part + " is not in: " + text.out());
        }
        Command.Result json = Command.run("doctor", "--json");
        JsonNode tree = new ObjectMapper().readTree(json.out());
        assertEquals(text.code(), json.code());
        assertEquals(tree.get("healthy").asBoolean() ? ExitCodes.OK : ExitCodes.UNHEALTHY, json.code());
        assertTrue(tree.get("environment").size() > 5);
        for (JsonNode finding : tree.get("environment")) {
            assertEquals(
                    finding.get("problem").asBoolean(),
                    !finding.get("remedy").isNull(),
                    "a problem has a remedy, and nothing else has: " + finding);
        }
    }

    @Test
    void badPluginPathIsAMistakeOfTheUsers() {
        assertMistake(
                Command.run("backends", "--plugin-path", folder.resolve("无").toString()), "does not exist", "无");
        assertMistake(Command.run("doctor", "--plugin-path", folder.toString()), "holds no plug-in");
    }

    @Test
    void everyKindOfFailureHasItsCodeAndOneMessage() {
        assertReport(
                new HengException("no such thing", "make one"),
                ExitCodes.USER_ERROR,
                "heng: no such thing\n  remedy: make one\n");
        assertReport(
                BackendException.ofNative(
                        BackendException.Code.OUT_OF_MEMORY, "cuda:0", "cuMemAlloc", 2, "out of memory", "use less"),
                ExitCodes.USER_ERROR,
                "heng: cuda:0: cuMemAlloc returned 2: out of memory (out of memory)\n  remedy: use less\n");
        assertReport(new ReaderGoneException(), ExitCodes.READER_GONE, "");
        IllegalStateException defect = new IllegalStateException("oops");
        assertReport(
                defect,
                ExitCodes.DEFECT,
                "heng: this is a defect of Heng: java.lang.IllegalStateException: oops at " + defect.getStackTrace()[0]
                        + "\n  remedy: repeat the command with --stacktrace and report what it prints\n");
        ByteArrayOutputStream traced = new ByteArrayOutputStream();
        ErrorReport.print(new PrintStream(traced, true, StandardCharsets.UTF_8), new HengException("no", "yes"), true);
        assertTrue(traced.toString(StandardCharsets.UTF_8).contains("\tat "));
    }

    private static void assertReport(RuntimeException failure, int code, String text) {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        assertEquals(code, ErrorReport.print(new PrintStream(err, true, StandardCharsets.UTF_8), failure, false));
        assertEquals(text, err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void closedReaderEndsTheCommandQuietly() {
        OutputStream closed = new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                throw new IOException("Broken pipe");
            }
        };
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Streams streams = new Streams(
                InputStream.nullInputStream(),
                new PrintStream(closed, false, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false,
                false,
                false);
        assertEquals(ExitCodes.READER_GONE, Main.run(streams, "version"));
        assertEquals("", err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void argumentsAreReadAgainWhereTheLocaleLostThem() {
        byte[] commandLine = "java\0-jar\0heng.jar\0generate\0秋夜\0".getBytes(StandardCharsets.UTF_8);
        assertArrayEquals(
                new String[] {"generate", "秋夜"},
                Arguments.last(new String[] {"generate", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"}, commandLine));
        assertArrayEquals(
                new String[] {"a", ""},
                Arguments.last(new String[] {"a", ""}, "x\0a\0\0".getBytes(StandardCharsets.UTF_8)));
        assertArrayEquals(new String[] {"generate", "秋夜"}, Arguments.asTyped("generate", "秋夜"));
    }
}
