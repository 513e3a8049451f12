package dev.heng.runtime.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import dev.heng.runtime.config.StrictJson;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The stored tensors of a model: one safetensors file, or shards with an index, mapped into one shared arena.
 *
 * <p>A folder with model.safetensors is read from that file; else model.safetensors.index.json names the shards, each tensor in the shard that it says and no
 * other. Shards may be symbolic links, which is how download caches keep them; the names in the index may not leave the folder.
 *
 * <p>Threading: immutable, safe for use by several threads. Ownership: whoever opened it closes it, after every program that holds its weights.
 */
public final class Checkpoint implements AutoCloseable {

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    /** DeepSeek-V3's index has 9 MB. */
    private static final long MAXIMUM_INDEX_BYTES = 256L << 20;

    private static final String INCOMPLETE = "download the model again, with all its files";

    private final Path path;
    private final Arena arena;
    private final Map<String, StoredTensor> tensors;
    private final List<Path> files;

    private Checkpoint(Path path, Arena arena, Map<String, StoredTensor> tensors, List<Path> files) {
        this.path = path;
        this.arena = arena;
        this.tensors = Collections.unmodifiableMap(tensors);
        this.files = List.copyOf(files);
    }

    /**
     * Maps a model's weights and checks every header; no weight is read.
     *
     * @param path a folder, or one safetensors file
     * @throws HengException naming file and tensor if anything is missing, contradictory or damaged
     */
    public static Checkpoint open(Path path) {
        Arena arena = Arena.ofShared();
        try {
            return open(path, arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Checkpoint open(Path path, Arena arena) {
        if (!Files.isDirectory(path)) {
            return single(path, path, arena);
        }
        if (Files.exists(path.resolve(SINGLE))) {
            return single(path, path.resolve(SINGLE), arena);
        }
        if (Files.exists(path.resolve(INDEX))) {
            return sharded(path, path.resolve(INDEX), arena);
        }
        throw new HengException(
                path + " has neither " + SINGLE + " nor " + INDEX + "; it holds " + listing(path),
                "give the folder of a model in safetensors form, or convert it to that");
    }

    private static Checkpoint single(Path path, Path file, Arena arena) {
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (StoredTensor tensor : SafetensorsReader.open(file, arena).tensors()) {
            tensors.put(tensor.name(), tensor);
        }
        return new Checkpoint(path, arena, tensors, List.of(file));
    }

    private static Checkpoint sharded(Path folder, Path index, Arena arena) {
        Map<String, Set<String>> wanted = tensorsByShard(index);
        for (String shard : wanted.keySet()) {
            if (!Files.exists(folder.resolve(shard))) {
                throw new HengException(
                        index + " names the shard " + SafetensorsReader.printable(shard) + ", which is not in "
                                + folder,
                        INCOMPLETE);
            }
        }
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        List<Path> files = new ArrayList<>();
        for (Map.Entry<String, Set<String>> shard : wanted.entrySet()) {
            SafetensorsReader reader = SafetensorsReader.open(folder.resolve(shard.getKey()), arena);
            files.add(reader.file());
            for (StoredTensor tensor : reader.tensors()) {
                StoredTensor other = tensors.putIfAbsent(tensor.name(), tensor);
                if (other != null) {
                    throw new HengException(
                            tensor.describe() + " is also in " + other.file(),
                            "keep the shards of one checkpoint only in the folder");
                }
                if (!shard.getValue().remove(tensor.name())) {
                    throw new HengException(
                            tensor.describe() + " is not where " + index + " says, or not listed there",
                            "keep index and shards of one checkpoint together");
                }
            }
            if (!shard.getValue().isEmpty()) {
                throw new HengException(
                        reader.file() + " has no tensor '"
                                + SafetensorsReader.printable(
                                        shard.getValue().iterator().next()) + "', which " + index
                                + " places there",
                        "keep index and shards of one checkpoint together");
            }
        }
        return new Checkpoint(folder, arena, tensors, files);
    }

    private static Map<String, Set<String>> tensorsByShard(Path index) {
        ObjectNode root = StrictJson.readObject(index, MAXIMUM_INDEX_BYTES);
        if (!(root.get("weight_map") instanceof ObjectNode map) || map.isEmpty()) {
            throw new HengException(index + ": field 'weight_map' is not an object with tensors", INCOMPLETE);
        }
        Map<String, Set<String>> shards = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            if (!entry.getValue().isTextual()) {
                throw new HengException(
                        index + ": the shard of tensor '" + SafetensorsReader.printable(entry.getKey())
                                + "' is not a string",
                        INCOMPLETE);
            }
            String shard = entry.getValue().textValue();
            requireInside(index, shard);
            shards.computeIfAbsent(shard, _ -> new TreeSet<>()).add(entry.getKey());
        }
        return shards;
    }

    /** Refuses names that could mean a file outside the model's folder; a model is data and has no business there. */
    private static void requireInside(Path index, String shard) {
        boolean plain = !shard.isEmpty()
                && shard.endsWith(".safetensors")
                && shard.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
        if (!plain) {
            throw new HengException(
                    index + " names the shard '" + SafetensorsReader.printable(shard)
                            + "', which is not the name of a safetensors file in the same folder",
                    "do not use this model: its index points elsewhere");
        }
    }

    /** Returns what was opened: the folder or the file. */
    public Path path() {
        return path;
    }

    /** Returns the mapped files in the order of their names. */
    public List<Path> files() {
        return files;
    }

    /** Returns the names of all tensors, file by file in the order of their bytes. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /** Returns the tensor called {@code name}, or null. */
    public @Nullable StoredTensor find(String name) {
        return tensors.get(name);
    }

    /**
     * Returns the tensor called {@code name}.
     *
     * @throws HengException naming the files that were looked in if there is none
     */
    public StoredTensor require(String name) {
        StoredTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw missing(name);
        }
        return tensor;
    }

    /** Returns memory that lives as long as the mappings, aligned to 8 bytes. */
    MemorySegment allocate(long bytes) {
        return arena.allocate(bytes, Long.BYTES);
    }

    HengException missing(String name) {
        return new HengException(
                "tensor '" + SafetensorsReader.printable(name) + "' is missing; looked in " + describeFiles(),
                "check that config.json belongs to these weights, and download what is missing");
    }

    private String describeFiles() {
        int shown = 3;
        String first = files.stream().limit(shown).map(Path::toString).collect(Collectors.joining(", "));
        return files.size() <= shown ? first : first + " and " + (files.size() - shown) + " more";
    }

    private static String listing(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            List<String> names = entries.limit(8)
                    .map(entry ->
                            SafetensorsReader.printable(entry.getFileName().toString()))
                    .sorted()
                    .toList();
            return names.isEmpty() ? "nothing" : String.join(", ", names);
        } catch (IOException e) {
            return "what cannot be listed (" + e.getMessage() + ")";
        }
    }

    /** Unmaps all files. Idempotent; not while another thread reads a slice. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
