package dev.heng.conformance.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class RandomStreamTest {

    @Test
    void philoxGivesThePublishedAnswers() {
        assertArrayEquals(new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, block(0, 0, 0));
        assertArrayEquals(new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, block(-1, -1, -1));
        assertArrayEquals(
                new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
                block(0x85a308d3243f6a88L, 0x0370734413198a2eL, 0x299f31d0a4093822L));
    }

    @Test
    void drawsAreTheSameOnEveryJvm() {
        // Written down once. A change of these values breaks the replay of every failure printed before it.
        RandomStream stream = RandomStream.of("required_LINEAR_001", 42, "A");
        assertEquals(FIRST_LONG, stream.nextLong());
        assertEquals(FIRST_NORMAL, Double.doubleToLongBits(stream.normal()));
        assertEquals(FIRST_UNIFORM, Double.doubleToLongBits(stream.uniform()));
    }

    private static final long FIRST_LONG = 0x954d68abfff700a9L;
    private static final long FIRST_NORMAL = 0x3fedb48fb140ea05L;
    private static final long FIRST_UNIFORM = 0x3fc16c192424e6b4L;

    @Test
    void everyPartOfTheNameCounts() {
        long base = RandomStream.of("case", 1, "A").nextLong();
        assertEquals(base, RandomStream.of("case", 1, "A").nextLong());
        assertNotEquals(base, RandomStream.of("case", 2, "A").nextLong());
        assertNotEquals(base, RandomStream.of("case", 1, "B").nextLong());
        assertNotEquals(base, RandomStream.of("cas", 1, "eA").nextLong());
        assertNotEquals(base, RandomStream.of("case", 1, "A").split(0).nextLong());
        assertNotEquals(
                RandomStream.of("case", 1, "A").split(0).nextLong(),
                RandomStream.of("case", 1, "A").split(1).nextLong());
    }

    @Test
    void splittingDoesNotDependOnWhatWasDrawn() {
        RandomStream stream = RandomStream.of("case", 1, "A");
        long before = stream.split("x").nextLong();
        stream.nextLong();
        assertEquals(before, stream.split("x").nextLong());
    }

    @Test
    void boundedDrawsAreEven() {
        RandomStream stream = RandomStream.of("bounded", 1, "x");
        int[] counts = new int[7];
        for (int draw = 0; draw < 70_000; draw++) {
            counts[stream.nextInt(7)]++;
        }
        // Five standard deviations of a binomial count of mean 10,000.
        for (int count : counts) {
            assertTrue(
                    Math.abs(count - 10_000) < 5 * Math.sqrt(70_000 * (1 / 7.0) * (6 / 7.0)), Arrays.toString(counts));
        }
        assertThrows(IllegalArgumentException.class, () -> stream.nextInt(0));
        assertThrows(IllegalArgumentException.class, () -> stream.between(2, 1));
        assertEquals(3, stream.between(3, 3));
    }

    @Test
    void normalsHaveTheMomentsOfNormals() {
        RandomStream stream = RandomStream.of("normal", 1, "x");
        int draws = 200_000;
        double sum = 0;
        double squares = 0;
        double fourths = 0;
        for (int draw = 0; draw < draws; draw++) {
            double value = stream.normal();
            sum += value;
            squares += value * value;
            fourths += value * value * value * value;
        }
        assertEquals(0, sum / draws, 5 / Math.sqrt(draws));
        assertEquals(1, squares / draws, 5 * Math.sqrt(2.0 / draws));
        assertEquals(3, fourths / draws, 5 * Math.sqrt(96.0 / draws));
    }

    @Test
    void permutationsHoldEachIndexOnce() {
        int[] permutation = RandomStream.of("permutation", 1, "x").permutation(1000);
        int[] sorted = permutation.clone();
        Arrays.sort(sorted);
        assertArrayEquals(IntStream.range(0, 1000).toArray(), sorted);
        assertTrue(IntStream.range(0, 1000).filter(i -> permutation[i] == i).count() < 10);
    }

    private static int[] block(long low, long high, long key) {
        int[] words = new int[4];
        Philox.block(low, high, key, words);
        return words;
    }
}
