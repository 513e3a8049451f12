package dev.heng.runtime.checkpoint;

import static dev.heng.runtime.checkpoint.RawFiles.refused;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class CheckpointTest {

    @TempDir
    Path folder;

    @BeforeEach
    void twoShards() throws IOException {
        shard("one.safetensors", "a", "b");
        shard("two.safetensors", "c");
        index(
                "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"c\": \"two.safetensors\", \"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}");
    }

    @Test
    void shardsAreOneCheckpoint() {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertEquals(Set.of("a", "b", "c"), checkpoint.names());
            assertEquals(
                    List.of(folder.resolve("one.safetensors"), folder.resolve("two.safetensors")), checkpoint.files());
            assertEquals(
                    folder.resolve("two.safetensors"), checkpoint.require("c").file());
            refused(() -> checkpoint.require("d"), "'d' is missing", "one.safetensors", "two.safetensors");
        }
    }

    @Test
    void aSingleFileGoesBeforeTheIndex() {
        shard("model.safetensors", "x");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertEquals(Set.of("x"), checkpoint.names());
        }
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("two.safetensors"))) {
            assertEquals(Set.of("c"), checkpoint.names());
        }
    }

    @Test
    void shardsMayBeLinksAsInADownloadCache() throws IOException {
        Path blobs = Files.createDirectory(folder.resolve("blobs"));
        Files.move(folder.resolve("two.safetensors"), blobs.resolve("0123"));
        Files.createSymbolicLink(folder.resolve("two.safetensors"), Path.of("blobs", "0123"));
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertEquals(3, checkpoint.names().size());
        }
        Files.delete(blobs.resolve("0123"));
        refused(() -> Checkpoint.open(folder), "two.safetensors", "not in");
    }

    @Test
    void missingShardsAndFilesAreNamed() throws IOException {
        Files.delete(folder.resolve("two.safetensors"));
        refused(() -> Checkpoint.open(folder), "model.safetensors.index.json", "two.safetensors");
        Files.delete(folder.resolve("model.safetensors.index.json"));
        refused(() -> Checkpoint.open(folder), "neither model.safetensors nor", "one.safetensors");
        refused(() -> Checkpoint.open(folder.resolve("nowhere")), "there is no file");
    }

    @Test
    void aTensorInTwoShardsIsRefused() throws IOException {
        shard("two.safetensors", "c", "a");
        refused(() -> Checkpoint.open(folder), "'a'", "one.safetensors", "two.safetensors");
    }

    @Test
    void indexAndShardsMustAgree() throws IOException {
        index("{\"weight_map\": {\"c\": \"two.safetensors\", \"a\": \"one.safetensors\"}}");
        refused(() -> Checkpoint.open(folder), "'b'", "one.safetensors", "index.json");
        index("{\"weight_map\": {\"c\": \"two.safetensors\", \"a\": \"one.safetensors\", \"b\": \"two.safetensors\"}}");
        refused(() -> Checkpoint.open(folder), "'b'");
        index(
                "{\"weight_map\": {\"c\": \"two.safetensors\", \"d\": \"two.safetensors\", \"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}");
        refused(() -> Checkpoint.open(folder), "'d'", "two.safetensors");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../one.safetensors",
                "/etc/passwd",
                "/tmp/x.safetensors",
                "sub/one.safetensors",
                "..\\\\one.safetensors",
                "C:one.safetensors",
                "",
                "..",
                "one\\u0000.safetensors",
                "config.json"
            })
    void shardsOutsideTheFolderAreRefused(String shard) throws IOException {
        index("{\"weight_map\": {\"a\": \"" + shard + "\"}}");
        refused(() -> Checkpoint.open(folder), "index.json", "not the name of a safetensors file");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{}",
                "[]",
                "{\"weight_map\": {}}",
                "{\"weight_map\": []}",
                "{\"weight_map\": {\"a\": 1}}",
                "{\"weight_map\": {\"a\": \"one.safetensors\", \"a\": \"two.safetensors\"}}",
                "{\"weight_map\": {\"a\": \"one.safetensors\"}"
            })
    void malformedIndexesAreRefused(String content) throws IOException {
        index(content);
        refused(() -> Checkpoint.open(folder), "index.json");
    }

    @Test
    void aDamagedShardIsNamed() throws IOException {
        byte[] bytes = Files.readAllBytes(folder.resolve("two.safetensors"));
        Files.write(folder.resolve("two.safetensors"), Arrays.copyOf(bytes, bytes.length - 1));
        refused(() -> Checkpoint.open(folder), "two.safetensors", "'c'", "truncated");
    }

    private void shard(String name, String... tensors) {
        List<SafetensorsWriter.Declaration> declarations = Arrays.stream(tensors)
                .map(tensor -> SafetensorsWriter.Declaration.f32(tensor, 2))
                .toList();
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder.resolve(name), declarations, Map.of("format", "pt"))) {
            for (String tensor : tensors) {
                writer.append(tensor, new float[2]);
            }
            writer.finish();
        }
    }

    private void index(String content) throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), content);
    }
}
