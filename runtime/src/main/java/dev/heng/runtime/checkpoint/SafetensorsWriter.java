package dev.heng.runtime.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.heng.runtime.HengException;
import dev.heng.runtime.config.StrictJson;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes one safetensors file in pieces, so that no tensor need be in memory whole.
 *
 * <p>All tensors are declared first; then each is appended to in its own time, row by row if need be and in any order among tensors. The file gets its name when
 * {@link #finish} is called: until then a temporary one stands beside it, which {@link #close} removes. A file that was there stays whole until it is replaced.
 *
 * <p>Threading: one thread at a time. Ownership: whoever created it closes it.
 */
public final class SafetensorsWriter implements AutoCloseable {

    private static final int ALIGNMENT = 8;
    private static final int PIECE_BYTES = 1 << 16;
    private static final long SEGMENT_PIECE_BYTES = 1L << 30;
    private static final String METADATA = "__metadata__";

    /**
     * A tensor that will be written.
     *
     * @param name its name
     * @param type the type of its elements
     * @param shape its fixed dimensions, outermost first
     */
    public record Declaration(String name, StoredType type, Shape shape) {

        /** Declares an F32 tensor. */
        public static Declaration f32(String name, long... dims) {
            return new Declaration(name, StoredType.F32, Shape.of(dims));
        }

        /** Declares an I32 tensor. */
        public static Declaration i32(String name, long... dims) {
            return new Declaration(name, StoredType.I32, Shape.of(dims));
        }

        /** Declares an I64 tensor. */
        public static Declaration i64(String name, long... dims) {
            return new Declaration(name, StoredType.I64, Shape.of(dims));
        }

        private long bytes() {
            long bits = Math.multiplyExact(shape.elements(), (long) type.bits());
            if (bits % Byte.SIZE != 0) {
                throw new IllegalArgumentException("tensor '" + name + "' does not end on a whole byte");
            }
            return bits / Byte.SIZE;
        }
    }

    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private final Map<String, Extent> extents;
    private boolean open = true;

    private SafetensorsWriter(Path target, Path temporary, FileChannel channel, Map<String, Extent> extents) {
        this.target = target;
        this.temporary = temporary;
        this.channel = channel;
        this.extents = extents;
    }

    /**
     * Begins a file.
     *
     * @param target the file that {@link #finish} makes or replaces
     * @param tensors what it will hold; larger element types are laid out first, so that all are aligned
     * @param metadata strings for {@code __metadata__}; may be empty
     * @throws HengException if the file cannot be made there
     * @throws IllegalArgumentException if two tensors have one name or a shape is too large
     */
    public static SafetensorsWriter create(Path target, List<Declaration> tensors, Map<String, String> metadata) {
        Map<String, Extent> extents = place(tensors);
        byte[] header = header(extents, metadata);
        // Not a temporary file of the library: those are for their owner's eyes only, and the result should not be.
        Path temporary = target.resolveSibling(target.getFileName() + "."
                + ProcessHandle.current().pid() + "-" + Long.toHexString(System.nanoTime()) + ".tmp");
        if (Files.isDirectory(target)) {
            throw new HengException(target + " is a folder, not a file to write", "give the name of a file");
        }
        SafetensorsWriter writer = null;
        try {
            FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            // For a program that is interrupted; close() is what normally removes it.
            temporary.toFile().deleteOnExit();
            extents.values().forEach(extent -> extent.position += header.length);
            writer = new SafetensorsWriter(target, temporary, channel, extents);
            writer.write(ByteBuffer.wrap(header), 0);
            return writer;
        } catch (IOException e) {
            if (writer != null) {
                writer.close();
            }
            throw failure(target, e);
        }
    }

    private static Map<String, Extent> place(List<Declaration> tensors) {
        List<Declaration> ordered = new ArrayList<>(tensors);
        ordered.sort(Comparator.comparingInt((Declaration tensor) -> tensor.type.bits())
                .reversed());
        Map<String, Extent> extents = new LinkedHashMap<>();
        long position = 0;
        for (Declaration tensor : ordered) {
            Extent extent = new Extent(tensor, position);
            if (tensor.name.equals(METADATA) || extents.putIfAbsent(tensor.name, extent) != null) {
                throw new IllegalArgumentException("two tensors called '" + tensor.name + "', or a reserved name");
            }
            position = Math.addExact(position, extent.bytes);
        }
        return extents;
    }

    /** Returns the length and the header, padded with spaces so that the data is aligned. */
    private static byte[] header(Map<String, Extent> extents, Map<String, String> metadata) {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        try (JsonGenerator generator = StrictJson.factory().createGenerator(json)) {
            generator.writeStartObject();
            if (!metadata.isEmpty()) {
                generator.writeObjectFieldStart(METADATA);
                for (Map.Entry<String, String> entry : new TreeMap<>(metadata).entrySet()) {
                    generator.writeStringField(entry.getKey(), entry.getValue());
                }
                generator.writeEndObject();
            }
            for (Map.Entry<String, Extent> entry : extents.entrySet()) {
                Extent extent = entry.getValue();
                generator.writeObjectFieldStart(entry.getKey());
                generator.writeStringField("dtype", extent.declaration.type.name());
                generator.writeArrayFieldStart("shape");
                for (Dim dim : extent.declaration.shape.dims()) {
                    generator.writeNumber(dim.size());
                }
                generator.writeEndArray();
                generator.writeArrayFieldStart("data_offsets");
                generator.writeNumber(extent.position);
                generator.writeNumber(extent.position + extent.bytes);
                generator.writeEndArray();
                generator.writeEndObject();
            }
            generator.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory failed", e);
        }
        while (json.size() % ALIGNMENT != 0) {
            json.write(' ');
        }
        if (json.size() > SafetensorsReader.MAXIMUM_HEADER_BYTES) {
            throw new IllegalArgumentException("a header of " + json.size() + " bytes is more than the format allows");
        }
        return ByteBuffer.allocate(Long.BYTES + json.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.size())
                .put(json.toByteArray())
                .array();
    }

    /**
     * Appends elements to an F32 tensor.
     *
     * @throws HengException if the disk is full or fails
     * @throws IllegalArgumentException if there is no such tensor, it is of another type, or would grow beyond its shape
     */
    public void append(String name, float[] values) {
        pieces(
                extent(name, StoredType.F32, values.length),
                values.length,
                Float.BYTES,
                (piece, from, count) -> piece.asFloatBuffer().put(values, from, count));
    }

    /** Appends elements to an I32 tensor; otherwise as {@link #append(String, float[])}. */
    public void append(String name, int[] values) {
        pieces(
                extent(name, StoredType.I32, values.length),
                values.length,
                Integer.BYTES,
                (piece, from, count) -> piece.asIntBuffer().put(values, from, count));
    }

    /** Appends elements to an I64 tensor; otherwise as {@link #append(String, float[])}. */
    public void append(String name, long[] values) {
        pieces(
                extent(name, StoredType.I64, values.length),
                values.length,
                Long.BYTES,
                (piece, from, count) -> piece.asLongBuffer().put(values, from, count));
    }

    /**
     * Appends the bytes of whole elements, little-endian, to a tensor of any type, without a copy on the heap.
     *
     * @throws HengException if the disk is full or fails
     * @throws IllegalArgumentException if there is no such tensor, the bytes are not whole elements, or it would grow beyond its shape
     */
    public void append(String name, MemorySegment bytes) {
        Extent extent = extent(name);
        long bits = Math.multiplyExact(bytes.byteSize(), (long) Byte.SIZE);
        if (bits % extent.declaration.type.bits() != 0) {
            throw new IllegalArgumentException(bytes.byteSize() + " bytes are not whole elements of '" + name + "'");
        }
        requireRoom(extent, bytes.byteSize());
        for (long from = 0; from < bytes.byteSize(); from += SEGMENT_PIECE_BYTES) {
            long length = Math.min(SEGMENT_PIECE_BYTES, bytes.byteSize() - from);
            advance(extent, bytes.asSlice(from, length).asByteBuffer());
        }
    }

    /**
     * Ends the file and gives it its name.
     *
     * @throws HengException if the disk is full or fails
     * @throws IllegalStateException if a tensor has not all its elements
     */
    public void finish() {
        requireOpen();
        for (Extent extent : extents.values()) {
            if (extent.written != extent.bytes) {
                throw new IllegalStateException("tensor '" + extent.declaration.name + "' has " + extent.written
                        + " of its " + extent.bytes + " bytes");
            }
        }
        try {
            channel.force(true);
            channel.close();
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            open = false;
        } catch (IOException e) {
            throw failure(target, e);
        }
    }

    /** Removes what was written unless {@link #finish} was called. Idempotent. */
    @Override
    public void close() {
        if (!open) {
            return;
        }
        open = false;
        try (channel) {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            throw failure(temporary, e);
        }
    }

    private interface Encoder {
        Buffer encode(ByteBuffer piece, int from, int count);
    }

    private void pieces(Extent extent, int elements, int elementBytes, Encoder encoder) {
        ByteBuffer piece = ByteBuffer.allocateDirect(PIECE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        int most = PIECE_BYTES / elementBytes;
        for (int from = 0; from < elements; from += most) {
            int count = Math.min(most, elements - from);
            piece.clear();
            encoder.encode(piece, from, count);
            piece.limit(count * elementBytes);
            advance(extent, piece);
        }
    }

    private void advance(Extent extent, ByteBuffer bytes) {
        try {
            long length = bytes.remaining();
            write(bytes, extent.position + extent.written);
            extent.written += length;
        } catch (IOException e) {
            throw failure(target, e);
        }
    }

    private void write(ByteBuffer bytes, long position) throws IOException {
        long at = position;
        while (bytes.hasRemaining()) {
            at += channel.write(bytes, at);
        }
    }

    private Extent extent(String name, StoredType type, int elements) {
        Extent extent = extent(name);
        if (extent.declaration.type != type) {
            throw new IllegalArgumentException(
                    "tensor '" + name + "' was declared " + extent.declaration.type + ", not " + type);
        }
        requireRoom(extent, (long) elements * type.bits() / Byte.SIZE);
        return extent;
    }

    private Extent extent(String name) {
        requireOpen();
        Extent extent = extents.get(name);
        if (extent == null) {
            throw new IllegalArgumentException("tensor '" + name + "' was not declared");
        }
        return extent;
    }

    private static void requireRoom(Extent extent, long bytes) {
        if (bytes > extent.bytes - extent.written) {
            throw new IllegalArgumentException("tensor '" + extent.declaration.name + "' has room for "
                    + (extent.bytes - extent.written) + " bytes more, not " + bytes);
        }
    }

    private void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the writer of " + target + " is finished or closed");
        }
    }

    private static HengException failure(Path target, IOException cause) {
        return new HengException(
                target + " cannot be written: " + cause.getClass().getSimpleName() + ": " + cause.getMessage(),
                "check that the folder exists, may be written to and has room",
                cause);
    }

    /** Where a tensor goes and how far it has come. */
    private static final class Extent {

        private final Declaration declaration;
        private final long bytes;
        private long position;
        private long written;

        Extent(Declaration declaration, long position) {
            this.declaration = declaration;
            this.bytes = declaration.bytes();
            this.position = position;
        }
    }
}
