package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.random.RandomStream;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * F12 against its definition, by trying all scores within their uncertainties that can matter, and against cases whose answer is known by
 * hand; F13 against values worked out by hand.
 */
final class RoutingJudgeTest {

    private static final double UNIT = 0x1p-24;

    /** A logit whose score is zero, so that a choice score is its bias, known to half a place of float32 or so. */
    private static final float NO_SCORE = -1000;

    private static RoutingRule grouped(RoutingRule.MaskedAs masked, RoutingRule.GroupScore groupScore, int size) {
        return new RoutingRule(3 * size, 3, 2, 2, RoutingRule.Score.SIGMOID, groupScore, masked, 2);
    }

    private static RoutingRule flat(int experts, int chosen, RoutingRule.Score score) {
        return new RoutingRule(
                experts,
                1,
                1,
                chosen,
                score,
                RoutingRule.GroupScore.MAXIMUM,
                RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                1);
    }

    private static RoutingJudge judge(RoutingRule rule, float[] logits, float... bias) {
        return new RoutingJudge(rule, logits, bias.length == 0 ? new float[rule.experts()] : bias, Subnormals.KEPT);
    }

    /** Returns the judge of choice scores that are biases alone. */
    private static RoutingJudge biased(RoutingRule rule, float... bias) {
        float[] logits = new float[bias.length];
        Arrays.fill(logits, NO_SCORE);
        return judge(rule, logits, bias);
    }

    /** All choices that some scores within the uncertainties lead to, found by trying every level that an expert may stand at. */
    private static final class Definition {
        private final RoutingRule rule;
        private final double[][] levels;
        /** For each expert the one whose inputs it shares, itself or an earlier one. */
        private final int[] sameAs;

        private final double[] scores;
        private final Set<String> reached = new TreeSet<>();

        Definition(RoutingRule rule, RoutingJudge judge, int[] sameAs) {
            this.rule = rule;
            this.sameAs = sameAs;
            this.scores = new double[rule.experts()];
            this.levels = new double[rule.experts()][];
            for (int expert = 0; expert < rule.experts(); expert++) {
                double low = judge.choiceScore(expert) - judge.uncertainty(expert);
                double high = judge.choiceScore(expert) + judge.uncertainty(expert);
                TreeSet<Double> own = new TreeSet<>(Set.of(low, high));
                for (int other = 0; other < rule.experts(); other++) {
                    // Just below what another may reach, which is where it stands highest without passing that one.
                    double below = (judge.choiceScore(other) + judge.uncertainty(other)) * (1 - 1e-13);
                    if (below > low && below < high) {
                        own.add(below);
                    }
                }
                levels[expert] = own.stream().mapToDouble(Double::doubleValue).toArray();
            }
        }

        Set<String> all() {
            assign(0);
            return reached;
        }

        private void assign(int expert) {
            if (expert == scores.length) {
                keep(new boolean[rule.groups()], 0, rule.keptGroups());
                return;
            }
            if (sameAs[expert] != expert) {
                scores[expert] = scores[sameAs[expert]];
                assign(expert + 1);
                return;
            }
            for (double level : levels[expert]) {
                scores[expert] = level;
                assign(expert + 1);
            }
        }

        private void keep(boolean[] kept, int from, int missing) {
            if (missing == 0) {
                if (mayBeKept(kept)) {
                    choose(kept);
                }
                return;
            }
            for (int group = from; group + missing <= rule.groups(); group++) {
                kept[group] = true;
                keep(kept, group + 1, missing - 1);
                kept[group] = false;
            }
        }

        /** The largest group scores win, ties to the lower index; rounding makes ties of sums of two scores that are close. */
        private boolean mayBeKept(boolean[] kept) {
            for (int winner = 0; winner < rule.groups(); winner++) {
                for (int loser = 0; loser < rule.groups(); loser++) {
                    if (kept[winner] && !kept[loser]) {
                        double rounding = rule.groupScore() == RoutingRule.GroupScore.MAXIMUM || loser < winner
                                ? 0
                                : UNIT * (score(winner) + score(loser));
                        double lead = score(winner) - score(loser) + rounding;
                        if (lead < 0 || (lead == 0 && loser < winner)) {
                            return false;
                        }
                    }
                }
            }
            return true;
        }

