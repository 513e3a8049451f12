package dev.heng.conformance.suite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heng.spi.tensor.DType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What two executions may differ in, and what not (FORMAT-004, RUN-013). */
final class HostTensorTest {

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "F16, 0x3c00, 0x7e00, 0xfe01", // 1, a NaN, another NaN
        "BF16, 0x3f80, 0x7fc0, 0xffff",
        "F32, 0x3f800000, 0x7fc00000, 0xffc00001",
        "F64, 0x3ff0000000000000, 0x7ff8000000000000, 0x7ff8000000000001",
    })
    void allNansAreOneAndAllElseIsComparedBitForBit(DType dtype, String one, String nan, String otherNan) {
        HostTensor tensor = tensor(dtype, one, nan, one, nan);
        assertEquals(-1, tensor.mismatch(tensor(dtype, one, nan, one, nan)));
        assertEquals(-1, tensor.mismatch(tensor(dtype, one, otherNan, one, otherNan)));
        assertEquals(2, tensor.mismatch(tensor(dtype, one, otherNan, otherNan, nan)), "a NaN where a number was");
        assertEquals(1, tensor.mismatch(tensor(dtype, one, one, one, nan)), "a number where a NaN was");
        assertEquals(2, tensor.mismatch(tensor(dtype, one, otherNan, "0", nan)), "another number behind another NaN");
    }

    @Test
    void zerosOfUnlikeSignDiffer() {
        HostTensor zero = HostTensor.floats(DType.F16, new int[] {1}, 0.0);
        assertEquals(0, zero.mismatch(HostTensor.floats(DType.F16, new int[] {1}, -0.0)));
    }

    @Test
    void integersHaveNoNan() {
        // The bits of two NaNs of F32.
        HostTensor ints = HostTensor.ints(new int[] {2}, 7, 0x7fc0_0000);
        assertEquals(1, ints.mismatch(HostTensor.ints(new int[] {2}, 7, 0x7fc0_0001)));
        assertEquals(-1, ints.mismatch(HostTensor.ints(new int[] {2}, 7, 0x7fc0_0000)));
    }

    @Test
    void tensorsOfUnlikeTypeOrSizeAreRefused() {
        HostTensor floats = HostTensor.floats(DType.F32, new int[] {1}, 1);
        assertThrows(IllegalArgumentException.class, () -> floats.mismatch(HostTensor.ints(new int[] {1}, 1)));
        assertThrows(
                IllegalArgumentException.class,
                () -> floats.mismatch(HostTensor.floats(DType.F32, new int[] {2}, 1, 1)));
    }

    private static HostTensor tensor(DType dtype, String... bits) {
        long[] elements = new long[bits.length];
        for (int index = 0; index < bits.length; index++) {
            String digits = bits[index].startsWith("0x") ? bits[index].substring(2) : bits[index];
            elements[index] = Long.parseUnsignedLong(digits, 16);
        }
        return HostTensor.floats(dtype, new int[] {bits.length}, new double[bits.length])
                .withBits(elements);
    }
}
