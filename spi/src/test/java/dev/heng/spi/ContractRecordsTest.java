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
        assertThrows(
                IllegalArgumentException.class,
                () -> new NumericsProfile.Accumulation(
                        0, 24, 24, 1, NumericsProfile.Rounding.NEAREST_EVEN, NumericsProfile.Rounding.NEAREST_EVEN, 0));
    }

    @Test
    void groupsHaveAPlaceForEachRank() {
        assertThrows(IllegalArgumentException.class, () -> new Communicator.Group(new byte[0], 2, 2));
    }
}
