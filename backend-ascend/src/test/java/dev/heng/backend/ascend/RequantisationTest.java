package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.ascend.lowering.WeightForm;
import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** FP8 blocks to int8 channels: by definition the nearest codes of the smallest scale that holds the row. */
final class RequantisationTest {

    private static final int ROWS = 33;
    private static final int COLUMNS = 150;

    private final Random random = new Random(7);

    private static Value weight() {
        return new GraphBuilder("g")
                .weight(
                        "w",
                        new TensorType(
                                DType.F8_E4M3,
                                Shape.of(ROWS, COLUMNS),
                                new Quantization.Fp8Blocks(128, 128, DType.F32)));
    }

    private Part part() {
        MemorySegment elements = MemorySegment.ofArray(new byte[ROWS * COLUMNS]);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            int code = random.nextInt(256);
            elements.set(ValueLayout.JAVA_BYTE, i, (byte) ((code & 0x7F) == 0x7F ? 0 : code));
        }
        MemorySegment scales = MemorySegment.ofArray(new byte[8]);
        scales.set(StoredNumbers.FLOAT, 0, 0.0123f);
        scales.set(StoredNumbers.FLOAT, 4, 3.7e-4f);
        return new Part(elements, scales, null);
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16", "F32"})
    void codesAreTheNearestOfTheSmallestScale(DType scaleType) {
        Part part = part();
        for (int k = 0; k < COLUMNS; k++) {
            part.elements().set(ValueLayout.JAVA_BYTE, 5L * COLUMNS + k, (byte) 0);
        }
        MemorySegment codes = MemorySegment.ofArray(new byte[ROWS * COLUMNS]);
        MemorySegment scales = MemorySegment.ofArray(new byte[4 * ROWS]);
        Requantisation.convert(
                weight(), new WeightForm(WeightForm.Kind.INT8_FROM_FP8, scaleType), part, ROWS, COLUMNS, codes, scales);
        for (int n = 0; n < ROWS; n++) {
            double[] row = new double[COLUMNS];
            double largest = 0;
            for (int k = 0; k < COLUMNS; k++) {
                row[k] = real(part, n, k);
                largest = Math.max(largest, Math.abs(row[k]));
            }
            float scale = StoredNumbers.get(scales, scaleType, n);
            assertTrue(scale >= largest / 127, "row " + n);
            assertTrue(below(scale, scaleType) < largest / 127 || largest == 0, "row " + n + " has a smaller scale");
            for (int k = 0; k < COLUMNS; k++) {
                byte code = codes.get(ValueLayout.JAVA_BYTE, (long) n * COLUMNS + k);
                assertTrue(Math.abs(code * (double) scale - row[k]) <= scale / 2.0, "element " + n + ", " + k);
                assertTrue(code >= -127, "element " + n + ", " + k);
            }
        }
    }

    /** QUANT-010 anew: sign, exponent and fraction taken apart. */
    private static double real(Part part, int n, int k) {
        int code = part.elements().get(ValueLayout.JAVA_BYTE, (long) n * COLUMNS + k) & 0xFF;
        int exponent = code >> 3 & 15;
        double size = exponent == 0 ? (code & 7) / 512.0 : (1 + (code & 7) / 8.0) * Math.pow(2, exponent - 7);
        MemorySegment scales = part.scales();
        assertTrue(scales != null);
        return (code > 127 ? -size : size) * scales.get(StoredNumbers.FLOAT, k < 128 ? 0 : 4);
    }

    private static float below(float value, DType dtype) {
        return switch (dtype) {
            case BF16 -> Float.intBitsToFloat(Float.floatToIntBits(value) - 0x10000);
            case F16 -> Float.float16ToFloat((short) (Float.floatToFloat16(value) - 1));
            default -> Math.nextDown(value);
        };
    }

    @Test
    void aNanIsRefusedByName() {
        Part part = part();
        part.elements().set(ValueLayout.JAVA_BYTE, 3L * COLUMNS + 2, (byte) 0x7F);
        BackendException refused = assertThrows(
                BackendException.class,
                () -> Requantisation.convert(
                        weight(),
                        new WeightForm(WeightForm.Kind.INT8_FROM_FP8, DType.BF16),
                        part,
                        ROWS,
                        COLUMNS,
                        MemorySegment.ofArray(new byte[ROWS * COLUMNS]),
                        MemorySegment.ofArray(new byte[2 * ROWS])));
        assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        assertTrue(String.valueOf(refused.getMessage()).contains("weight 'w', row 3"), refused.getMessage());
    }
}
