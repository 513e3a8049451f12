package dev.heng.runtime.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NoiseTest {

    private static byte[] bytes(Noise noise, int size, long seed) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(size);
            noise.fill(memory, seed);
            return memory.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @Test
    void floatsAreNormalAndInTheRangeThatIsStated() {
        byte[] bf16 = bytes(Noise.BF16_WEIGHT, 1 << 16, 1);
        byte[] f32 = bytes(Noise.F32_WEIGHT, 1 << 16, 1);
        byte[] f16 = bytes(Noise.F16_WEIGHT, 1 << 16, 1);
        int negative = 0;
        for (int at = 0; at < bf16.length; at += 2) {
            float value = Float.intBitsToFloat(((bf16[at + 1] & 0xff) << 24) | ((bf16[at] & 0xff) << 16));
            assertTrue(Math.abs(value) >= 0x1p-7f && Math.abs(value) < 0x1p-5f, "bf16 " + value);
            float half = Float.float16ToFloat((short) (((f16[at + 1] & 0xff) << 8) | (f16[at] & 0xff)));
            assertTrue(Math.abs(half) >= 0x1p-7f && Math.abs(half) < 0x1p-5f, "f16 " + half);
            negative += value < 0 ? 1 : 0;
        }
        for (int at = 0; at < f32.length; at += 4) {
            float value = MemorySegment.ofArray(f32).get(ValueLayout.JAVA_FLOAT_UNALIGNED, at);
            assertTrue(Math.abs(value) >= 0x1p-7f && Math.abs(value) < 0x1p-5f, "f32 " + value);
        }
        // 32,768 signs: ten standard deviations of a fair coin.
        assertEquals(1 << 14, negative, 10 * Math.sqrt(1 << 13));
    }

    @Test
    void integersAreNeitherZeroNorTheOneWithoutNegative() {
        for (byte value : bytes(Noise.I8_WEIGHT, 1 << 16, 1)) {
            assertTrue(value != 0 && value != -128);
        }
        for (byte value : bytes(Noise.E4M3_WEIGHT, 1 << 16, 1)) {
            int exponent = (value >> 3) & 15;
            assertTrue(exponent >= 4 && exponent <= 7, "exponent " + exponent);
        }
    }

    @ParameterizedTest
    @EnumSource(Noise.class)
    void bytesDependOnSeedAndPlaceAlone(Noise noise) {
        byte[] whole = bytes(noise, 3 << 20, 5);
        assertArrayEquals(whole, bytes(noise, 3 << 20, 5));
        assertArrayEquals(Arrays.copyOf(whole, 4096), bytes(noise, 4096, 5));
        assertFalse(Arrays.equals(whole, bytes(noise, 3 << 20, 6)));
        assertNotEquals(
                Arrays.hashCode(Arrays.copyOf(whole, 4096)),
                Arrays.hashCode(Arrays.copyOfRange(whole, 1 << 20, (1 << 20) + 4096)));
    }

    @Test
    void piecesAreOfTheirOwnAndRepeatable() {
        try (NoisePools pools = new NoisePools(3)) {
            assertThrows(IllegalStateException.class, () -> pools.slice(Noise.BF16_WEIGHT, 8, "a", 0));
            pools.announce(Noise.BF16_WEIGHT, 1000);
            pools.announce(Noise.BF16_WEIGHT, 10);
            pools.generate();
            MemorySegment first = pools.slice(Noise.BF16_WEIGHT, 1000, "a", 0);
            assertEquals(1000, first.byteSize());
            assertEquals(-1, first.mismatch(pools.slice(Noise.BF16_WEIGHT, 1000, "a", 0)));
            assertTrue(first.mismatch(pools.slice(Noise.BF16_WEIGHT, 1000, "a", 1)) >= 0);
            assertTrue(first.mismatch(pools.slice(Noise.BF16_WEIGHT, 1000, "b", 0)) >= 0);
            assertThrows(IllegalArgumentException.class, () -> first.set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
        }
    }
}
