package dev.heng.runtime.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.heng.runtime.HengException;
import dev.heng.runtime.config.StrictJson;
import dev.heng.spi.tensor.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One safetensors file by memory map.
 *
 * <p>Layout: eight bytes, the length N of the header, little-endian; N bytes of JSON, {@code {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
 * "__metadata__": {strings}}}, offsets counted from the header's end; then the tensors, which cover the rest of the file without a gap or an overlap. Source: the
 * format's description in the safetensors README, whose cap on N, 100 MB, holds here too.
 *
 * <p>Nothing but the header is read when a file is opened; a slice's pages are read when they are touched. The file must not shrink while it is open: touching
 * pages that are gone stops the program.
 *
 * <p>Threading: immutable, safe for use by several threads. Ownership: whoever opened it closes it; slices are not valid afterwards.
 */
public final class SafetensorsReader implements AutoCloseable {

    /** The longest header that the format allows, in bytes. */
    public static final long MAXIMUM_HEADER_BYTES = 100_000_000;

    private static final int PREFIX_BYTES = Long.BYTES;
    private static final int MAXIMUM_RANK = 32;
    private static final String METADATA = "__metadata__";
    private static final String DAMAGED = "download the file again";

    private final Path file;
    private final Map<String, StoredTensor> tensors;
    private final Map<String, String> metadata;
    private final @Nullable Arena owned;

    private SafetensorsReader(
            Path file, Map<String, StoredTensor> tensors, Map<String, String> metadata, @Nullable Arena owned) {
        this.file = file;
        this.tensors = tensors;
        this.metadata = metadata;
        this.owned = owned;
    }

