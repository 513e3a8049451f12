package dev.heng.backend.cpu.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.kernels.cpu.CpuLibrary;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** The two readers of instructions know the same names: what one learns, the other must. */
final class LayoutsTest {

    private static CpuLayout library() {
        if (CpuLibrary.load() instanceof CpuLibrary.Loaded loaded) {
            return loaded.library().layout();
        }
        Assumptions.abort("the native library is not there to compare with");
        throw new AssertionError();
    }

    @Test
    void bothKnowTheSameFields() {
        Set<String> here = new TreeSet<>(Layouts.LAYOUT.fields());
        assertTrue(
                here.remove("gather.x_rows_symbol"), "the second word of a count, which C reaches through the first");
        Set<String> there = new TreeSet<>(library().fields());
        there.removeIf(field -> field.startsWith("count."));
        assertEquals(there, here);
    }

    @Test
    void everyOperationOfTheLibraryIsKnown() {
        for (Opcode opcode : Opcode.values()) {
            assertTrue(library().constant(opcode.name()) > 0, opcode.name());
            opcode.fields();
        }
        Set<String> operations = new TreeSet<>();
        library().fields().forEach(field -> operations.add(field.substring(0, field.indexOf('.'))));
        operations.removeAll(Set.of("count", "instruction", "weight", "cache"));
        Set<String> known = new TreeSet<>();
        for (Opcode opcode : Opcode.values()) {
            known.add(opcode.name().toLowerCase(Locale.ROOT));
        }
        assertEquals(operations, known);
    }

    /** A gap in the kernels' own test: level vector is among the levels that all other tests of this backend go through. */
    @Test
    void theModuleIsThereInTests() {
        assertTrue(VectorModule.isPresent(), VectorModule.REMEDY);
    }
}
