package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PageTableTest {

    private static int[] table(PageTable pages, int entries) {
        MemorySegment memory = MemorySegment.ofArray(new byte[entries * Integer.BYTES]);
        pages.writeTo(memory);
        return memory.toArray(ValueLayout.JAVA_INT_UNALIGNED);
    }

    @Test
    void pagesAreHandedOutAsSequencesGrow() {
        PageTable pages = new PageTable(2, 3, 4);
        pages.extend(0, 4);
        pages.extend(1, 1);
        pages.extend(0, 1);
        assertEquals(5, pages.length(0));
        assertEquals(3, pages.freePages());
        assertArrayEquals(new int[] {0, 2, 0, 1, 0, 0}, table(pages, 6));
    }

    @Test
    void pagesComeBackAndAreUsedAgain() {
        PageTable pages = new PageTable(2, 3, 4);
        pages.extend(0, 12);
        pages.extend(1, 12);
        assertEquals(0, pages.freePages());
        pages.truncate(0, 4);
        assertEquals(2, pages.freePages());
        pages.truncate(0, 4);
        assertEquals(2, pages.freePages());
        pages.extend(0, 8);
        assertEquals(0, pages.freePages());
    }

    @Test
    void noPageIsEverHeldTwice() {
        int sequences = 5;
        int perSequence = 7;
        int pageSize = 3;
        PageTable pages = new PageTable(sequences, perSequence, pageSize);
        Random random = new Random(1);
        for (int round = 0; round < 5_000; round++) {
            int sequence = random.nextInt(sequences);
            int length = pages.length(sequence);
            if (random.nextBoolean()) {
                pages.extend(sequence, random.nextInt(perSequence * pageSize - length + 1));
            } else {
                pages.truncate(sequence, random.nextInt(length + 1));
            }
            int[] table = table(pages, sequences * perSequence);
            Set<Integer> held = new HashSet<>();
            int count = 0;
            for (int row = 0; row < sequences; row++) {
                for (int page = 0; page < Math.ceilDiv(pages.length(row), pageSize); page++) {
                    held.add(table[row * perSequence + page]);
                    count++;
                }
            }
            assertEquals(count, held.size());
            assertEquals(sequences * perSequence - count, pages.freePages());
            assertTrue(held.stream().allMatch(page -> page >= 0 && page < sequences * perSequence));
        }
    }
}