    /**
     * Maps a file and reads its header.
     *
     * @throws HengException naming file and tensor if it is not a sound safetensors file
     */
    public static SafetensorsReader open(Path file) {
        Arena arena = Arena.ofShared();
        try {
            Header header = new Header(file, arena);
            return new SafetensorsReader(file, header.tensors, header.metadata, arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Maps a file into an arena that the caller closes. */
    static SafetensorsReader open(Path file, Arena arena) {
        Header header = new Header(file, arena);
        return new SafetensorsReader(file, header.tensors, header.metadata, null);
    }

    /** Returns the file. */
    public Path file() {
        return file;
    }

    /** Returns the tensors in the order of their bytes. */
    public Collection<StoredTensor> tensors() {
        return tensors.values();
    }

    /** Returns the tensor called {@code name}, or null. */
    public @Nullable StoredTensor find(String name) {
        return tensors.get(name);
    }

    /**
     * Returns the tensor called {@code name}.
     *
     * @throws HengException if there is none
     */
    public StoredTensor require(String name) {
        StoredTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new HengException(file + " has no tensor '" + printable(name) + "'", "use a file that has it");
        }
        return tensor;
    }

    /** Returns the strings of {@code __metadata__}, empty if there are none. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** Unmaps the file, unless it was opened in somebody else's arena. Idempotent; not while another thread reads a slice. */
    @Override
    public void close() {
        if (owned != null && owned.scope().isAlive()) {
            owned.close();
        }
    }

    /** Returns a name from a file as it may be shown: short and without control characters. */
    static String printable(String name) {
        String shown = name.replaceAll("[\\p{Cc}\\x{2028}\\x{2029}]", "?");
        return shown.length() <= 200 ? shown : shown.substring(0, 200) + "...";
    }

    /** Reads and checks one header. */
    private static final class Header {

        private final Path file;
        private final MemorySegment data;
        private final Map<String, String> metadata;
        private final Map<String, StoredTensor> tensors;

        Header(Path file, Arena arena) {
            this.file = file;
            MemorySegment whole = map(arena);
            long length = headerLength(whole);
            this.data = whole.asSlice(PREFIX_BYTES + length);
            Map<String, String> strings = new LinkedHashMap<>();
            List<Entry> entries = parse(whole.asSlice(PREFIX_BYTES, length), strings);
            this.metadata = Collections.unmodifiableMap(strings);
            this.tensors = Collections.unmodifiableMap(place(entries));
        }

        private MemorySegment map(Arena arena) {
            if (!Files.exists(file)) {
                throw new HengException("there is no file " + file, "check the path, or download the file");
            }
            // A pipe would block, a folder cannot be mapped.
            if (!Files.isRegularFile(file)) {
                throw new HengException(file + " is not a regular file", "give the path of a safetensors file");
            }
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                long size = channel.size();
                if (size < PREFIX_BYTES) {
                    throw fault("has " + size + " bytes, too few for a safetensors header", DAMAGED);
                }
                return channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            } catch (IOException e) {
                throw new HengException(
                        file + " cannot be read: " + e.getClass().getSimpleName() + ": " + e.getMessage(),
                        "check that the file is readable by this user",
                        e);
            }
        }

        private long headerLength(MemorySegment whole) {
            long length = whole.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
            if (startsWith(whole, "version https://git-lfs")) {
                throw fault("is a Git LFS pointer, not the file itself", "run 'git lfs pull' in the model's folder");
            }
            // As unsigned: a length with the highest bit set is a huge one.
            if (length < 0 || length > MAXIMUM_HEADER_BYTES) {
                throw fault(
                        "states a header of " + Long.toUnsignedString(length) + " bytes; the format allows "
                                + MAXIMUM_HEADER_BYTES,
                        "check that it is a safetensors file, and download it again");
            }
            if (length > whole.byteSize() - PREFIX_BYTES) {
                throw fault(
                        "is truncated: its header has " + length + " bytes, the file only "
                                + (whole.byteSize() - PREFIX_BYTES) + " after the length",
                        DAMAGED);
            }
            if (length == 0 || whole.get(ValueLayout.JAVA_BYTE, PREFIX_BYTES) != '{') {
                throw fault("has a header that does not begin with '{'", DAMAGED);
            }
            return length;
        }

        private static boolean startsWith(MemorySegment whole, String text) {
            byte[] wanted = text.getBytes(StandardCharsets.US_ASCII);
            return whole.byteSize() >= wanted.length
                    && whole.asSlice(0, wanted.length).mismatch(MemorySegment.ofArray(wanted)) < 0;
        }

        private List<Entry> parse(MemorySegment header, Map<String, String> strings) {
            // A decoder of our own: JSON libraries guess the encoding and repair what is not UTF-8.
            try (InputStreamReader characters = new InputStreamReader(
                            new SegmentInputStream(header),
                            StandardCharsets.UTF_8
                                    .newDecoder()
                                    .onMalformedInput(CodingErrorAction.REPORT)
                                    .onUnmappableCharacter(CodingErrorAction.REPORT));
                    JsonParser parser = StrictJson.factory().createParser(characters)) {
                List<Entry> entries = new ArrayList<>();
                expect(parser.nextToken(), JsonToken.START_OBJECT, "the header");
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = Objects.requireNonNull(parser.currentName());
                    expect(parser.nextToken(), JsonToken.START_OBJECT, "'" + printable(name) + "'");
                    if (name.equals(METADATA)) {
                        metadata(parser, strings);
                    } else {
                        entries.add(entry(parser, name));
                    }
                }
                if (parser.nextToken() != null) {
                    throw fault("has more than one JSON value in its header", DAMAGED);
                }
                return entries;
            } catch (CharacterCodingException e) {
                throw new HengException(file + " has a header that is not UTF-8", DAMAGED, e);
            } catch (JsonProcessingException e) {
                throw StrictJson.malformed("the header of " + file, e);
            } catch (IOException e) {
                throw new HengException(file + " cannot be read: " + e.getMessage(), DAMAGED, e);
            }
        }

        private void metadata(JsonParser parser, Map<String, String> strings) throws IOException {
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = Objects.requireNonNull(parser.currentName());
                expect(parser.nextToken(), JsonToken.VALUE_STRING, METADATA + " '" + printable(key) + "'");
                strings.put(key, parser.getText());
            }
        }

