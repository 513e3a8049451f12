package dev.heng.backend.cpu.vector;

import dev.heng.kernels.cpu.CpuLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The layout in which this executor reads instructions, weights and caches: eight bytes for everything but two pairs of ints. */
final class Layouts {

    /** What an instruction begins with: opcode and flags, then the two words of its rows. */
    static final int OPCODE = 0;

    static final int ROWS = 8;
    static final int ROWS_SYMBOL = 16;
    static final int FIELDS = 24;

    private static final int MOST_FIELDS = 21;
    static final long INSTRUCTION_BYTES = FIELDS + 8L * MOST_FIELDS;

    static final List<String> WEIGHT =
            List.of("rows", "columns", "row_bytes", "block_rows", "block_columns", "data", "scales", "zero_points");
    static final long WEIGHT_BYTES = 8 + 8L * 8;

    static final List<String> CACHE =
            List.of("data", "type", "row_stride", "page_table", "sequences", "table_stride", "page_size", "pages");
    static final long CACHE_BYTES = 8L * 8;

    /** Scores and group scores, as constants of the layout. */
    static final int SCORE_SIGMOID = 0;

    static final int SCORE_SOFTMAX = 1;
    static final int SCORE_SQRT_SOFTPLUS = 2;
    static final int GROUP_TOP2_SUM = 0;
    static final int GROUP_MAXIMUM = 1;

    static final CpuLayout LAYOUT = layout();

    private Layouts() {}

    private static CpuLayout layout() {
        Map<String, Long> offsets = new HashMap<>();
        Map<String, Integer> constants = new HashMap<>();
        offsets.put("instruction.opcode", (long) OPCODE);
        offsets.put("instruction.flags", 4L);
        offsets.put("instruction.rows", (long) ROWS);
        Opcode[] opcodes = Opcode.values();
        for (int constant = 0; constant < opcodes.length; constant++) {
            Opcode opcode = opcodes[constant];
            constants.put(opcode.name(), constant);
            place(offsets, opcode.name().toLowerCase(Locale.ROOT), FIELDS, opcode.fields());
        }
        offsets.put("weight.type", 0L);
        offsets.put("weight.scale_type", 4L);
        place(offsets, "weight", 8, WEIGHT);
        place(offsets, "cache", 0, CACHE);
        Element[] elements = Element.values();
        for (int constant = 0; constant < elements.length; constant++) {
            constants.put(elements[constant].name(), constant);
        }
        constants.put("SCORE_SIGMOID", SCORE_SIGMOID);
        constants.put("SCORE_SOFTMAX", SCORE_SOFTMAX);
        constants.put("SCORE_SQRT_SOFTPLUS", SCORE_SQRT_SOFTPLUS);
        constants.put("GROUP_TOP2_SUM", GROUP_TOP2_SUM);
        constants.put("GROUP_MAXIMUM", GROUP_MAXIMUM);
        constants.put("OVERLAP", 1);
        return CpuLayout.of(
                offsets,
                Map.of("instruction", INSTRUCTION_BYTES, "weight", WEIGHT_BYTES, "cache", CACHE_BYTES),
                constants);
    }

    private static void place(Map<String, Long> offsets, String structure, int first, List<String> fields) {
        for (int index = 0; index < fields.size(); index++) {
            offsets.put(structure + "." + fields.get(index), first + 8L * index);
        }
    }
}