        private double score(int group) {
            double[] members = Arrays.copyOfRange(scores, group * rule.groupSize(), (group + 1) * rule.groupSize());
            Arrays.sort(members);
            double best = members[members.length - 1];
            return rule.groupScore() == RoutingRule.GroupScore.MAXIMUM ? best : best + members[members.length - 2];
        }

        private void choose(boolean[] kept) {
            boolean masksAsZero = rule.maskedAs() == RoutingRule.MaskedAs.ZERO;
            double[] masked = scores.clone();
            for (int expert = 0; expert < masked.length; expert++) {
                if (!kept[expert / rule.groupSize()]) {
                    masked[expert] = masksAsZero ? 0 : Double.NEGATIVE_INFINITY;
                }
            }
            TreeSet<Integer> chosen = new TreeSet<>();
            for (int place = 0; place < rule.chosen(); place++) {
                int top = -1;
                for (int expert = 0; expert < masked.length; expert++) {
                    if (!chosen.contains(expert) && (top < 0 || masked[expert] > masked[top])) {
                        top = expert;
                    }
                }
                chosen.add(top);
            }
            reached.add(chosen.toString());
        }
    }

    private static Set<String> legal(RoutingRule rule, RoutingJudge judge) {
        Set<String> legal = new HashSet<>();
        for (int first = 0; first < rule.experts(); first++) {
            for (int second = first + 1; second < rule.experts(); second++) {
                if (judge.isLegalChoice(new int[] {second, first})) {
                    legal.add(new TreeSet<>(Set.of(first, second)).toString());
                }
            }
        }
        return legal;
    }

    @ParameterizedTest
    @CsvSource({"NEGATIVE_INFINITY, TOP_TWO_SUM", "NEGATIVE_INFINITY, MAXIMUM", "ZERO, TOP_TWO_SUM", "ZERO, MAXIMUM"})
    void exactlyWhatScoresWithinUncertaintyLeadToIsLegal(RoutingRule.MaskedAs masked, RoutingRule.GroupScore groups) {
        RoutingRule rule = grouped(masked, groups, 2);
        RandomStream stream = RandomStream.of("routing definition", 1, masked + " " + groups);
        int open = 0;
        for (int instance = 0; instance < 25; instance++) {
            // Uncertainties are some 25 steps of the logit: from all overlapping to none. Negative choices meet masks
            // of zero.
            int spread = 1 << (3 + instance % 5);
            float[] logits = new float[6];
            Set<Integer> taken = new HashSet<>();
            for (int expert = 0; expert < 6; expert++) {
                int place = stream.nextInt(spread);
                while (!taken.add(place)) {
                    place = stream.nextInt(spread);
                }
                logits[expert] = 1 + place * 0x1p-23f;
            }
            float[] bias = new float[6];
            Arrays.fill(bias, instance % 3 == 2 ? -0.731058f : 0);
            RoutingJudge judge = judge(rule, logits, bias);
            Set<String> legal = legal(rule, judge);
            assertEquals(new Definition(rule, judge, new int[] {0, 1, 2, 3, 4, 5}).all(), new TreeSet<>(legal));
            open += legal.size() > 1 ? 1 : 0;
        }
        assertTrue(open > 8, open + " instances were open");
    }

    @ParameterizedTest
    @CsvSource({"NEGATIVE_INFINITY, TOP_TWO_SUM", "NEGATIVE_INFINITY, MAXIMUM", "ZERO, TOP_TWO_SUM", "ZERO, MAXIMUM"})
    void nothingThatADeviceMayDoWithEqualInputsIsIllegal(RoutingRule.MaskedAs masked, RoutingRule.GroupScore groups) {
        RoutingRule rule = grouped(masked, groups, 3);
        RandomStream stream = RandomStream.of("equal inputs", 1, masked + " " + groups);
        int illegal = 0;
        for (int instance = 0; instance < 20; instance++) {
            // Few distinct logits among nine experts, some near and some far.
            float[] values = {1, 1 + 0x1p-20f, 1 + (1 + instance % 4) * 0x1p-19f, 0.5f};
            float[] logits = new float[9];
            int[] sameAs = new int[9];
            for (int expert = 0; expert < 9; expert++) {
                int value = stream.nextInt(4);
                logits[expert] = values[value];
                sameAs[expert] = expert;
                for (int other = expert - 1; other >= 0; other--) {
                    sameAs[expert] = logits[other] == logits[expert] ? sameAs[other] : sameAs[expert];
                }
            }
            RoutingJudge judge = judge(rule, logits);
            Set<String> reached = new Definition(rule, judge, sameAs).all();
            Set<String> legal = legal(rule, judge);
            assertTrue(legal.containsAll(reached), () -> Arrays.toString(logits) + ": " + reached + " and " + legal);
            illegal += 36 - legal.size();
        }
        assertTrue(illegal > 10 * 36, illegal + " choices were illegal");
    }

