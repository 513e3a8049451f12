package dev.heng.conformance.bound;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Judges the choice and the weights of one token (F12, F13).
 *
 * <p>Scores are computed in double from the logits and biases that the device sees; each choice score has an uncertainty, what
 * float32 evaluation may be off by. A choice is legal iff some scores within their uncertainties exist under which the rule, ties
 * to the lower index included, makes it. One family of scores decides: chosen experts as high as they may be, experts of dropped
 * groups as low as they may be, the others of kept groups as high as they may be without passing the lowest chosen one. If the
 * choice is not made under these, it is made under none: raising a chosen expert or lowering a dropped group only helps, and
 * holding a kept group's other experts high only helps to keep it.
 *
 * <p>Experts with bit-equal logit and bias have equal scores on any device, whatever their uncertainty, since one function of one
 * input gives one result. Among them the lower index must win. So must the lower of two groups whose best experts are so equal,
 * where no other expert of the higher one may be among its best.
 *
 * <p>Immutable once created; a judge belongs to one token.
 */
public final class RoutingJudge {

    private static final double UNIT = 0x1p-24;

    /** The constant that the rule adds to the sum of weights. */
    private static final double NORMALIZER = 1e-20;

    private final RoutingRule rule;
    private final float[] logits;
    private final float[] bias;
    private final double[] score;
    private final double scoreError;
    private final double floor;
    private final double[] choice;
    private final double[] uncertainty;
    /** The experts of each group, best first; empty where no group is dropped. */
    private final int[][] ranked;

    /**
     * Creates the judge of one token.
     *
     * @param rule the rule
     * @param logits the token's logits [E], finite
     * @param bias the choice bias [E], finite
     * @param subnormals what the device declares for subnormals
     */
    public RoutingJudge(RoutingRule rule, float[] logits, float[] bias, Subnormals subnormals) {
        if (logits.length != rule.experts() || bias.length != rule.experts()) {
            throw new IllegalArgumentException(
                    logits.length + " logits and " + bias.length + " biases do not fit " + rule.experts() + " experts");
        }
        this.rule = rule;
        this.logits = logits.clone();
        this.bias = bias.clone();
        this.floor = subnormals.floor();
        this.score = scores(rule.score(), logits);
        this.scoreError = relativeScoreError(rule, logits) * UNIT;
        this.choice = new double[rule.experts()];
        this.uncertainty = new double[rule.experts()];
        for (int expert = 0; expert < rule.experts(); expert++) {
            choice[expert] = score[expert] + bias[expert];
            double ofScore = scoreError * score[expert] + floor;
            // Without a bias nothing is added and nothing rounded.
            double ofSum = bias[expert] == 0 ? 0 : UNIT * (Math.abs(choice[expert]) + ofScore);
            uncertainty[expert] = ofScore + ofSum;
        }
        this.ranked = rule.keptGroups() == rule.groups() ? new int[0][] : ranked();
    }

