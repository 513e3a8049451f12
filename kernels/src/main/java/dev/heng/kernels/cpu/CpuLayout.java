package dev.heng.kernels.cpu;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Where the fields of the kernels' structures lie, as the kernels themselves say ({@code heng_cpu_layout}), so that a field that the
 * kernels do not know is an error when it is first named and never a write to the wrong place.
 */
public final class CpuLayout {

    private final Map<String, Long> offsets = new HashMap<>();
    private final Map<String, Long> sizes = new HashMap<>();
    private final Map<String, Integer> constants = new HashMap<>();

    private CpuLayout() {}

    /**
     * Makes the layout of another reader of the same instructions.
     *
     * @param offsets of fields, in bytes
     * @param sizes of structures, in bytes
     * @param constants by their names
     */
    public static CpuLayout of(Map<String, Long> offsets, Map<String, Long> sizes, Map<String, Integer> constants) {
        CpuLayout layout = new CpuLayout();
        layout.offsets.putAll(offsets);
        layout.sizes.putAll(sizes);
        layout.constants.putAll(constants);
        return layout;
    }

    /** Reads the text of {@code heng_cpu_layout}. */
    static CpuLayout parse(String text) {
        CpuLayout layout = new CpuLayout();
        text.lines().forEach(line -> {
            String[] words = line.split(" ", -1);
            switch (words[0]) {
                case "sizeof" -> layout.sizes.put(words[1], Long.parseLong(words[3]));
                case "const" -> layout.constants.put(words[1], Integer.parseInt(words[2]));
                default -> layout.offsets.put(words[0], Long.parseLong(words[1]));
            }
        });
        return layout;
    }

    /**
     * Returns the offset in bytes of a field, for example {@code linear.x}; fields of operations count from the start of the instruction.
     *
     * @throws IllegalArgumentException if the library has no such field
     */
    public long offset(String field) {
        return known(offsets, field);
    }

    /** Returns the names of all fields. */
    public Set<String> fields() {
        return Set.copyOf(offsets.keySet());
    }

    /** Returns the size in bytes of a structure, for example {@code weight}. */
    public long size(String structure) {
        return known(sizes, structure);
    }

    /** Returns the value of a constant, for example {@code RMS_NORM}. */
    public int constant(String name) {
        return known(constants, name);
    }

    private static <T> T known(Map<String, T> map, String name) {
        T value = map.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the kernels have no '" + name + "'");
        }
        return value;
    }
}
