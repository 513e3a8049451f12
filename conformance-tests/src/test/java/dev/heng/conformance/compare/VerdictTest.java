package dev.heng.conformance.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.bound.EnsembleBound;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.ProductBound;
import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.bound.RoutingJudge;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.fault.FaultyProduct;
import dev.heng.conformance.fault.ProductFault;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.probe.EmulatedProduct;
import dev.heng.conformance.random.RandomStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

final class VerdictTest {

    private static final int[] PAIR = {2};

    @Test
    void verdictsShowWhatTheyRestOn() {
        FloatTensor got = new FloatTensor(FloatFormat.BF16, PAIR, new double[] {1, 2.5});
        Verdict verdict = FloatComparator.exact(got, FloatFormat.BF16, PAIR, new double[] {1, 2.53125});
        assertFalse(verdict.passed());
        assertEquals(Formula.F1, verdict.formula());
        assertEquals(1, verdict.index());
        assertEquals("0x4022", verdict.expectedBits());
        assertEquals("0x4020", verdict.gotBits());
        assertEquals(2.53125, verdict.expected());
        assertEquals(2.5, verdict.got());
        assertEquals(-0.03125, verdict.error());
        assertEquals(0, verdict.bound());
        assertTrue(verdict.message().contains("got 2.5, expected 2.53125"), verdict.message());
        assertTrue(verdict.toString().contains("FAIL F1 error/bound Infinity at 1"), verdict.toString());
        Verdict scalar = FloatComparator.scalar(
                new FloatTensor(FloatFormat.F32, PAIR, new double[] {1, 1 + 0x1p-22}),
                FloatFormat.F32,
                PAIR,
                ScalarFunction.EXP,
                new double[] {0, 0},
                Subnormals.KEPT);
        assertEquals(0x1p-22 / (7 * 0x1p-24), scalar.ratio());
        assertEquals(7 * 0x1p-24, scalar.bound());
        assertEquals(1, scalar.index());
        assertTrue(scalar.passed());
        Verdict refused = FloatComparator.exact(got, FloatFormat.F16, PAIR, new double[2]);
        assertEquals(-1, refused.index());
        assertTrue(refused.message().contains("BF16, expected F16"), refused.message());
        assertTrue(refused.toString().startsWith("FAIL F1 error/bound Infinity: "), refused.toString());
    }

