package dev.heng.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** The binding, against the library that this build made. What the kernels compute is tested in C, by test_cpu.c. */
final class CpuLibraryTest {

    private static CpuLibrary library() {
        return assertInstanceOf(CpuLibrary.Loaded.class, CpuLibrary.load()).library();
    }

    @Test
    void theScalarLevelIsAlwaysThereAndTheBestComesLast() {
        assertEquals("scalar", library().levels().getFirst());
        try (CpuTeam team = library().createTeam(1, false, "")) {
            String forced = System.getenv("HENG_CPU_LEVEL");
            assertEquals(forced == null ? library().levels().getLast() : forced, team.level());
        }
    }

    @Test
    void theLayoutDescribesItselfAndRefusesUnknownNames() {
        CpuLayout layout = library().layout();
        assertEquals(256, layout.size("instruction"));
        assertEquals(0, layout.offset("instruction.opcode"));
        assertTrue(layout.offset("linear.x") >= 24);
        assertThrows(IllegalArgumentException.class, () -> layout.offset("linear.nothing"));
    }

    @Test
    void anUnknownLevelIsRefusedWithThoseThatRun() {
        CpuKernelException refused = assertThrows(
                CpuKernelException.class,
                () -> library().createTeam(1, false, "sse9").close());
        assertEquals(CpuKernelException.Kind.UNSUPPORTED, refused.kind());
        assertTrue(String.valueOf(refused.getMessage()).contains("scalar"), refused.getMessage());
    }

    @Test
    void aProgramAddsRowsOnEveryLevel() {
        CpuLayout layout = library().layout();
        for (String level : library().levels()) {
            try (Arena arena = Arena.ofConfined();
                    CpuTeam team = library().createTeam(2, false, level)) {
                MemorySegment a = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6);
                MemorySegment y = arena.allocate(ValueLayout.JAVA_FLOAT, 6);
                MemorySegment add = arena.allocate(layout.size("instruction"), 8);
                add.set(ValueLayout.JAVA_INT, layout.offset("instruction.opcode"), layout.constant("ADD"));
                add.set(ValueLayout.JAVA_LONG, layout.offset("instruction.rows"), 1);
                add.set(ValueLayout.JAVA_LONG, layout.offset("instruction.rows") + 8, 0);
                add.set(ValueLayout.JAVA_LONG, layout.offset("add.a"), a.address());
                add.set(ValueLayout.JAVA_LONG, layout.offset("add.b"), a.address());
                add.set(ValueLayout.JAVA_LONG, layout.offset("add.y"), y.address());
                for (String stride : new String[] {"a_stride", "b_stride", "y_stride", "columns"}) {
                    add.set(ValueLayout.JAVA_LONG, layout.offset("add." + stride), 3);
                }
                try (CpuProgram program = team.createProgram(add, 1, new long[] {2})) {
                    program.run(new long[] {2});
                    for (int i = 0; i < 6; i++) {
                        assertEquals(2.0f * (i + 1), y.getAtIndex(ValueLayout.JAVA_FLOAT, i), level);
                    }
                    CpuKernelException tooLarge =
                            assertThrows(CpuKernelException.class, () -> program.run(new long[] {3}));
                    assertTrue(String.valueOf(tooLarge.getMessage()).contains("0..2"), tooLarge.getMessage());
                }
                add.set(ValueLayout.JAVA_LONG, layout.offset("add.y"), 0);
                CpuKernelException wrong = assertThrows(
                        CpuKernelException.class,
                        () -> team.createProgram(add, 1, new long[] {2}).close());
                assertTrue(
                        String.valueOf(wrong.getMessage()).contains("ADD")
                                && String.valueOf(wrong.getMessage()).contains("y is null"),
                        wrong.getMessage());
            }
        }
    }

    @Test
    void closedThingsSaySo() {
        CpuTeam team = library().createTeam(1, false, "scalar");
        team.close();
        team.close();
        assertThrows(IllegalStateException.class, () -> team.measureFma(1));
    }

    @Test
    void memoryIsZeroedAndComesBack() {
        MemorySegment memory = library().allocate(3 << 20);
        assertEquals(0, memory.get(ValueLayout.JAVA_LONG, (3 << 20) - 8));
        memory.fill((byte) 7);
        library().free(memory);
        assertFalse(library().features().isBlank());
    }
}
