package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What a rule may be, each limit from both sides. */
final class RoutingRuleTest {

    private static RoutingRule rule(int experts, int groups, int kept, int chosen) {
        return rule(experts, groups, kept, chosen, RoutingRule.GroupScore.MAXIMUM);
    }

    private static RoutingRule rule(int experts, int groups, int kept, int chosen, RoutingRule.GroupScore groupScore) {
        return new RoutingRule(
                experts,
                groups,
                kept,
                chosen,
                RoutingRule.Score.SIGMOID,
                groupScore,
                RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                1);
    }

    private static void refused(String why, int experts, int groups, int kept, int chosen) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> rule(experts, groups, kept, chosen));
        assertTrue(String.valueOf(refused.getMessage()).contains(why), refused.toString());
    }

    @Test
    void expertsDivideIntoGroups() {
        assertEquals(1, rule(1, 1, 1, 1).groupSize());
        assertEquals(3, rule(12, 4, 2, 1).groupSize());
        assertEquals(32, RoutingRule.deepSeekV3().groupSize());
        refused("0 experts do not divide", 0, 1, 1, 1);
        refused("8 experts do not divide into 0 groups", 8, 0, 1, 1);
        refused("10 experts do not divide into 3 groups", 10, 3, 1, 1);
    }

    @Test
    void noMoreGroupsAreKeptThanThereAre() {
        assertEquals(2, rule(8, 2, 2, 8).keptGroups());
        refused("0 of 2 groups", 8, 2, 0, 1);
        refused("3 of 2 groups", 8, 2, 3, 1);
    }

    @Test
    void noMoreExpertsAreChosenThanMayBe() {
        assertEquals(4, rule(8, 2, 1, 4).chosen());
        refused("0 experts cannot be chosen", 8, 2, 1, 0);
        refused("5 experts cannot be chosen of 4 eligible", 8, 2, 1, 5);
        // Masked as zero, experts of dropped groups may be chosen.
        RoutingRule.MaskedAs zero = RoutingRule.MaskedAs.ZERO;
        RoutingRule.GroupScore maximum = RoutingRule.GroupScore.MAXIMUM;
        assertEquals(8, new RoutingRule(8, 2, 1, 8, RoutingRule.Score.SOFTMAX, maximum, zero, 1).chosen());
        assertThrows(
                IllegalArgumentException.class,
                () -> new RoutingRule(8, 2, 1, 9, RoutingRule.Score.SOFTMAX, maximum, zero, 1));
    }

    @Test
    void choicesOfGroupsAreAtMostAHundredThousand() {
        // C(19, 9) = 92,378 and C(20, 7) = 77,520; C(20, 8) = 125,970, C(20, 10) = 184,756 and C(19, 10) = C(19, 9).
        assertEquals(9, rule(19, 19, 9, 1).keptGroups());
        assertEquals(10, rule(19, 19, 10, 1).keptGroups());
        assertEquals(7, rule(20, 20, 7, 1).keptGroups());
        assertEquals(13, rule(20, 20, 13, 1).keptGroups());
        refused("too many to judge", 20, 20, 8, 1);
        refused("too many to judge", 20, 20, 10, 1);
        refused("too many to judge", 20, 20, 12, 1);
        refused("too many to judge", 60, 60, 30, 1);
        assertEquals(63, rule(63, 63, 63, 1).groups());
        assertEquals(63, rule(63, 63, 1, 1).groups());
        refused("too many to judge", 64, 64, 1, 1);
        refused("too many to judge", 64, 64, 64, 1);
    }

    @Test
    void groupsOfOneHaveNoTwoLargest() {
        RoutingRule.GroupScore sum = RoutingRule.GroupScore.TOP_TWO_SUM;
        assertEquals(2, rule(8, 4, 2, 1, sum).groupSize());
        assertEquals(1, rule(1, 1, 1, 1, sum).groupSize());
        assertEquals(1, rule(8, 8, 4, 1).groupSize());
        assertThrows(IllegalArgumentException.class, () -> rule(8, 8, 4, 1, sum));
    }
}
