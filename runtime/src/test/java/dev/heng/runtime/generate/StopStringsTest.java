package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StopStringsTest {

    @Test
    void withoutStopStringsEverythingPassesAtOnce() {
        StopStrings stops = new StopStrings(List.of());
        assertEquals("abc", stops.add("abc"));
        assertEquals("", stops.finish());
        assertFalse(stops.found());
    }

    @Test
    void whatMayBeAStopStringIsHeldBackUntilItIsNot() {
        StopStrings stops = new StopStrings(List.of("END"));
        assertEquals("x", stops.add("xE"));
        assertEquals("", stops.add("N"));
        assertEquals("ENE", stops.add("EE"));
        assertEquals("E", stops.finish());
    }

    @Test
    void theEarliestOfSeveralCounts() {
        StopStrings stops = new StopStrings(List.of("cd", "bcde"));
        assertEquals("a", stops.add("abc"));
        // Both are whole now; the one that begins first ends the text.
        assertEquals("", stops.add("de"));
        assertTrue(stops.found());
        assertEquals("", stops.add("more"));
        assertEquals("", stops.finish());
    }

    @Test
    void anEmptyStopStringIsRefused() {
        assertThrows(HengException.class, () -> new StopStrings(List.of("x", "")));
    }

    /** However a text is cut, what comes is the text before the stop string that is completed first, or all of it. */
    @Test
    void cutsDoNotMatter() {
        Random random = new Random(20251125);
        for (int round = 0; round < 20_000; round++) {
            String text = letters(random, random.nextInt(20));
            List<String> strings = new ArrayList<>();
            for (int count = random.nextInt(3); count >= 0; count--) {
                strings.add(letters(random, 1 + random.nextInt(4)));
            }
            StopStrings stops = new StopStrings(strings);
            StringBuilder out = new StringBuilder();
            int at = 0;
            while (at < text.length() && !stops.found()) {
                int end = Math.min(text.length(), at + random.nextInt(4));
                out.append(stops.add(text.substring(at, end)));
                at = end;
            }
            out.append(stops.finish());
            int arrived = at;
            int first = strings.stream()
                    .mapToInt(text.substring(0, arrived)::indexOf)
                    .filter(index -> index >= 0)
                    .min()
                    .orElse(arrived);
            assertEquals(text.substring(0, first), out.toString(), () -> text + " / " + strings);
            assertEquals(first < arrived, stops.found());
        }
    }

    private static String letters(Random random, int length) {
        StringBuilder letters = new StringBuilder();
        for (int index = 0; index < length; index++) {
            letters.append((char) ('a' + random.nextInt(2)));
        }
        return letters.toString();
    }
}