        private Entry entry(JsonParser parser, String name) throws IOException {
            StoredType type = null;
            long[] shape = null;
            long[] offsets = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String field = Objects.requireNonNull(parser.currentName());
                parser.nextToken();
                switch (field) {
                    case "dtype" -> type = type(parser, name);
                    case "shape" -> shape = numbers(parser, name, field);
                    case "data_offsets" -> offsets = numbers(parser, name, field);
                    default ->
                        throw fault(
                                name, "has a field '" + printable(field) + "' that the format does not know", DAMAGED);
                }
            }
            if (type == null || shape == null || offsets == null) {
                throw fault(name, "lacks dtype, shape or data_offsets", DAMAGED);
            }
            if (offsets.length != 2 || offsets[0] > offsets[1]) {
                throw fault(name, "has data_offsets that are not [begin, end] with begin <= end", DAMAGED);
            }
            return new Entry(name, type, Shape.of(shape), offsets[0], offsets[1]);
        }

        private StoredType type(JsonParser parser, String name) throws IOException {
            if (parser.currentToken() != JsonToken.VALUE_STRING) {
                throw fault(name, "has a dtype that is not a string", DAMAGED);
            }
            StoredType type = StoredType.ofName(parser.getText());
            if (type == null) {
                throw fault(
                        name,
                        "has elements of the unknown type '" + printable(parser.getText()) + "'",
                        "use a file with the types of the safetensors format");
            }
            return type;
        }

        private long[] numbers(JsonParser parser, String name, String field) throws IOException {
            if (parser.currentToken() != JsonToken.START_ARRAY) {
                throw fault(name, "has a " + field + " that is not a list", DAMAGED);
            }
            long[] numbers = new long[MAXIMUM_RANK];
            int count = 0;
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                boolean whole = parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                        && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
                if (!whole || parser.getLongValue() < 0) {
                    throw fault(name, "has a " + field + " with what is not an integer of 0..2^63-1", DAMAGED);
                }
                if (count == MAXIMUM_RANK) {
                    throw fault(name, "has more than " + MAXIMUM_RANK + " numbers in " + field, DAMAGED);
                }
                numbers[count] = parser.getLongValue();
                count++;
            }
            return java.util.Arrays.copyOf(numbers, count);
        }

        /** Checks that the entries cover the data without gap and overlap, and cuts the slices. */
        private Map<String, StoredTensor> place(List<Entry> entries) {
            // An empty tensor shares its begin with the next one, so it goes first.
            entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
            Map<String, StoredTensor> placed = LinkedHashMap.newLinkedHashMap(entries.size());
            long reached = 0;
            for (Entry entry : entries) {
                long bytes = bytes(entry);
                if (entry.end - entry.begin != bytes) {
                    throw fault(
                            entry.name,
                            "takes " + (entry.end - entry.begin) + " bytes by its data_offsets, but " + entry.type
                                    + entry.shape + " takes " + bytes,
                            DAMAGED);
                }
                if (entry.begin != reached) {
                    throw fault(
                            entry.name,
                            "begins at byte " + entry.begin + " of the data, "
                                    + (entry.begin < reached ? "inside the tensor before it" : "behind a gap")
                                    + " that ends at " + (entry.begin < reached ? reached : entry.begin),
                            DAMAGED);
                }
                if (entry.end > data.byteSize()) {
                    throw fault(
                            entry.name,
                            "ends at byte " + entry.end + " of the data, but the file has only " + data.byteSize()
                                    + ": it is truncated",
                            DAMAGED);
                }
                reached = entry.end;
                placed.put(
                        entry.name,
                        new StoredTensor(entry.name, entry.type, entry.shape, file, data.asSlice(entry.begin, bytes)));
            }
            if (reached != data.byteSize()) {
                throw fault("has " + (data.byteSize() - reached) + " bytes after its last tensor", DAMAGED);
            }
            return placed;
        }

        private long bytes(Entry entry) {
            try {
                long bits = Math.multiplyExact(entry.shape.elements(), (long) entry.type.bits());
                if (bits % Byte.SIZE != 0) {
                    throw fault(entry.name, "has " + bits + " bits, not whole bytes", DAMAGED);
                }
                return bits / Byte.SIZE;
            } catch (ArithmeticException e) {
                throw fault(entry.name, "has the impossible shape " + entry.shape, DAMAGED);
            }
        }

        private void expect(@Nullable JsonToken token, JsonToken wanted, String what) {
            if (token != wanted) {
                throw fault(
                        "has a header in which " + what + " is not "
                                + (wanted == JsonToken.START_OBJECT ? "an object" : "a string"),
                        DAMAGED);
            }
        }

        private HengException fault(String what, String remedy) {
            return new HengException(file + " " + what, remedy);
        }

        private HengException fault(String tensor, String what, String remedy) {
            return new HengException(file + ": tensor '" + printable(tensor) + "' " + what, remedy);
        }
    }

    private record Entry(String name, StoredType type, Shape shape, long begin, long end) {}

    /** Bytes of a mapped header as a stream, so that the header is never copied to the heap whole. */
    private static final class SegmentInputStream extends InputStream {

        private final MemorySegment segment;
        private long position;

        SegmentInputStream(MemorySegment segment) {
            this.segment = segment;
        }

        @Override
        public int read() {
            if (position == segment.byteSize()) {
                return -1;
            }
            byte value = segment.get(ValueLayout.JAVA_BYTE, position);
            position++;
            return value & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            Objects.checkFromIndexSize(offset, length, target.length);
            int count = (int) Math.min(length, segment.byteSize() - position);
            if (count == 0) {
                return length == 0 ? 0 : -1;
            }
            MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, position, target, offset, count);
            position += count;
            return count;
        }
    }
}