    @Test
    void verdictsCannotContradictThemselves() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new Verdict(Outcome.PASS, Formula.F1, 1.5, 0, 0, 0, "", "", 0, 0, ""));
        assertThrows(
                IllegalArgumentException.class,
                () -> new Verdict(Outcome.PASS, Formula.F1, Double.NaN, 0, 0, 0, "", "", 0, 0, ""));
        assertEquals(0, Verdict.statistic(Formula.F11, 0, 0, "").ratio());
        assertTrue(Verdict.statistic(Formula.F11, 2, 2, "").passed());
        assertFalse(Verdict.statistic(Formula.F11, -3, 2, "").passed());
        assertEquals(1.5, Verdict.statistic(Formula.F11, -3, 2, "").ratio());
        assertFalse(Verdict.statistic(Formula.F11, 1, 0, "").passed());
        assertEquals(
                Double.POSITIVE_INFINITY,
                Verdict.statistic(Formula.F11, 1, 0, "").ratio());
    }

    @Test
    void tensorsAreDecodedFromTheirBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putFloat(1.5f).putFloat(-2).flip();
        FloatTensor floats = FloatTensor.decode(FloatFormat.F32, PAIR, bytes);
        assertEquals(1.5, floats.values()[0]);
        assertEquals(-2, floats.values()[1]);
        assertEquals(2, floats.size());
        bytes.clear();
        bytes.putShort((short) 0x3fc0).putShort((short) 0xc000).flip();
        assertEquals(-2, FloatTensor.decode(FloatFormat.BF16, PAIR, bytes).values()[1]);
        bytes.clear();
        bytes.put((byte) 0x38).put((byte) 0xb8).flip();
        assertEquals(-1, FloatTensor.decode(FloatFormat.F8_E4M3, PAIR, bytes).values()[1]);
        bytes.clear();
        bytes.putDouble(3).putDouble(4).flip();
        assertEquals(4, FloatTensor.decode(FloatFormat.F64, PAIR, bytes).values()[1]);
        assertThrows(IllegalArgumentException.class, () -> FloatTensor.decode(FloatFormat.F32, PAIR, bytes));
        assertThrows(IllegalArgumentException.class, () -> new FloatTensor(FloatFormat.F32, PAIR, new double[3]));
        assertThrows(IllegalArgumentException.class, () -> new IntTensor(32, PAIR, new long[3]));
        assertThrows(IllegalArgumentException.class, () -> new IntTensor(32, new int[] {-1, -2}, new long[2]));
        assertEquals(0.1f, (float) FloatTensor.rounded(FloatFormat.F32, new int[] {1}, new double[] {0.1})
                .values()[0]);
        assertEquals(3, FloatTensor.matrix(FloatFormat.F32, 3, 0, new double[0]).shape()[0]);
        assertThrows(
                IllegalArgumentException.class,
                () -> FloatComparator.exact(floats, FloatFormat.F32, PAIR, new double[3]));
        assertThrows(
                IllegalArgumentException.class,
                () -> FloatComparator.underBound(
                        floats,
                        FloatFormat.F32,
                        PAIR,
                        new double[2],
                        new EnsembleBound(new double[3], FloatFormat.F32)));
    }

    private static ProductBound bound(AccumulationProfile profile, MatrixFill fill, FloatFormat output, int k) {
        double[] a = fill.fill(RandomStream.of("bias", 1, "a"), FloatFormat.BF16, Operand.ACTIVATIONS, 32, k)
                .values();
        double[] b = fill.fill(RandomStream.of("bias", 1, "b"), FloatFormat.BF16, Operand.WEIGHTS, 32, k)
                .values();
        return new ProductBound(ProductMoments.of(a, b, 32, 32, k), profile, output, fill.isSignedIndependent());
    }

    private static FloatTensor shifted(ProductBound bound, double deviations, boolean driftToo) {
        double[] values = bound.moments().exact().clone();
        double roundoff = bound.output().unitRoundoff();
        for (int index = 0; index < values.length; index++) {
            double rounding = roundoff * values[index];
            double deviation = Math.sqrt(rounding * rounding / 3 + bound.variance(index));
            double drift = driftToo ? bound.driftTowardZero(index) : 0;
            values[index] += Math.signum(values[index]) * (deviations * deviation - drift);
        }
        return FloatTensor.matrix(bound.output(), 32, 32, values);
    }

    @Test
    void biasIsJudgedAgainstTheIntervalOfTheModel() {
        // 1,024 elements: a shift of s deviations each is z = 32 s.
        ProductBound nearest = bound(AccumulationProfile.FLOAT32_FMA, MatrixFill.UNIFORM, FloatFormat.F32, 256);
        Verdict up = BiasComparator.test(shifted(nearest, 0.25, false), nearest);
        assertFalse(up.passed());
        assertEquals(8, up.error(), 0.01);
        assertEquals(6, up.bound());
        assertEquals(Formula.F7, up.formula());
        Verdict down = BiasComparator.test(shifted(nearest, -0.25, false), nearest);
        assertEquals(-8, down.error(), 0.01);
        assertFalse(down.passed());
        assertTrue(BiasComparator.test(shifted(nearest, 0.18, false), nearest).passed());
        assertTrue(BiasComparator.test(shifted(nearest, -0.18, false), nearest).passed());
        assertEquals(0, BiasComparator.test(shifted(nearest, 0, false), nearest).error(), 0.01);

        ProductBound cut = bound(
                AccumulationProfile.matrixUnit(16, 24, Rounding.TOWARD_ZERO),
                MatrixFill.UNIFORM,
                FloatFormat.F32,
                2048);
        assertEquals(0, BiasComparator.test(shifted(cut, 0, true), cut).error(), 0.1);
        assertEquals(0, BiasComparator.test(shifted(cut, 0, false), cut).error(), 0.1);
        double shared = 0;
        for (int index = 0; index < cut.size(); index++) {
            double rounding = 0x1p-24 * cut.moments().exact()[index];
            shared += cut.sharedVariance(index) / (rounding * rounding / 3 + cut.variance(index)) / cut.size();
        }
        double scale = Math.sqrt(1 + 2.0 * 64 / 2048 * shared);
        assertEquals(
                -32 * 0.3 / scale,
                BiasComparator.test(shifted(cut, -0.3, true), cut).error(),
                0.05);
        assertFalse(BiasComparator.test(shifted(cut, -0.3, true), cut).passed());
        double away = BiasComparator.test(shifted(cut, 0.3, false), cut).error();
        assertTrue(away > 6 && away <= 32 * 0.3 / scale + 0.05, "away from zero " + away);
    }

    @Test
    void biasOfNothingIsVacuousAndOfOtherDataRefused() {
        ProductBound bound = bound(AccumulationProfile.FLOAT32_FMA, MatrixFill.UNIFORM, FloatFormat.F32, 0);
        double[] zeros = new double[1024];
        assertEquals(
                Outcome.VACUOUS,
                BiasComparator.test(FloatTensor.matrix(FloatFormat.F32, 32, 32, zeros), bound)
                        .outcome());
        assertEquals(
                Outcome.FAIL,
                BiasComparator.test(FloatTensor.matrix(FloatFormat.F32, 1, 1, new double[1]), bound)
                        .outcome());
        ProductBound positive = bound(AccumulationProfile.FLOAT32_FMA, MatrixFill.POSITIVE, FloatFormat.F32, 64);
        assertThrows(IllegalArgumentException.class, () -> BiasComparator.test(shifted(positive, 0, false), positive));
        ProductBound real = bound(AccumulationProfile.FLOAT32_FMA, MatrixFill.UNIFORM, FloatFormat.F32, 64);
        double[] values = shifted(real, 0, false).values();
        values[5] = Double.NaN;
        assertTrue(BiasComparator.test(FloatTensor.matrix(FloatFormat.F32, 32, 32, values), real)
                .passed());
    }

    @Test
    void ensemblesJudgeTheRootMeanSquare() {
        RandomStream stream = RandomStream.of("ensemble", 2, "x");
        EnsembleBound bound = new EnsembleBound(new double[100], FloatFormat.F32);
        for (int run = 0; run < 16; run++) {
            double[] values = new double[100];
            for (int index = 0; index < 100; index++) {
                values[index] = stream.normal();
            }
            bound.add(values);
        }
        double[] same = new double[100];
        double[] worse = new double[100];
        for (int index = 0; index < 100; index++) {
            same[index] = stream.normal();
            worse[index] = 1.8 * stream.normal();
        }
        int[] shape = {100};
        Verdict good = EnsembleComparator.rootMeanSquare(new FloatTensor(FloatFormat.F32, shape, same), bound);
        assertTrue(good.passed(), good.toString());
        Verdict bad = EnsembleComparator.rootMeanSquare(new FloatTensor(FloatFormat.F32, shape, worse), bound);
        assertFalse(bad.passed());
        assertEquals(bound.rootMeanSquare(worse), bad.error());
        assertEquals(bound.highest(bound::rootMeanSquare), bad.bound());
        assertTrue(FloatComparator.underBound(
                        new FloatTensor(FloatFormat.F32, shape, worse), FloatFormat.F32, shape, new double[100], bound)
                .passed());
        FloatTensor none = new FloatTensor(FloatFormat.F32, new int[] {0}, new double[0]);
        assertFalse(EnsembleComparator.rootMeanSquare(none, bound).passed());
        EnsembleBound empty = new EnsembleBound(new double[0], FloatFormat.F32);
        assertEquals(
                Outcome.VACUOUS, EnsembleComparator.rootMeanSquare(none, empty).outcome());
    }

    @Test
    void trialsPassAUnitAndFailItsFaults() {
        AccumulationProfile profile = AccumulationProfile.matrixUnit(16, 26, Rounding.TOWARD_ZERO);
        MatrixUnit unit = new MatrixUnit(profile);
        SummationOrder order = new SummationOrder.Sequential();
        FloatFormat f32 = FloatFormat.F32;
        RandomStream stream = RandomStream.of("trials", 1, "x");
        ProductTrials trials = trials(profile, stream, MatrixFill.UNIFORM);
        List<Verdict> right = trials.run(new EmulatedProduct(unit, order, f32, f32));
        assertEquals(4, right.size());
        assertTrue(right.stream().allMatch(Verdict::passed), right.toString());
        List<Verdict> wrong = trials.run(new FaultyProduct(ProductFault.TF32_INPUTS, unit, order, f32, f32));
        assertFalse(wrong.get(0).passed());
        assertFalse(wrong.get(3).passed());
        assertEquals(
                1,
                trials(profile, stream, MatrixFill.POSITIVE)
                        .underBound(new EmulatedProduct(unit, order, f32, f32))
                        .size());
        AccumulationProfile coarse = AccumulationProfile.matrixUnit(16, 12, Rounding.TOWARD_ZERO);
        ProductTrials ofCoarse = trials(coarse, stream, MatrixFill.UNIFORM);
        List<Verdict> coarseRight = ofCoarse.run(new EmulatedProduct(new MatrixUnit(coarse), order, f32, f32));
        assertTrue(coarseRight.stream().allMatch(Verdict::passed), coarseRight.toString());
        // A unit that keeps a bit less than it says cannot sum or copy what it says it can.
        AccumulationProfile less = AccumulationProfile.matrixUnit(16, 11, Rounding.TOWARD_ZERO);
        EmulatedProduct liar = new EmulatedProduct(new MatrixUnit(less), order, f32, f32);
        assertFalse(ofCoarse.exactSums(liar).passed());
        assertFalse(ofCoarse.copies(liar).passed());
    }

    private static ProductTrials trials(AccumulationProfile profile, RandomStream stream, MatrixFill fill) {
        return new ProductTrials(profile, FloatFormat.F32, FloatFormat.F32, stream, fill, 16, 32, 100);
    }

    private static RoutingRule grouped(RoutingRule.MaskedAs masked, RoutingRule.GroupScore groupScore) {
        return new RoutingRule(6, 3, 2, 2, RoutingRule.Score.SIGMOID, groupScore, masked, 2);
    }

    private static RoutingJudge judge(RoutingRule rule, float[] logits, float... bias) {
        return new RoutingJudge(rule, logits, bias.length == 0 ? new float[rule.experts()] : bias, Subnormals.KEPT);
    }

    @Test
    void groupsDecideWhoMayBeChosen() {
        RoutingRule sums = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM);
        // The strongest single expert, 4, sits in the weakest group by sum.
        float[] logits = {1, 1.5f, 0.75f, 1.25f, 2, -9};
        assertTrue(judge(sums, logits).isLegalChoice(new int[] {1, 3}));
        assertFalse(judge(sums, logits).isLegalChoice(new int[] {4, 1}));
        RoutingRule maxima = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.MAXIMUM);
        assertTrue(judge(maxima, logits).isLegalChoice(new int[] {4, 1}));
        assertFalse(judge(maxima, logits).isLegalChoice(new int[] {1, 3}));
        // A group that is kept only for a score within uncertainty of another's may be kept or not.
        float close = Math.nextUp(1.25f);
        float[] near = {1, 1.25f, 1, close, 1, Math.nextUp(close)};
        for (int[] choice : new int[][] {{1, 3}, {1, 5}, {3, 5}}) {
            assertTrue(judge(sums, near).isLegalChoice(choice));
        }
        // Groups with equal best experts go to the lower index, whatever the uncertainty.
        float[] tied = {1, 1.25f, 1.25f, 1, 1.25f, 1};
        assertTrue(judge(sums, tied).isLegalChoice(new int[] {1, 2}));
        assertFalse(judge(sums, tied).isLegalChoice(new int[] {2, 4}));
        assertFalse(judge(sums, tied).isLegalChoice(new int[] {1, 4}));
    }

    @Test
    void droppedGroupsCountAsTheRuleSays() {
        float[] logits = {0, 0, 0, 0, 0, 0};
        float[] negative = {-3, -2, -3.25f, -2.25f, -4, -4.5f};
        RoutingRule asZero = grouped(RoutingRule.MaskedAs.ZERO, RoutingRule.GroupScore.TOP_TWO_SUM);
        assertTrue(judge(asZero, logits, negative).isLegalChoice(new int[] {4, 5}));
        assertFalse(judge(asZero, logits, negative).isLegalChoice(new int[] {1, 3}));
        assertFalse(judge(asZero, logits, negative).isLegalChoice(new int[] {4, 1}));
        assertEquals(-1, judge(asZero, logits, negative).firstOutOfOrder(new int[] {5, 4}));
        RoutingRule masked = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM);
        assertTrue(judge(masked, logits, negative).isLegalChoice(new int[] {1, 3}));
        assertFalse(judge(masked, logits, negative).isLegalChoice(new int[] {4, 5}));
        assertEquals(0, judge(masked, logits, negative).firstOutOfOrder(new int[] {3, 1}));
        assertEquals(-1, judge(masked, logits, negative).firstOutOfOrder(new int[] {1, 3}));
    }

    @Test
    void uncertaintyIsWhatFloatEvaluationCosts() {
        RoutingRule rule = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM);
        double unit = 0x1p-24;
        RoutingJudge plain = judge(rule, new float[6]);
        assertEquals(0.5, plain.choiceScore(3));
        assertEquals(13 * unit * 0.5, plain.uncertainty(3), 1e-40);
        RoutingJudge biased = judge(rule, new float[6], 12, 12, 12, 12, 12, 12);
        assertEquals(12.5, biased.choiceScore(3));
        double ofScore = 13 * unit * 0.5;
        assertEquals(ofScore + unit * (12.5 + ofScore), biased.uncertainty(3), 1e-18);
        RoutingJudge flushed = new RoutingJudge(rule, new float[6], new float[6], Subnormals.FLUSHED);
        assertEquals(13 * unit * 0.5 + 0x1p-126, flushed.uncertainty(3), 1e-40);
        RoutingRule softmax = new RoutingRule(
                4, 1, 1, 2, RoutingRule.Score.SOFTMAX, RoutingRule.GroupScore.MAXIMUM, RoutingRule.MaskedAs.ZERO, 1);
        RoutingJudge soft = judge(softmax, new float[] {0, 1, 3, -1});
        double sum = 1 + Math.E + Math.exp(3) + Math.exp(-1);
        assertEquals(Math.E / sum, soft.choiceScore(1), 1e-15);
        assertEquals((2 * (6 + 4) + 3 + 5) * unit * Math.E / sum, soft.uncertainty(1), 1e-20);
        RoutingRule softplus = new RoutingRule(
                4,
                1,
                1,
                2,
                RoutingRule.Score.SQRT_SOFTPLUS,
                RoutingRule.GroupScore.MAXIMUM,
                RoutingRule.MaskedAs.ZERO,
                1);
        assertEquals(Math.sqrt(Math.log(2)), judge(softplus, new float[4]).choiceScore(0), 1e-15);
        assertEquals(
                12 * unit * Math.sqrt(Math.log(2)),
                judge(softplus, new float[4]).uncertainty(0),
                1e-20);
        assertThrows(IllegalArgumentException.class, () -> judge(softplus, new float[5]));
    }

    @Test
    void weightsAndTheirErrorsFollowTheRule() {
        RoutingRule rule = grouped(RoutingRule.MaskedAs.NEGATIVE_INFINITY, RoutingRule.GroupScore.TOP_TWO_SUM);
        RoutingJudge judge = judge(rule, new float[] {0, 1, 0, 0, 0, 0});
        double first = ScalarFunction.SIGMOID.exact(1);
        int[] ids = {1, 0};
        assertEquals(2 * first / (first + 0.5), judge.weights(ids, true)[0], 1e-15);
        assertEquals(1, judge.weights(ids, false)[1], 1e-15);
        double unit = 0x1p-24;
        assertEquals((13 + 2) * unit * 1 + 3 * 0x1p-149, judge.weightError(ids, 1, false), 1e-18);
        double expected = judge.weights(ids, true)[1] * (13 + 13 + 3 + 7) * unit;
        assertEquals(expected, judge.weightError(ids, 1, true), expected * 1e-9);
        assertEquals(0, judge.marginRatio(new int[] {1, 0}));
        double lead = (first - 0.5) / (judge.uncertainty(1) + judge.uncertainty(0));
        assertEquals(lead, judge.marginRatio(new int[] {0, 2}), lead * 1e-9);
        RoutingJudge tiny = judge(rule, new float[] {-100, -100, -100, -100, -100, -100});
        double score = StrictMath.exp(-100);
        double floor = 0x1p-149;
        double weight = 2 * score / (2 * score + 1e-20);
        double error = floor * 2 / (2 * score + 1e-20) + floor;
        assertEquals(weight, tiny.weights(new int[] {0, 1}, true)[0], weight * 1e-12);
        assertEquals(error, tiny.weightError(new int[] {0, 1}, 0, true), error * 1e-4);
    }

    @Test
    void rulesThatCannotBeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> rule(10, 3, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> rule(8, 2, 3, 1));
        assertThrows(IllegalArgumentException.class, () -> rule(8, 2, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> rule(8, 2, 1, 5));
        assertThrows(IllegalArgumentException.class, () -> rule(8, 2, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> rule(0, 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> rule(8, 8, 4, 1));
        assertThrows(IllegalArgumentException.class, () -> rule(120, 60, 30, 1));
        assertEquals(4, rule(8, 2, 1, 4).groupSize());
        assertEquals(32, RoutingRule.deepSeekV3().groupSize());
    }

    private static RoutingRule rule(int experts, int groups, int kept, int chosen) {
        return new RoutingRule(
                experts,
                groups,
                kept,
                chosen,
                RoutingRule.Score.SIGMOID,
                RoutingRule.GroupScore.TOP_TWO_SUM,
                RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                1);
    }

    @Test
    void routingVerdictsNameTokenAndExpert() {
        RoutingRule rule = rule(4, 1, 1, 2);
        RoutingInputs inputs =
                new RoutingInputs(2, 4, new float[] {3, 2, 1, 0, 0, 1, 2, 3}, new float[4], true, Degeneracy.of());
        int[] shape = {2, 2};
        double w =
                ScalarFunction.SIGMOID.exact(3) / (ScalarFunction.SIGMOID.exact(3) + ScalarFunction.SIGMOID.exact(2));
        double[] weights = {w, 1 - w, w, 1 - w};
        FloatTensor right = FloatTensor.rounded(FloatFormat.F32, shape, weights);
        Verdict wrongChoice = route(new long[] {0, 1, 3, 1}, right, rule, inputs);
        assertEquals(Formula.F12, wrongChoice.formula());
        assertEquals(2, wrongChoice.index());
        assertTrue(wrongChoice.message().contains("token 1 chose [3, 1]"), wrongChoice.message());
        weights[3] *= 1.001;
        Verdict wrongWeight =
                route(new long[] {0, 1, 3, 2}, FloatTensor.rounded(FloatFormat.F32, shape, weights), rule, inputs);
        assertEquals(Formula.F13, wrongWeight.formula());
        assertEquals(3, wrongWeight.index());
        assertTrue(wrongWeight.message().contains("weight of expert 2 for token 1"), wrongWeight.message());
        assertEquals((1 - w) * 0.001, wrongWeight.error(), 1e-6);
        Verdict passed = route(new long[] {0, 1, 3, 2}, right, rule, inputs);
        assertTrue(passed.passed() && passed.ratio() < 1 && passed.ratio() > 0, passed.toString());
        Verdict order = route(
                new long[] {0, 1, 2, 3},
                FloatTensor.rounded(FloatFormat.F32, shape, new double[] {w, 1 - w, 1 - w, w}),
                rule,
                inputs);
        assertTrue(order.message().contains("token 1 has expert 2 before 3"), order.message());
        assertEquals(2, order.index());
        Verdict missing = route(new long[] {0, 1, 4, 3}, right, rule, inputs);
        assertTrue(missing.message().contains("expert 4 does not exist"), missing.message());
        Verdict twice = route(new long[] {0, 1, 3, 3}, right, rule, inputs);
        assertEquals(3, twice.index());
        assertTrue(twice.message().contains("chosen twice"), twice.message());
    }

    private static Verdict route(long[] ids, FloatTensor weights, RoutingRule rule, RoutingInputs inputs) {
        return RoutingComparator.judge(
                new IntTensor(32, new int[] {ids.length / 2, 2}, ids),
                weights,
                rule,
                inputs,
                RoutingComparator.IdOrder.DESCENDING,
                Subnormals.KEPT);
    }

    @Test
    void routingResultsOfOtherFormAreRefusedAndOfNothingVacuous() {
        RoutingRule rule = rule(4, 1, 1, 2);
        RoutingInputs none = new RoutingInputs(0, 4, new float[0], new float[4], true, Degeneracy.of());
        FloatTensor empty = new FloatTensor(FloatFormat.F32, new int[] {0, 2}, new double[0]);
        assertEquals(Outcome.VACUOUS, route(new long[0], empty, rule, none).outcome());
        RoutingInputs nan =
                new RoutingInputs(1, 4, new float[] {0, Float.NaN, 0, 0}, new float[4], true, Degeneracy.of());
        FloatTensor one = new FloatTensor(FloatFormat.F32, new int[] {1, 2}, new double[2]);
        assertEquals(Outcome.VACUOUS, route(new long[] {0, 1}, one, rule, nan).outcome());
        assertEquals(Outcome.FAIL, route(new long[] {0, 0}, one, rule, nan).outcome());
        assertEquals(
                Outcome.FAIL, route(new long[] {0, 1, 2, 3}, one, rule, nan).outcome());
        FloatTensor narrow = new FloatTensor(FloatFormat.BF16, new int[] {1, 2}, new double[2]);
        assertEquals(Outcome.FAIL, route(new long[] {0, 1}, narrow, rule, nan).outcome());
        FloatTensor long1 = new FloatTensor(FloatFormat.F32, new int[] {2, 1}, new double[2]);
        assertEquals(Outcome.FAIL, route(new long[] {0, 1}, long1, rule, nan).outcome());
        assertEquals(
                Outcome.FAIL,
                RoutingComparator.judge(
                                new IntTensor(64, new int[] {1, 2}, new long[] {0, 1}),
                                one,
                                rule,
                                nan,
                                RoutingComparator.IdOrder.ANY,
                                Subnormals.KEPT)
                        .outcome());
        assertThrows(
                IllegalArgumentException.class,
                () -> new RoutingInputs(1, 4, new float[3], new float[4], true, Degeneracy.of()));
    }
}
