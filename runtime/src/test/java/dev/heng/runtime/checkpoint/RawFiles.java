package dev.heng.runtime.checkpoint;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.function.Executable;

/** Files byte by byte, for what a writer would never write. */
final class RawFiles {

    private RawFiles() {}

    /** Writes length, header and data as they are. */
    static Path write(Path file, String header, byte[] data) {
        return write(file, header.getBytes(StandardCharsets.UTF_8), data);
    }

    static Path write(Path file, byte[] header, byte[] data) {
        return write(file, header.length, header, data);
    }

    /** Writes a file whose header claims a length of its own. */
    static Path write(Path file, long length, byte[] header, byte[] data) {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .put(data);
        try {
            return Files.write(file, bytes.array());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Requires one clean error whose message holds every one of {@code named}. */
    static HengException refused(Executable executable, String... named) {
        HengException error = assertThrows(HengException.class, executable);
        String message = String.valueOf(error.getMessage());
        for (String part : named) {
            assertTrue(message.contains(part), () -> "'" + part + "' is not in: " + message);
        }
        assertFalse(message.contains("\n"), message);
        assertFalse(error.remedy().isBlank(), message);
        return error;
    }
}