    private static double[] scores(RoutingRule.Score kind, float[] logits) {
        double[] score = new double[logits.length];
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            largest = Math.max(largest, logit);
        }
        double sum = 0;
        for (int expert = 0; expert < logits.length; expert++) {
            score[expert] = switch (kind) {
                case SIGMOID -> ScalarFunction.SIGMOID.exact(logits[expert]);
                case SOFTMAX -> StrictMath.exp(logits[expert] - largest);
                case SQRT_SOFTPLUS -> ScalarFunction.SQRT_SOFTPLUS.exact(logits[expert]);
            };
            sum += score[expert];
        }
        if (kind == RoutingRule.Score.SOFTMAX) {
            for (int expert = 0; expert < logits.length; expert++) {
                score[expert] /= sum;
            }
        }
        return score;
    }

    /** Returns the relative error of a float32 score, in units of 2^-24. */
    private static double relativeScoreError(RoutingRule rule, float[] logits) {
        return switch (rule.score()) {
            case SIGMOID -> ScalarFunction.SIGMOID.units() + 1;
            case SQRT_SOFTPLUS -> ScalarFunction.SQRT_SOFTPLUS.units() + 1;
            case SOFTMAX -> {
                // exp of a rounded difference, a sum of E positive terms in any order, and a division.
                double largest = Double.NEGATIVE_INFINITY;
                double smallest = Double.POSITIVE_INFINITY;
                for (float logit : logits) {
                    largest = Math.max(largest, logit);
                    smallest = Math.min(smallest, logit);
                }
                double span = largest - smallest;
                yield 2 * (ScalarFunction.EXP.units() + span) + rule.experts() - 1 + ScalarFunction.RECIPROCAL.units();
            }
        };
    }

    /** Returns the choice score of {@code expert} in double. */
    public double choiceScore(int expert) {
        return choice[expert];
    }

    /** Returns how far a device's choice score of {@code expert} may be off. */
    public double uncertainty(int expert) {
        return uncertainty[expert];
    }

    /**
     * Returns whether the rule could have chosen exactly these experts.
     *
     * @param ids the chosen experts, distinct and in range, in any order
     */
    public boolean isLegalChoice(int[] ids) {
        boolean[] isChosen = new boolean[rule.experts()];
        for (int id : ids) {
            isChosen[id] = true;
        }
        boolean[] kept = new boolean[rule.groups()];
        return someGroupsAllow(kept, 0, rule.keptGroups(), isChosen);
    }

    private boolean someGroupsAllow(boolean[] kept, int from, int missing, boolean[] isChosen) {
        if (missing == 0) {
            return groupsAllow(kept, isChosen);
        }
        for (int group = from; group <= rule.groups() - missing; group++) {
            kept[group] = true;
            if (someGroupsAllow(kept, group + 1, missing - 1, isChosen)) {
                return true;
            }
            kept[group] = false;
        }
        return false;
    }

    /** Returns whether, with exactly these groups kept, scores exist under which the rule makes this choice. */
    private boolean groupsAllow(boolean[] kept, boolean[] isChosen) {
        boolean masksAsZero = rule.maskedAs() == RoutingRule.MaskedAs.ZERO;
        double lowestChosen = Double.POSITIVE_INFINITY;
        for (int expert = 0; expert < rule.experts(); expert++) {
            if (isChosen[expert]) {
                boolean dropped = !kept[expert / rule.groupSize()];
                if (dropped && !masksAsZero) {
                    return false;
                }
                lowestChosen = Math.min(lowestChosen, dropped ? 0 : choice[expert] + uncertainty[expert]);
            }
        }
        for (int loser = 0; loser < rule.experts(); loser++) {
            if (isChosen[loser]) {
                continue;
            }
            boolean dropped = !kept[loser / rule.groupSize()];
            if (dropped && !masksAsZero) {
                continue;
            }
            for (int winner = 0; winner < rule.experts(); winner++) {
                if (isChosen[winner] && !mayBeat(winner, !kept[winner / rule.groupSize()], loser, dropped)) {
                    return false;
                }
            }
        }
        return groupsMayBeKept(kept, isChosen, lowestChosen);
    }

    private boolean mayBeat(int winner, boolean winnerMasked, int loser, boolean loserMasked) {
        boolean same = winnerMasked == loserMasked && (winnerMasked || sameInputs(winner, loser));
        if (same) {
            return winner < loser;
        }
        double high = winnerMasked ? 0 : choice[winner] + uncertainty[winner];
        double low = loserMasked ? 0 : choice[loser] - uncertainty[loser];
        return high >= low;
    }

    private boolean groupsMayBeKept(boolean[] kept, boolean[] isChosen, double lowestChosen) {
        if (rule.keptGroups() == rule.groups()) {
            return true;
        }
        double[] groupScores = new double[rule.groups()];
        for (int group = 0; group < rule.groups(); group++) {
            double[] members = new double[rule.groupSize()];
            for (int member = 0; member < members.length; member++) {
                int expert = group * rule.groupSize() + member;
                members[member] = kept[group]
                        ? highestOfKept(expert, isChosen[expert], lowestChosen)
                        : choice[expert] - uncertainty[expert];
            }
            groupScores[group] = groupScore(members);
        }
        for (int winner = 0; winner < rule.groups(); winner++) {
            for (int loser = 0; loser < rule.groups(); loser++) {
                if (kept[winner]
                        && !kept[loser]
                        && !groupMayBeat(winner, groupScores[winner], loser, groupScores[loser])) {
                    return false;
                }
            }
        }
        return true;
    }

    /** Returns how high an expert of a kept group may stand without changing the choice. */
    private double highestOfKept(int expert, boolean isChosen, double lowestChosen) {
        double high = choice[expert] + uncertainty[expert];
        return isChosen ? high : Math.min(high, lowestChosen);
    }

    private boolean groupMayBeat(int winner, double winnerScore, int loser, double loserScore) {
        if (sameBestExperts(winner, loser) && !anotherMayBeBest(winner)) {
            return winner < loser;
        }
        // The sum of two scores is rounded once more, which may make two sums equal, for the lower index to win, but
        // not change their order.
        double rounding = rule.groupScore() == RoutingRule.GroupScore.TOP_TWO_SUM && winner < loser
                ? UNIT * (Math.abs(winnerScore) + Math.abs(loserScore))
                : 0;
        return winnerScore + rounding >= loserScore;
    }

    private double groupScore(double[] members) {
        Arrays.sort(members);
        double score = 0;
        for (int place = 1; place <= bestCount(); place++) {
            score += members[members.length - place];
        }
        return score;
    }

    /** Returns how many of its best experts decide a group's score. */
    private int bestCount() {
        return switch (rule.groupScore()) {
            case MAXIMUM -> 1;
            case TOP_TWO_SUM -> 2;
        };
    }

    private boolean sameBestExperts(int group, int other) {
        for (int place = 0; place < bestCount(); place++) {
            if (!sameInputs(ranked[group][place], ranked[other][place])) {
                return false;
            }
        }
        return true;
    }

    /** Returns whether an expert that is not among a group's best could have been, by an evaluation within its uncertainty. */
    private boolean anotherMayBeBest(int group) {
        for (int place = bestCount(); place < rule.groupSize(); place++) {
            for (int best = 0; best < bestCount(); best++) {
                if (mayBeat(ranked[group][place], false, ranked[group][best], false)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Returns the experts of each group in descending order of their choice scores, equals by index. */
    private int[][] ranked() {
        int[][] ranked = new int[rule.groups()][];
        for (int group = 0; group < rule.groups(); group++) {
            int first = group * rule.groupSize();
            ranked[group] = IntStream.range(first, first + rule.groupSize())
                    .boxed()
                    .sorted(Comparator.comparingDouble(expert -> -choice[expert]))
                    .mapToInt(Integer::intValue)
                    .toArray();
        }
        return ranked;
    }

    private boolean sameInputs(int expert, int other) {
        return Float.floatToIntBits(logits[expert]) == Float.floatToIntBits(logits[other])
                && Float.floatToIntBits(bias[expert]) == Float.floatToIntBits(bias[other]);
    }

    /**
     * Returns the first place of {@code ids} whose expert could not come before the one that follows it, or -1 if they could have
     * come in this descending order. Experts of dropped groups under {@link RoutingRule.MaskedAs#ZERO} are not ordered.
     *
     * @param ids a legal choice
     */
    public int firstOutOfOrder(int[] ids) {
        if (rule.maskedAs() == RoutingRule.MaskedAs.ZERO) {
            return -1;
        }
        for (int place = 0; place + 1 < ids.length; place++) {
            if (!mayBeat(ids[place], false, ids[place + 1], false)) {
                return place;
            }
        }
        return -1;
    }

    /**
     * Returns the margin by which the choice fails or holds: the largest amount by which an expert left out exceeds a chosen one, in
     * units of both uncertainties. At most 1 where the choice is explained by them, groups aside.
     */
    public double marginRatio(int[] ids) {
        boolean[] isChosen = new boolean[rule.experts()];
        double weakest = Double.POSITIVE_INFINITY;
        int weakestId = ids[0];
        for (int id : ids) {
            isChosen[id] = true;
            if (choice[id] < weakest) {
                weakest = choice[id];
                weakestId = id;
            }
        }
        double worst = 0;
        for (int expert = 0; expert < rule.experts(); expert++) {
            boolean sharesGroup = false;
            for (int id : ids) {
                sharesGroup |= id / rule.groupSize() == expert / rule.groupSize();
            }
            if (!isChosen[expert] && sharesGroup) {
                worst = Math.max(worst, (choice[expert] - weakest) / (uncertainty[expert] + uncertainty[weakestId]));
            }
        }
        return worst;
    }

    /**
     * Returns the weights that the rule gives to a legal choice, in double and in the order of {@code ids}.
     *
     * @param ids the device's own choice
     * @param normalize whether weights are divided by their sum
     */
    public double[] weights(int[] ids, boolean normalize) {
        double sum = 0;
        for (int id : ids) {
            sum += score[id];
        }
        double[] weights = new double[ids.length];
        for (int place = 0; place < ids.length; place++) {
            double weight = normalize ? score[ids[place]] / (sum + NORMALIZER) : score[ids[place]];
            weights[place] = weight * rule.factor();
        }
        return weights;
    }

    /**
     * Returns how far the weight of {@code id} may be off (F13): the score's own error, that of the sum of k scores, a division and
     * a multiplication by a rounded factor.
     *
     * @param ids the device's own choice
     * @param place the place in {@code ids} of the weight in question
     * @param normalize whether weights are divided by their sum
     */
    public double weightError(int[] ids, int place, boolean normalize) {
        double weight = weights(ids, normalize)[place];
        if (!normalize) {
            return weight * (scoreError + 2 * UNIT) + floor * (rule.factor() + 1);
        }
        double sum = NORMALIZER;
        for (int id : ids) {
            sum += score[id];
        }
        // Floors in the sum are no matter: it is 1e-20 at least.
        double ofSum = scoreError + (ids.length + 1) * UNIT;
        double relative = scoreError + ofSum + (ScalarFunction.RECIPROCAL.units() + 2) * UNIT;
        return weight * relative + floor * rule.factor() / sum + floor;
    }
}
