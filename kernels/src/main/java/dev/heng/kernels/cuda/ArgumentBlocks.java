package dev.heng.kernels.cuda;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The layouts of the kernels' argument blocks, read from {@code arguments.h}, the header that the kernels themselves are compiled with, so that the two cannot
 * drift apart. Fields of nested structs are named with dots: {@code weight.data}.
 *
 * <p>The rules of layout are those of C on every 64-bit platform: each field at the next multiple of its size, a struct aligned as its widest field
 * or as it says.
 */
public final class ArgumentBlocks {

    /** What a field holds. */
    public enum Kind {
        /** A device address, 8 bytes. */
        POINTER(8),
        /** {@code long long}, 8 bytes. */
        LONG(8),
        /** {@code int}, 4 bytes. */
        INT(4),
        /** {@code float}, 4 bytes. */
        FLOAT(4),
        /** {@code double}, 8 bytes. */
        DOUBLE(8);

        private final int bytes;

        Kind(int bytes) {
            this.bytes = bytes;
        }

        /** Returns the size and alignment in bytes. */
        public int bytes() {
            return bytes;
        }
    }

    /**
     * A field.
     *
     * @param offset from the block's start, in bytes
     * @param kind what it holds
     */
    public record Field(int offset, Kind kind) {}

    /**
     * A struct.
     *
     * @param name as in the header
     * @param bytes its size
     * @param alignment its alignment in bytes
     * @param fields by name, in order; unmodifiable
     */
    public record Block(String name, int bytes, int alignment, Map<String, Field> fields) {
        public Block {
            fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
        }
    }

    private static final Pattern STRUCT = Pattern.compile("struct (?:alignas\\((\\d+)\\) )?(\\w+) \\{");
    private static final Pattern FIELD = Pattern.compile("((?:const )?[\\w ]+?[*]?) (\\w+);");

    private final Map<String, Block> blocks;

    private ArgumentBlocks(Map<String, Block> blocks) {
        this.blocks = blocks;
    }

    /**
     * Reads a header.
     *
     * @throws IllegalArgumentException naming the line that does not keep to the header's grammar
     */
    public static ArgumentBlocks parse(String header) {
        Map<String, Block> blocks = new LinkedHashMap<>();
        String name = null;
        int least = 1;
        List<String[]> declared = new ArrayList<>();
        int number = 0;
        for (String whole : header.lines().toList()) {
            number++;
            String line = whole.replaceFirst("//.*", "").strip();
            Matcher struct = STRUCT.matcher(line);
            Matcher field = FIELD.matcher(line);
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            if (name == null && struct.matches()) {
                name = struct.group(2);
                least = struct.group(1) == null ? 1 : Integer.parseInt(struct.group(1));
                declared.clear();
            } else if (name != null && line.equals("};")) {
                blocks.put(name, layOut(name, declared, blocks, least));
                name = null;
            } else if (name != null && field.matches()) {
                declared.add(new String[] {field.group(1), field.group(2)});
            } else {
                throw new IllegalArgumentException(
                        "arguments.h, line " + number + ": '" + whole + "' is not understood");
            }
        }
        return new ArgumentBlocks(blocks);
    }

    private static Block layOut(String name, List<String[]> declared, Map<String, Block> known, int least) {
        Map<String, Field> fields = new LinkedHashMap<>();
        int offset = 0;
        int widest = least;
        for (String[] field : declared) {
            Kind kind = kindOf(field[0]);
            if (kind != null) {
                offset = aligned(offset, kind.bytes());
                fields.put(field[1], new Field(offset, kind));
                offset += kind.bytes();
                widest = Math.max(widest, kind.bytes());
                continue;
            }
            Block nested = known.get(field[0]);
            if (nested == null) {
                throw new IllegalArgumentException("arguments.h: field '" + field[1] + "' of '" + name
                        + "' has the unknown type '" + field[0] + "'");
            }
            offset = aligned(offset, nested.alignment());
            for (Map.Entry<String, Field> inner : nested.fields().entrySet()) {
                Field at = inner.getValue();
                fields.put(field[1] + "." + inner.getKey(), new Field(offset + at.offset(), at.kind()));
            }
            offset += nested.bytes();
            widest = Math.max(widest, nested.alignment());
        }
        return new Block(name, aligned(offset, widest), widest, fields);
    }

    private static @Nullable Kind kindOf(String type) {
        return switch (type) {
            case "const void*", "void*" -> Kind.POINTER;
            case "long long" -> Kind.LONG;
            case "int" -> Kind.INT;
            case "float" -> Kind.FLOAT;
            case "double" -> Kind.DOUBLE;
            default -> null;
        };
    }

    private static int aligned(int offset, int alignment) {
        return (offset + alignment - 1) / alignment * alignment;
    }

    /**
     * Returns a struct's layout.
     *
     * @throws IllegalArgumentException if the header has no such struct
     */
    public Block block(String name) {
        Block block = blocks.get(name);
        if (block == null) {
            throw new IllegalArgumentException("arguments.h has no struct '" + name + "'");
        }
        return block;
    }

    /** Returns all structs, in the header's order. */
    public List<Block> all() {
        return List.copyOf(blocks.values());
    }
}
