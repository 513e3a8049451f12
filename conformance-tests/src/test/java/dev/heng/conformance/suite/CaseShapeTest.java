package dev.heng.conformance.suite;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Shapes get smaller within their family's demands, and are written behind ids. */
final class CaseShapeTest {

    private static final CaseShape SHAPE = CaseShape.FIXED.and("T", 5, 0).and("N", 3, 1);

    @Test
    void smallerShapesBeginWithTheBoldestAndEndOneBelow() {
        assertEquals(
                List.of("T=0,N=1", "T=0,N=3", "T=3,N=3", "T=4,N=3", "T=5,N=1", "T=5,N=2"),
                SHAPE.smaller().stream().map(CaseShape::toString).toList());
    }

    @Test
    void nothingIsSmallerThanTheLeast() {
        assertEquals(List.of(), SHAPE.at("T=0,N=1").smaller());
        assertEquals(List.of(), CaseShape.FIXED.smaller());
        assertTrue(CaseShape.FIXED.isFixed());
        assertFalse(SHAPE.isFixed());
    }

    @Test
    void demandsLeaveShapesOut() {
        CaseShape even = SHAPE.and("K", 4, 1).where(shape -> shape.get("K") % 2 == 0);
        assertTrue(even.smaller().stream().allMatch(shape -> shape.get("K") % 2 == 0));
        assertFalse(even.smaller().isEmpty());
        assertThrows(IllegalArgumentException.class, () -> SHAPE.where(shape -> shape.get("T") == 4));
        assertRefuses("cannot have T=5,N=3,K=3", even, "K=3");
    }

    @Test
    void sizesAreNamedInAnyOrderAndTheOthersStay() {
        assertEquals("T=2,N=1", SHAPE.at("N=1,T=2").toString());
        assertEquals("T=5,N=2", SHAPE.at("N=2").toString());
    }

    @Test
    void sizesThatACaseCannotHaveAreRefusedWithTheChoices() {
        assertRefuses("'T=6' is not a size", SHAPE, "T=6");
        assertRefuses("'N=0' is not a size", SHAPE, "N=0");
        assertRefuses("'T=99999999999' is not a size", SHAPE, "T=99999999999");
        assertRefuses("'T=-1' is not a size", SHAPE, "T=-1");
        assertRefuses("'M=1' is no dimension of T=5,N=3", SHAPE, "M=1");
        assertRefuses("'' is no dimension", SHAPE, "");
        HengException refused = assertThrows(HengException.class, () -> SHAPE.at("M=1"));
        assertEquals("choose T from 0 to 5, N from 1 to 3", refused.remedy());
        assertTrue(assertThrows(HengException.class, () -> CaseShape.FIXED.at("T=1"))
                .remedy()
                .contains("fixed"));
    }

    private static void assertRefuses(String message, CaseShape shape, String text) {
        HengException refused = assertThrows(HengException.class, () -> shape.at(text));
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused.getMessage());
    }

    @Test
    void aPlanThatIsCutOffIsAPlan() {
        int[][] lengths = {{5, 0, 2}, {9, 3, 2}, {10, 4, 3}};
        CaseShape shape = Timeline.shape(lengths).at("sequences=2,steps=2,longest=4");
        int[][] cut = Timeline.lengths(lengths, shape);
        assertEquals("[4, 0] [4, 3]", java.util.Arrays.toString(cut[0]) + " " + java.util.Arrays.toString(cut[1]));
    }

    @Test
    void rowsOfExpertsThatAreGoneAreGone() {
        CaseShape shape = GroupedProductFamilies.loads(0, 3, 0, 1);
        assertTrue(shape.smaller().stream().allMatch(one -> GroupedProductFamilies.loads(one).length == one.get("E")));
        assertRefuses("together", shape, "E=1");
        assertEquals(2, GroupedProductFamilies.loads(shape.at("E=2,e3=0")).length);
    }
}
