package dev.heng.conformance.compare;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.RoutingJudge;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.fill.RoutingInputs;
import java.util.Arrays;

/**
 * Judges choices and weights of the routing operation, token by token.
 *
 * <p>A choice that differs from the reference's is legal where the margin explains it (F12); weights are then held against the
 * device's own choice, each against its own id (F13), so that a legal different choice is not punished twice and a weight handed to
 * the wrong id or token is not missed. Rows with NaN or infinite logits must get distinct ids in range and nothing more.
 *
 * <p>Stateless and thread-safe.
 */
public final class RoutingComparator {

    /** Whether the order of ids within a token counts. */
    public enum IdOrder {
        /** By descending choice score, as docs/ops.md pins it. */
        DESCENDING,
        /** Any, each weight at its id's place. */
        ANY
    }

    private RoutingComparator() {}

    /**
     * Judges a result.
     *
     * @param ids the device's ids [T,k]
     * @param weights the device's weights [T,k], F32
     * @param rule the rule
     * @param inputs logits, bias and whether weights are normalised
     * @param order whether the order of ids counts
     * @param subnormals what the device declares for subnormals
     */
    public static Verdict judge(
            IntTensor ids,
            FloatTensor weights,
            RoutingRule rule,
            RoutingInputs inputs,
            IdOrder order,
            Subnormals subnormals) {
        int[] shape = {inputs.tokens(), rule.chosen()};
        if (!Arrays.equals(ids.shape(), shape) || !Arrays.equals(weights.shape(), shape)) {
            return Verdict.refused(
                    Formula.F12,
                    "ids are " + Arrays.toString(ids.shape()) + " and weights " + Arrays.toString(weights.shape())
                            + ", expected " + Arrays.toString(shape));
        }
        if (ids.bits() != 32 || weights.format() != dev.heng.conformance.format.FloatFormat.F32) {
            return Verdict.refused(
                    Formula.F12,
                    "ids have " + ids.bits() + " bits and weights are " + weights.format()
                            + ", expected 32-bit ids and F32 weights");
        }
        if (inputs.tokens() == 0) {
            return Verdict.vacuous(Formula.F12, "no tokens, as expected");
        }
        @org.jspecify.annotations.Nullable Verdict worst = null;
        boolean anyFinite = false;
        for (int token = 0; token < inputs.tokens(); token++) {
            float[] logits =
                    Arrays.copyOfRange(inputs.logits(), token * inputs.experts(), (token + 1) * inputs.experts());
            boolean finite = allFinite(logits) && allFinite(inputs.bias());
            anyFinite |= finite;
            Verdict verdict = judgeToken(ids, weights, rule, inputs, order, subnormals, token, logits, finite);
            if (worst == null || verdict.ratio() > worst.ratio()) {
                worst = verdict;
            }
        }
        if (worst == null || (worst.passed() && !anyFinite)) {
            return Verdict.vacuous(Formula.F12, "no token with finite logits");
        }
        return worst;
    }

    private static Verdict judgeToken(
            IntTensor ids,
            FloatTensor weights,
            RoutingRule rule,
            RoutingInputs inputs,
            IdOrder order,
            Subnormals subnormals,
            int token,
            float[] logits,
            boolean finite) {
        int chosen = rule.chosen();
        int[] tokenIds = new int[chosen];
        boolean[] seen = new boolean[rule.experts()];
        for (int place = 0; place < chosen; place++) {
            long id = ids.values()[token * chosen + place];
            if (id < 0 || id >= rule.experts()) {
                return choiceFault(token, chosen, place, id, "expert " + id + " does not exist");
            }
            if (seen[(int) id]) {
                return choiceFault(token, chosen, place, id, "expert " + id + " is chosen twice");
            }
            seen[(int) id] = true;
            tokenIds[place] = (int) id;
        }
        if (!finite) {
            return passed(
                    Formula.F12, token * (long) chosen, 0, "token " + token + " has no finite logits: ids are valid");
        }
        RoutingJudge judge = new RoutingJudge(rule, logits, inputs.bias(), subnormals);
        if (!judge.isLegalChoice(tokenIds)) {
            return choiceFault(
                    token,
                    chosen,
                    0,
                    tokenIds[0],
                    "token " + token + " chose " + Arrays.toString(tokenIds)
                            + ", which no scores within their uncertainty explain (an expert left out leads by "
                            + judge.marginRatio(tokenIds) + " uncertainties)");
        }
        int outOfOrder = order == IdOrder.DESCENDING ? judge.firstOutOfOrder(tokenIds) : -1;
        if (outOfOrder >= 0) {
            return choiceFault(
                    token,
                    chosen,
                    outOfOrder,
                    tokenIds[outOfOrder],
                    "token " + token + " has expert " + tokenIds[outOfOrder] + " before " + tokenIds[outOfOrder + 1]
                            + ", out of descending order");
        }
        return judgeWeights(weights, judge, tokenIds, inputs.normalize(), token);
    }

    private static Verdict judgeWeights(
            FloatTensor weights, RoutingJudge judge, int[] ids, boolean normalize, int token) {
        double[] expected = judge.weights(ids, normalize);
        double worst = -1;
        int worstPlace = 0;
        for (int place = 0; place < ids.length; place++) {
            double error = Math.abs(weights.values()[token * ids.length + place] - expected[place]);
            double ratio = error / judge.weightError(ids, place, normalize);
            double counted = Double.isNaN(ratio) ? Double.POSITIVE_INFINITY : ratio;
            if (counted > worst) {
                worst = counted;
                worstPlace = place;
            }
        }
        int index = token * ids.length + worstPlace;
        double value = weights.values()[index];
        double wanted = expected[worstPlace];
        double bound = judge.weightError(ids, worstPlace, normalize);
        return new Verdict(
                worst <= 1 ? Outcome.PASS : Outcome.FAIL,
                Formula.F13,
                worst,
                index,
                wanted,
                value,
                weights.format().hex(weights.format().encode(wanted)),
                weights.format().hex(weights.format().encode(value)),
                value - wanted,
                bound,
                "weight of expert " + ids[worstPlace] + " for token " + token + ": got " + value + ", expected "
                        + wanted + ", legal error " + bound);
    }

    private static Verdict choiceFault(int token, int chosen, int place, long id, String message) {
        return new Verdict(
                Outcome.FAIL,
                Formula.F12,
                Double.POSITIVE_INFINITY,
                token * (long) chosen + place,
                Double.NaN,
                id,
                "",
                "0x" + Integer.toHexString((int) id),
                Double.NaN,
                0,
                message);
    }

    private static Verdict passed(Formula formula, long index, double ratio, String message) {
        return new Verdict(
                Outcome.PASS, formula, ratio, index, Double.NaN, Double.NaN, "", "", Double.NaN, Double.NaN, message);
    }

    private static boolean allFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }
}
