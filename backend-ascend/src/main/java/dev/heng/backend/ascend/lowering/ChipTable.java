package dev.heng.backend.ascend.lowering;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Which of CANN's operators a chip has, by the operators' documents ({@code chips.table}). */
public final class ChipTable {

    private static final Map<String, Entry> ENTRIES = read();

    private record Entry(List<String> chips, String document) {}

    private final String chip;

    private ChipTable(String chip) {
        this.chip = chip;
    }

    /**
     * Returns the table of a chip.
     *
     * @param socName what aclrtGetSocName calls it; the beginnings are those of hicann/opbase src/nnopbase/composite_op/utils/platform.cpp
     */
    public static ChipTable of(String socName) {
        if (socName.startsWith("Ascend310P")) {
            return new ChipTable("310p");
        }
        if (socName.startsWith("Ascend910_93")) {
            return new ChipTable("a3");
        }
        return new ChipTable(socName.startsWith("Ascend950") ? "950" : "a2");
    }

    /** Returns whether it is of the inference series, which lacks most of what is written for mixtures of experts. */
    public boolean isInference() {
        return chip.equals("310p");
    }

    /** Returns whether it is Ascend 950. */
    public boolean is950() {
        return chip.equals("950");
    }

    /** Answers whether the chip has an operator. */
    public boolean has(String operator) {
        return entry(operator).chips().contains(chip);
    }

    /** Returns the document that says which chips an operator is for. */
    public String document(String operator) {
        return entry(operator).document();
    }

    private static Entry entry(String operator) {
        Entry entry = ENTRIES.get(operator);
        if (entry == null) {
            throw new IllegalStateException("chips.table has no line for " + operator);
        }
        return entry;
    }

    private static Map<String, Entry> read() {
        try (InputStream stream = ChipTable.class.getResourceAsStream("chips.table")) {
            if (stream == null) {
                throw new IllegalStateException("chips.table is missing from this build");
            }
            Map<String, Entry> entries = new HashMap<>();
            for (String line : new String(stream.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList()) {
                if (!line.startsWith("#")) {
                    List<String> parts = List.of(line.split("; ", -1));
                    entries.put(parts.get(0), new Entry(List.of(parts.get(1).split(" ", -1)), parts.get(2)));
                }
            }
            return entries;
        } catch (IOException e) {
            throw new UncheckedIOException("chips.table cannot be read", e);
        }
    }
}