    @Test
    void groupsWithTheSameBestExpertsGoToTheLowerIndex() {
        RoutingRule sums = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM, 3);
        // The best two of groups 1 and 2 are 7 and 6, at other places and beside other thirds.
        float[] bias = {9, 8, 1, 7, 2, 6, 3, 6, 7};
        assertTrue(biased(sums, bias).isLegalChoice(new int[] {0, 1}));
        float[] kept = {6.5f, 1, 0, 7, 2, 6, 3, 6, 7};
        // Groups 1 and 2 tie at 13 above group 0's 7.5: both are kept.
        assertTrue(biased(sums, kept).isLegalChoice(new int[] {3, 8}));
        float[] three = {7, 6, 5, 7, 2, 6, 3, 6, 7};
        // All three tie: the last is dropped, and the two sevens before it are chosen.
        assertTrue(biased(sums, three).isLegalChoice(new int[] {0, 3}));
        assertFalse(biased(sums, three).isLegalChoice(new int[] {3, 8}));
        assertFalse(biased(sums, three).isLegalChoice(new int[] {0, 8}));
        // The maximum looks at one expert only, whatever the seconds are.
        RoutingRule maxima = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 3);
        float[] seconds = {7, 1, 0, 7, 2, 0, 3, 6, 7};
        assertTrue(biased(maxima, seconds).isLegalChoice(new int[] {0, 3}));
        assertFalse(biased(maxima, seconds).isLegalChoice(new int[] {8, 7}));
        assertTrue(biased(sums, seconds).isLegalChoice(new int[] {3, 8}));
    }

    @Test
    void anExpertThatMayBeAmongTheBestLiftsItsGroup() {
        // Group 2 has the best two of groups 0 and 1, and a third within uncertainty of the second: it may be kept.
        RoutingRule sums = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM, 3);
        float close = Math.nextDown(6f);
        assertTrue(biased(sums, 7, 6, 1, 7, 6, 2, 7, 6, close).isLegalChoice(new int[] {0, 6}));
        assertFalse(biased(sums, 7, 6, 1, 7, 6, 2, 7, 6, 5.9f).isLegalChoice(new int[] {0, 6}));
        // One that shares the second's inputs cannot pass it.
        assertFalse(biased(sums, 7, 6, 1, 7, 6, 2, 7, 6, 6).isLegalChoice(new int[] {0, 6}));
        // Unless both of them may pass the first.
        assertTrue(biased(sums, 6, close, 1, 6, close, 2, 6, close, close).isLegalChoice(new int[] {0, 6}));
        RoutingRule maxima = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 2);
        assertTrue(biased(maxima, 6, 1, 6, 2, 6, close).isLegalChoice(new int[] {0, 4}));
        assertFalse(biased(maxima, 6, 1, 6, 2, 6, 5.9f).isLegalChoice(new int[] {0, 4}));
        // Others that may pass each other, and not the best, lift nothing.
        RoutingRule three = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 3);
        assertFalse(biased(three, 6, 1, 0, 6, 2, 0, 6, 5, Math.nextDown(5f)).isLegalChoice(new int[] {0, 6}));
    }

    @Test
    void sumsOfTwoScoresAreRoundedOnceMore() {
        // Choices near 1 are known to 2^-24, a half place of what lies between 1 and 2. Sums of two near 2, each off by
        // two such
        // halves and rounded to within two more, may change places up to four whole places of 2^-23 apart.
        RoutingRule sums = new RoutingRule(
                4,
                2,
                1,
                1,
                RoutingRule.Score.SIGMOID,
                RoutingRule.GroupScore.TOP_TWO_SUM,
                RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                1);
        float place = 0x1p-23f;
        assertTrue(biased(sums, 1, 1, 1 + place, 1 + 2 * place).isLegalChoice(new int[] {0}));
        assertTrue(biased(sums, 1, 1, 1 + 2 * place, 1 + 2 * place).isLegalChoice(new int[] {0}));
        assertFalse(biased(sums, 1, 1, 1 + 3 * place, 1 + 2 * place).isLegalChoice(new int[] {0}));
        assertTrue(biased(sums, -1, -1, -1, -1 + 2 * place).isLegalChoice(new int[] {0}));
        // A sum that is less never becomes the larger one, and of equals the lower index wins.
        assertTrue(biased(sums, 1, 1 + 2 * place, 1, 1).isLegalChoice(new int[] {2}));
        assertFalse(biased(sums, 1 + place, 1 + 2 * place, 1, 1).isLegalChoice(new int[] {2}));
        // The larger of two scores is no sum.
        RoutingRule maxima = new RoutingRule(
                4,
                2,
                1,
                1,
                RoutingRule.Score.SIGMOID,
                RoutingRule.GroupScore.MAXIMUM,
                RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                1);
        assertTrue(biased(maxima, 1, 0, 1 + place, 0).isLegalChoice(new int[] {0}));
        assertFalse(biased(maxima, 1, 0, 1 + 2 * place, 0).isLegalChoice(new int[] {0}));
    }

    @Test
    void scoresThatJustMeetMayChangePlaces() {
        // Biases of 2^28 make double's places coarse, so that two ends meet exactly for some logit.
        int met = 0;
        for (int step = 0; step < 1000; step++) {
            float logit = 0.5f + step * 0x1p-24f;
            float[] bias = {0x1p28f, 0x1p28f + 32};
            RoutingJudge flat = judge(flat(2, 1, RoutingRule.Score.SIGMOID), new float[] {0.5f, logit}, bias);
            double high = flat.choiceScore(0) + flat.uncertainty(0);
            double low = flat.choiceScore(1) - flat.uncertainty(1);
            met += high == low ? 1 : 0;
            assertEquals(high >= low, flat.isLegalChoice(new int[] {0}), "at " + logit);
            RoutingRule groups = new RoutingRule(
                    2,
                    2,
                    1,
                    1,
                    RoutingRule.Score.SIGMOID,
                    RoutingRule.GroupScore.MAXIMUM,
                    RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                    1);
            RoutingJudge grouped = judge(groups, new float[] {0.5f, logit}, bias);
            assertEquals(high >= low, grouped.isLegalChoice(new int[] {0}), "groups at " + logit);
        }
        assertTrue(met > 0, "no two ends met");
    }

    @Test
    void choicesComeInDescendingOrder() {
        RoutingRule rule = flat(4, 3, RoutingRule.Score.SIGMOID);
        RoutingJudge judge = judge(rule, new float[] {3, 2, 1, 1});
        assertEquals(-1, judge.firstOutOfOrder(new int[] {0, 1, 2}));
        assertEquals(0, judge.firstOutOfOrder(new int[] {1, 0, 2}));
        assertEquals(1, judge.firstOutOfOrder(new int[] {0, 2, 1}));
        // Equal inputs come by index.
        assertEquals(-1, judge.firstOutOfOrder(new int[] {2, 3}));
        assertEquals(0, judge.firstOutOfOrder(new int[] {3, 2}));
        RoutingRule zero = grouped(RoutingRule.MaskedAs.ZERO, RoutingRule.GroupScore.MAXIMUM, 2);
        assertEquals(-1, biased(zero, 1, 2, 3, 4, 5, 6).firstOutOfOrder(new int[] {0, 5}));
    }

    @Test
    void softmaxIsTheSameForLogitsThatAreAllHigher() {
        RoutingRule rule = flat(3, 1, RoutingRule.Score.SOFTMAX);
        RoutingJudge low = judge(rule, new float[] {0, 1, -2});
        RoutingJudge high = judge(rule, new float[] {800, 801, 798});
        double sum = 1 + Math.E + Math.exp(-2);
        assertEquals(Math.E / sum, low.choiceScore(1), 1e-15);
        for (int expert = 0; expert < 3; expert++) {
            assertEquals(low.choiceScore(expert), high.choiceScore(expert), 1e-15);
            assertEquals(low.uncertainty(expert), high.uncertainty(expert), 1e-15);
        }
    }

    @Test
    void uncertaintyIsOfTheScoreAndOfItsSumWithTheBias() {
        RoutingRule rule = flat(2, 1, RoutingRule.Score.SIGMOID);
        double ofScore = 13 * UNIT * 0.5 + 0x1p-149;
        RoutingJudge plain = judge(rule, new float[2]);
        assertEquals(ofScore, plain.uncertainty(0));
        float[] none = {NO_SCORE, NO_SCORE};
        assertEquals(0x1p-126, new RoutingJudge(rule, none, new float[2], Subnormals.FLUSHED).uncertainty(0));
        RoutingJudge biased = judge(rule, new float[2], 1, -2);
        // The score's own error is rounded too: second order, in the last digits.
        assertEquals(ofScore + UNIT * 1.5 + UNIT * ofScore, biased.uncertainty(0), 1e-21);
        assertEquals(ofScore + UNIT * 1.5 + UNIT * ofScore, biased.uncertainty(1), 1e-21);
        assertThrows(IllegalArgumentException.class, () -> judge(rule, new float[3]));
        assertThrows(IllegalArgumentException.class, () -> judge(rule, new float[2], 1, 2, 3));
    }

    @Test
    void marginsCountUncertaintiesOfBothExpertsWithinGroups() {
        RoutingRule rule = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 2);
        RoutingJudge judge = biased(rule, 1, 4, 2, 3, 9, 9);
        // Of the chosen the weakest is 0; of the others in their groups 1 leads most, by 3; group 2 is not theirs.
        double both = judge.uncertainty(1) + judge.uncertainty(0);
        assertEquals(3 / both, judge.marginRatio(new int[] {0, 2}), 1e-9 / both);
        assertEquals(3 / both, judge.marginRatio(new int[] {2, 0}), 1e-9 / both);
        both = judge.uncertainty(2) + judge.uncertainty(3);
        assertEquals(1 / both, judge.marginRatio(new int[] {1, 2}), 1e-9 / both);
        assertEquals(0, judge.marginRatio(new int[] {4, 5}));
        assertEquals(0, judge.marginRatio(new int[] {1, 3}));
    }

    @Test
    void weightsFollowTheRule() {
        RoutingRule rule = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 2);
        // Sigmoid of 0 and of -ln 3: 1/2 and 1/4.
        float third = (float) -Math.log(3);
        RoutingJudge judge = judge(rule, new float[] {0, third, 0, 0, 0, 0}, 1, 2, 3, 4, 5, 6);
        double[] plain = judge.weights(new int[] {1, 0}, false);
        assertEquals(0.5, plain[0], 1e-7);
        assertEquals(1, plain[1]);
        double[] normalised = judge.weights(new int[] {1, 0}, true);
        assertEquals(2 / 3.0, normalised[0], 1e-7);
        assertEquals(4 / 3.0, normalised[1], 1e-7);
        // Scores of e^-60 lose to the constant of the denominator: e^-60 / (2 e^-60 + 1e-20) of the factor 2.
        double tiny = StrictMath.exp(-60);
        RoutingJudge vanishing = judge(rule, new float[] {-60, -60, 0, 0, 0, 0});
        assertEquals(2 * tiny / (2 * tiny + 1e-20), vanishing.weights(new int[] {0, 1}, true)[1], 1e-20);
    }

    @Test
    void errorsOfWeightsCountEveryRounding() {
        RoutingRule rule = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM, 2);
        int[] ids = {0, 1};
        RoutingJudge half = judge(rule, new float[6]);
        // Without a sum: the score's 13 units and 2 of the factor, of a weight of 1.
        assertEquals(15 * UNIT, half.weightError(ids, 1, false), 1e-30);
        // With it: 13 of the score, 13 + 3 of the sum, 5 + 2 of division and factor, of a weight of 1.
        assertEquals(36 * UNIT, half.weightError(ids, 1, true), 1e-19);
        // Scores of nothing leave the floor: through the factor, and once more.
        RoutingJudge none =
                new RoutingJudge(rule, new float[] {-1000, -1000, 0, 0, 0, 0}, new float[6], Subnormals.FLUSHED);
        assertEquals(3 * 0x1p-126, none.weightError(ids, 0, false));
        assertEquals(0x1p-126 * 2 / 1e-20 + 0x1p-126, none.weightError(ids, 0, true), 0x1p-126 * 1e-6);
        // A score of nothing beside one of 1/2: the floor by the factor over the sum, and once more.
        RoutingJudge beside =
                new RoutingJudge(rule, new float[] {-1000, 0, 0, 0, 0, 0}, new float[6], Subnormals.FLUSHED);
        assertEquals(5 * 0x1p-126, beside.weightError(ids, 0, true));
    }
}
