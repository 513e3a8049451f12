package dev.heng.runtime.checkpoint;

import static dev.heng.runtime.checkpoint.RawFiles.refused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.tensor.Shape;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class SafetensorsReaderTest {

    @TempDir
    Path folder;

    @Test
    void readsEveryTypeThatHengComputesWith() {
        ByteBuffer data = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
        data.putDouble(0.1).putLong(Long.MIN_VALUE).putFloat(1.5f).putInt(-7);
        data.putShort((short) 0x3f80)
                .putShort((short) 0xfbff)
                .put((byte) -128)
                .put((byte) 127)
                .put((byte) 0xff);
        String header = """
                {"__metadata__": {"format": "pt", "note": "你好"},
                 "f64": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]},
                 "i64": {"shape": [1], "data_offsets": [8, 16], "dtype": "I64"},
                 "f32": {"dtype": "F32", "shape": [1, 1], "data_offsets": [16, 20]},
                 "i32": {"dtype": "I32", "shape": [1], "data_offsets": [20, 24]},
                 "bf16": {"dtype": "BF16", "shape": [1], "data_offsets": [24, 26]},
                 "f16": {"dtype": "F16", "shape": [1], "data_offsets": [26, 28]},
                 "e8m0": {"dtype": "F8_E8M0", "shape": [3], "data_offsets": [28, 31]},
                 "i8": {"dtype": "I8", "shape": [0, 5], "data_offsets": [31, 31]}}""";
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header + "   ", Arrays.copyOf(data.array(), 31));
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            assertEquals(Map.of("format", "pt", "note", "你好"), reader.metadata());
            assertEquals(8, reader.tensors().size());
            assertEquals(0.1, reader.require("f64").real(0));
            assertEquals(Shape.of(new long[0]), reader.require("f64").shape());
            assertEquals(Long.MIN_VALUE, reader.require("i64").integer(0));
            assertArrayEquals(new float[] {1.5f}, reader.require("f32").floats());
            assertArrayEquals(new long[] {-7}, reader.require("i32").integers());
            assertEquals(1.0, reader.require("bf16").real(0));
            assertEquals(-65504.0, reader.require("f16").real(0));
            assertEquals(2.0, reader.require("e8m0").real(0));
            assertEquals(1.0, reader.require("e8m0").real(1));
            assertTrue(Double.isNaN(reader.require("e8m0").real(2)));
            assertEquals(0, reader.require("i8").elements());
            assertNull(reader.find("nothing"));
            refused(() -> reader.require("nothing"), "nothing", "a.safetensors");
            refused(() -> reader.require("i32").real(0), "i32", "I32");
            refused(() -> reader.require("f32").integer(0), "f32", "F32");
            assertThrows(
                    IndexOutOfBoundsException.class, () -> reader.require("f32").real(1));
        }
    }

    @Test
    void anEmptyHeaderIsAFileWithoutTensors() {
        Path file = RawFiles.write(folder.resolve("a.safetensors"), "{}", new byte[0]);
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            assertTrue(reader.tensors().isEmpty());
        }
        RawFiles.write(file, "{}", new byte[1]);
        refused(() -> SafetensorsReader.open(file), "1 bytes after its last tensor");
    }

    @Test
    void emptyTensorsMayStandAnywhere() {
        String header = """
                {"b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
                 "c": {"dtype": "F32", "shape": [3, 0], "data_offsets": [8, 8]}}""";
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header, new byte[8]);
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            assertEquals(3, reader.tensors().size());
        }
    }

    /** Headers over 16 bytes of data that are each wrong in one way. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}, \"t\": {}}|Duplicate",
                "{\"t\": {\"dtype\": \"F32\", \"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}}|Duplicate",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4]}}|lacks dtype, shape or data_offsets",
                "{\"t\": {\"shape\": [4], \"data_offsets\": [0, 16]}}|lacks dtype",
                "{\"t\": {\"dtype\": \"F31\", \"shape\": [4], \"data_offsets\": [0, 16]}}|unknown type 'F31'",
                "{\"t\": {\"dtype\": 5, \"shape\": [4], \"data_offsets\": [0, 16]}}|not a string",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [5], \"data_offsets\": [0, 16]}}|takes 20",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 16]}}|takes 12",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [-4], \"data_offsets\": [0, 16]}}|shape with what is not an integer",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4.0], \"data_offsets\": [0, 16]}}|shape with what is not an integer",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [\"4\"], \"data_offsets\": [0, 16]}}|shape with what is not an integer",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [[4]], \"data_offsets\": [0, 16]}}|shape with what is not an integer",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": 4, \"data_offsets\": [0, 16]}}|shape that is not a list",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [9223372036854775807, 9223372036854775807], \"data_offsets\": [0, 16]}}|impossible shape",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [2305843009213693952], \"data_offsets\": [0, 16]}}|impossible shape",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [99999999999999999999], \"data_offsets\": [0, 16]}}|not an integer of 0..2^63-1",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [16, 0]}}|begin <= end",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0]}}|begin <= end",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 8, 16]}}|begin <= end",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [-16, 0]}}|data_offsets with what is not",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [4, 20]}}|behind a gap",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}|8 bytes after its last tensor",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [8], \"data_offsets\": [0, 32]}}|truncated",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16], \"stride\": 2}}|'stride'",
                "{\"t\": {\"dtype\": \"F4\", \"shape\": [31], \"data_offsets\": [0, 16]}}|not whole bytes",
                "{\"t\": [4]}|is not an object",
                "{\"__metadata__\": \"x\"}|is not an object",
                "{\"__metadata__\": {\"x\": 1}}|is not a string",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}} {}|more than one JSON value",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}|not valid JSON",
                "{\"t\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}]|not valid JSON",
                "{\"t|not valid JSON",
                "[]|begin with '{'"
            })
    void eachFaultOfAHeaderHasItsMessage(String header, String named) {
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header, new byte[16]);
        refused(() -> SafetensorsReader.open(file), "a.safetensors", named);
    }

    @Test
    void overlapsNameTheSecondTensor() {
        String header = """
                {"first": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}, "second": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}""";
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header, new byte[16]);
        refused(() -> SafetensorsReader.open(file), "'second'", "inside the tensor before it");
    }

    @Test
    void lengthsOfTheHeaderAreCheckedBeforeAnythingIsRead() throws IOException {
        Path file = folder.resolve("a.safetensors");
        byte[] header = "{}".getBytes(StandardCharsets.US_ASCII);
        for (long length : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 100_000_001}) {
            RawFiles.write(file, length, header, new byte[0]);
            refused(() -> SafetensorsReader.open(file), Long.toUnsignedString(length), "100000000");
        }
        RawFiles.write(file, 3, header, new byte[0]);
        refused(() -> SafetensorsReader.open(file), "truncated");
        RawFiles.write(file, 0, header, new byte[0]);
        refused(() -> SafetensorsReader.open(file), "begin with '{'");
        for (int size = 0; size < 8; size++) {
            Files.write(file, new byte[size]);
            refused(() -> SafetensorsReader.open(file), size + " bytes, too few");
        }
    }

    @Test
    void headersThatAreNotUtf8AreRefused() {
        byte[] header = "{\"t?\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]}}"
                .getBytes(StandardCharsets.US_ASCII);
        header[3] = (byte) 0xff;
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header, new byte[16]);
        refused(() -> SafetensorsReader.open(file), "not UTF-8");
    }

    @Test
    void deepNestingAndHighRanksAreRefused() {
        Path file = folder.resolve("a.safetensors");
        RawFiles.write(file, "{\"t\": {\"dtype\": " + "[".repeat(10_000), new byte[0]);
        refused(() -> SafetensorsReader.open(file), "a.safetensors");
        String ones = "1, ".repeat(32) + "1";
        RawFiles.write(
                file, "{\"t\": {\"dtype\": \"U8\", \"shape\": [" + ones + "], \"data_offsets\": [0, 1]}}", new byte[1]);
        refused(() -> SafetensorsReader.open(file), "more than 32 numbers");
    }

    @Test
    void controlCharactersOfNamesDoNotReachTheTerminal() {
        String header = "{\"a\\u001b[2Jb\\n\": {\"dtype\": \"F32\", \"shape\": [5], \"data_offsets\": [0, 16]}}";
        Path file = RawFiles.write(folder.resolve("a.safetensors"), header, new byte[16]);
        String message =
                String.valueOf(refused(() -> SafetensorsReader.open(file)).getMessage());
        assertTrue(message.chars().noneMatch(Character::isISOControl), message);
    }

    @Test
    void whatIsNotASafetensorsFileIsSaidSo() throws IOException {
        Path pointer = folder.resolve("model.safetensors");
        Files.writeString(pointer, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
        refused(() -> SafetensorsReader.open(pointer), "Git LFS pointer");
        refused(() -> SafetensorsReader.open(folder), "not a regular file");
        refused(() -> SafetensorsReader.open(folder.resolve("no.safetensors")), "there is no file");
        refused(() -> SafetensorsReader.open(Path.of("/dev/null")), "not a regular file");
    }

    @Test
    void filesBeyondTwoGigabytesAreMappedWhole() throws IOException {
        Path file = folder.resolve("big.safetensors");
        long elements = (3L << 30) / 2;
        String header = "{\"big\": {\"dtype\": \"BF16\", \"shape\": [2, " + elements / 2 + "], \"data_offsets\": [0, "
                + elements * 2
                + "]}, \"last\": {\"dtype\": \"I32\", \"shape\": [1], \"data_offsets\": [" + elements * 2 + ", "
                + (elements * 2 + 4)
                + "]}}";
        byte[] bytes = header.getBytes(StandardCharsets.US_ASCII);
        // Sparse: takes a few blocks on disk, not 3 GB.
        try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
            long end = 8 + bytes.length + elements * 2 + 4;
            raw.setLength(end);
            raw.writeLong(Long.reverseBytes(bytes.length));
            raw.write(bytes);
            raw.seek(end - 6);
            raw.write(new byte[] {(byte) 0x80, 0x3f, 42, 0, 0, 0});
        }
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            StoredTensor big = reader.require("big");
            assertEquals(elements, big.elements());
            assertEquals(0.0, big.real(0));
            assertEquals(1.0, big.real(elements - 1));
            assertEquals(42, reader.require("last").integer(0));
            assertThrows(IndexOutOfBoundsException.class, () -> big.real(elements));
        }
        try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
            raw.setLength(raw.length() - 1);
        }
        refused(() -> SafetensorsReader.open(file), "'last'", "truncated");
    }

    @Test
    void closingTwiceIsClosingOnce() {
        Path file = RawFiles.write(folder.resolve("a.safetensors"), "{}", new byte[0]);
        SafetensorsReader reader = SafetensorsReader.open(file);
        reader.close();
        reader.close();
    }
}
