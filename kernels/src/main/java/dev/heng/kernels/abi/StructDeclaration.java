package dev.heng.kernels.abi;

import java.util.List;

/**
 * The layout of one structure.
 *
 * @param name its type name
 * @param bytes its size
 * @param fields the fields that a binding touches; copied
 * @param source where this was read
 */
public record StructDeclaration(String name, long bytes, List<Field> fields, AbiSource source) {

    public StructDeclaration {
        fields = List.copyOf(fields);
    }

    /**
     * A field.
     *
     * @param name its name
     * @param offset its offset in bytes
     */
    public record Field(String name, long offset) {}

    /**
     * Returns the offset of a field in bytes.
     *
     * @throws IllegalArgumentException if the table has no such field
     */
    public long offset(String field) {
        return fields.stream()
                .filter(candidate -> candidate.name().equals(field))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the table has no field " + name + "." + field))
                .offset();
    }
}
