package dev.heng.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.tensor.DType;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ContractRecordsTest {

    @Test
    void unknownOptionsAreNamedWithTheKnownOnes() {
        BackendOptions options = new BackendOptions(Map.of("thread", "2"));
        BackendException failure =
                assertThrows(BackendException.class, () -> options.requireKnown("cpu", Set.of("threads")));
        assertEquals(BackendException.Code.INVALID_OPTION, failure.code());
        assertTrue(String.valueOf(failure.getMessage()).contains("'thread'"), failure.getMessage());
        assertTrue(failure.remedy().contains("threads"), failure.remedy());
        options.requireKnown("cpu", Set.of("thread"));
    }

    @Test
    void availableNeedsADevice() {
        assertThrows(IllegalArgumentException.class, () -> new Availability.Available(List.of()));
    }

    @Test
    void aBatchCountsItsRows() {
        assertEquals(0, Batch.NONE.rows());
        assertEquals(5, new Batch(List.of(new Batch.Span(0, 2, 0), new Batch.Span(1, 3, 7))).rows());
        assertThrows(IllegalArgumentException.class, () -> new Batch.Span(0, 0, 0));
    }

    @Test
    void aProfileIsACopyInTheOrderOfItsKeys() {
        NumericsProfile profile = new NumericsProfile(
                Map.of(NumericsProfile.Product.F32, NumericsProfile.Accumulation.f32()),
                Map.of(),
                DType.F32,
                false,
                NumericsProfile.Determinism.NONE);
        assertThrows(
                UnsupportedOperationException.class, () -> profile.products().clear());
    }

    @Test
    void anAccumulationNamesTheWidthThatCannotBe() {
        NumericsProfile.Rounding nearest = NumericsProfile.Rounding.NEAREST_EVEN;
        NumericsProfile.Accumulation h200 =
                NumericsProfile.Accumulation.matrixUnit(8, 16, 26, 24, NumericsProfile.Rounding.TOWARD_ZERO);
        assertEquals(26, h200.alignBits());
        assertEquals(24, h200.sumBits());
        assertEquals(128, h200.promotedEvery(128).promotionInterval());
        record Wrong(String name, int activation, int weight, int block, int align, int sum, int promotion) {}
        for (Wrong wrong : List.of(
                new Wrong("activationBits", 0, 24, 1, 24, 24, 0),
                new Wrong("weightBits", 24, 0, 1, 24, 24, 0),
                new Wrong("blockLength", 24, 24, 0, 24, 24, 0),
                new Wrong("alignBits", 24, 24, 1, 0, 24, 0),
                new Wrong("alignBits", 24, 24, 1, 107, 24, 0),
                new Wrong("sumBits", 24, 24, 1, 24, 0, 0),
                new Wrong("promotionInterval", 24, 24, 1, 24, 24, -1))) {
            IllegalArgumentException refused = assertThrows(
                    IllegalArgumentException.class,
                    () -> new NumericsProfile.Accumulation(
                            wrong.activation(),
                            wrong.weight(),
                            wrong.block(),
                            wrong.align(),
                            nearest,
                            wrong.sum(),
                            nearest,
                            wrong.promotion()));
            assertTrue(refused.toString().contains(wrong.name()), refused.toString());
        }
    }

    @Test
    void groupsHaveAPlaceForEachRank() {
        assertThrows(IllegalArgumentException.class, () -> new Communicator.Group(new byte[0], 2, 2));
    }
}
