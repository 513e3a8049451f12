package dev.heng.runtime.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class SpreadTest {

    @Test
    void theMedianIsTheMiddleOrTheMeanOfTheTwo() {
        assertEquals(3, new Spread(List.of(9.0, 1.0, 3.0)).median());
        assertEquals(2.5, new Spread(List.of(4.0, 1.0, 2.0, 3.0)).median());
        assertEquals(7, new Spread(List.of(7.0)).median());
        assertEquals(1, new Spread(List.of(9.0, 1.0, 3.0)).minimum());
        assertEquals(9, new Spread(List.of(9.0, 1.0, 3.0)).maximum());
        assertThrows(IllegalArgumentException.class, () -> new Spread(List.of()));
    }
}
