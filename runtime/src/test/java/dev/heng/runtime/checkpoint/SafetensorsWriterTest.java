package dev.heng.runtime.checkpoint;

import static dev.heng.runtime.checkpoint.RawFiles.refused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.tensor.Shape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SafetensorsWriterTest {

    @TempDir
    Path folder;

    @Test
    void whatIsWrittenInPiecesIsReadWhole() {
        Path file = folder.resolve("out.safetensors");
        Random random = new Random(1);
        // More than one piece of the writer, and not a multiple of it.
        float[] floats = new float[50_001];
        for (int index = 0; index < floats.length; index++) {
            floats[index] = Float.intBitsToFloat(random.nextInt());
        }
        long[] longs = random.longs(9).toArray();
        int[] ints = random.ints(7).toArray();
        byte[] bytes = {1, 2, 3};
        try (SafetensorsWriter writer = SafetensorsWriter.create(
                file,
                List.of(
                        SafetensorsWriter.Declaration.i32("ints", 7),
                        new SafetensorsWriter.Declaration("bytes", StoredType.I8, Shape.of(3)),
                        SafetensorsWriter.Declaration.f32("floats", 3, 16667),
                        SafetensorsWriter.Declaration.i64("longs", 9),
                        SafetensorsWriter.Declaration.f32("none", 0, 4)),
                Map.of("note", "一\"\n", "a", "b"))) {
            writer.append("floats", Arrays.copyOfRange(floats, 0, 1));
            writer.append("ints", ints);
            writer.append("floats", Arrays.copyOfRange(floats, 1, floats.length));
            writer.append("longs", longs);
            writer.append("none", new float[0]);
            writer.append("bytes", MemorySegment.ofArray(bytes));
            writer.finish();
        }
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            assertEquals(Map.of("note", "一\"\n", "a", "b"), reader.metadata());
            float[] read = reader.require("floats").floats();
            for (int index = 0; index < floats.length; index++) {
                assertEquals(
                        Float.floatToRawIntBits(floats[index]),
                        Float.floatToRawIntBits(read[index]),
                        "element " + index);
            }
            assertArrayEquals(longs, reader.require("longs").integers());
            assertArrayEquals(
                    Arrays.stream(ints).asLongStream().toArray(),
                    reader.require("ints").integers());
            assertArrayEquals(new long[] {1, 2, 3}, reader.require("bytes").integers());
            for (StoredTensor tensor : reader.tensors()) {
                long alignment = Math.max(1, tensor.type().bits() / 8);
                assertEquals(0, tensor.data().address() % alignment, tensor.name());
            }
        }
        assertOnly(file);
    }

    @Test
    void nothingIsLeftOfAFileThatIsNotFinished() throws IOException {
        Path file = folder.resolve("out.safetensors");
        Files.writeString(file, "what was there");
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(file, List.of(SafetensorsWriter.Declaration.f32("x", 4)), Map.of())) {
            writer.append("x", new float[3]);
            assertThrows(IllegalStateException.class, writer::finish);
            assertThrows(IllegalArgumentException.class, () -> writer.append("x", new float[2]));
        }
        assertOnly(file);
        assertEquals("what was there", Files.readString(file));
    }

    @Test
    void theOldFileStaysWholeUntilTheNewOneIs() throws IOException {
        Path file = folder.resolve("out.safetensors");
        Files.writeString(file, "old");
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(file, List.of(SafetensorsWriter.Declaration.f32("x", 1)), Map.of())) {
            writer.append("x", new float[] {2});
            assertEquals("old", Files.readString(file));
            writer.finish();
            assertThrows(IllegalStateException.class, () -> writer.append("x", new float[0]));
        }
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            assertEquals(2.0, reader.require("x").real(0));
        }
        assertOnly(file);
    }

    @Test
    void placesThatCannotBeWrittenAreNamed() throws IOException {
        List<SafetensorsWriter.Declaration> none = List.of();
        refused(
                () -> SafetensorsWriter.create(folder.resolve("no/out.safetensors"), none, Map.of()),
                "no/out.safetensors",
                "cannot be written");
        refused(() -> SafetensorsWriter.create(folder, none, Map.of()), "is a folder");
        // Something gets in the way of the name after the writer began.
        Path file = folder.resolve("out.safetensors");
        SafetensorsWriter writer =
                SafetensorsWriter.create(file, List.of(SafetensorsWriter.Declaration.f32("x", 1)), Map.of());
        writer.append("x", new float[1]);
        Files.createDirectory(file);
        Files.createFile(file.resolve("in the way"));
        refused(writer::finish, "cannot be written");
        writer.close();
        Files.delete(file.resolve("in the way"));
        Files.delete(file);
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(List.of(), left.toList());
        }
    }

    @Test
    void mistakesOfTheCallerAreCaught() {
        Path file = folder.resolve("out.safetensors");
        SafetensorsWriter.Declaration x = SafetensorsWriter.Declaration.f32("x", 1);
        assertThrows(IllegalArgumentException.class, () -> SafetensorsWriter.create(file, List.of(x, x), Map.of()));
        assertThrows(
                IllegalArgumentException.class,
                () -> SafetensorsWriter.create(
                        file, List.of(SafetensorsWriter.Declaration.f32("__metadata__", 1)), Map.of()));
        assertThrows(
                ArithmeticException.class,
                () -> SafetensorsWriter.create(
                        file, List.of(SafetensorsWriter.Declaration.f32("x", Long.MAX_VALUE)), Map.of()));
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, List.of(x), Map.of())) {
            assertThrows(IllegalArgumentException.class, () -> writer.append("y", new float[1]));
            assertThrows(IllegalArgumentException.class, () -> writer.append("x", new int[1]));
            assertThrows(IllegalArgumentException.class, () -> writer.append("x", MemorySegment.ofArray(new byte[3])));
        }
        assertTrue(Files.notExists(file));
    }

    private void assertOnly(Path file) {
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(List.of(file), left.toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
