package dev.heng.conformance.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.bound.ErrorBound;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.format.FloatFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Faults planted in comparators. A contract is a list of scenarios with the outcome that each must have; the real comparator keeps
 * it, and every faulty one must break it. Many faults are those that other suites shipped.
 */
@SuppressWarnings("ArrayRecordComponent") // Cases are looked at, never compared.
final class ComparatorFaultTest {

    private static final double NAN = Double.NaN;
    private static final double INF = Double.POSITIVE_INFINITY;

    /** What a comparator is handed and what it must say. */
    private record Scenario<T>(String name, T data, Outcome required) {}

    /** A float comparison: legal errors lie from -below to above. */
    private record FloatCase(
            FloatTensor got, FloatFormat format, int[] shape, double[] expected, double[] below, double[] above) {

        static FloatCase of(double[] got, double[] expected, double tolerance) {
            double[] tolerances = new double[expected.length];
            Arrays.fill(tolerances, tolerance);
            return new FloatCase(
                    new FloatTensor(FloatFormat.F32, new int[] {got.length}, got),
                    FloatFormat.F32,
                    new int[] {expected.length},
                    expected,
                    tolerances,
                    tolerances);
        }

        FloatCase withValues(double[] values, double[] wanted) {
            return new FloatCase(
                    new FloatTensor(got.format(), new int[] {values.length}, values),
                    format,
                    new int[] {wanted.length},
                    wanted,
                    Arrays.copyOf(below, wanted.length),
                    Arrays.copyOf(above, wanted.length));
        }

        FloatCase mapGot(Pairwise change) {
            double[] values = got.values().clone();
            for (int index = 0; index < values.length && index < expected.length; index++) {
                values[index] = change.apply(values[index], expected[index]);
            }
            return new FloatCase(
                    new FloatTensor(got.format(), got.shape(), values), format, shape, expected, below, above);
        }

        FloatCase mapBoth(DoubleUnaryOperator change) {
            FloatCase changed = mapGot((value, wanted) -> change.applyAsDouble(value));
            return new FloatCase(
                    changed.got,
                    format,
                    shape,
                    Arrays.stream(expected).map(change).toArray(),
                    below,
                    above);
        }

        FloatCase withTolerance(double[] lower, double[] upper) {
            return new FloatCase(got, format, shape, expected, lower, upper);
        }

        FloatCase slice(int from, int to) {
            return withValues(
                    Arrays.copyOfRange(got.values(), Math.min(from, got.size()), Math.min(to, got.size())),
                    Arrays.copyOfRange(expected, Math.min(from, expected.length), Math.min(to, expected.length)));
        }
    }

    /** A change of a returned value that may look at what was expected. */
    @FunctionalInterface
    private interface Pairwise {
        double apply(double got, double expected);
    }

    private static Outcome underBound(FloatCase data) {
        return FloatComparator.underBound(data.got, data.format, data.shape, data.expected, new ErrorBound() {
                    @Override
                    public int size() {
                        return data.expected.length;
                    }

                    @Override
                    public double lowest(int index) {
                        return -data.below[index];
                    }

                    @Override
                    public double highest(int index) {
                        return data.above[index];
                    }

                    @Override
                    public Formula formula() {
                        return Formula.F6;
                    }
                })
                .outcome();
    }

    private static double[] ramp(int count) {
        double[] values = new double[count];
        for (int index = 0; index < count; index++) {
            values[index] = index + 1;
        }
        return values;
    }

    private static double[] with(double[] values, int index, double value) {
        double[] changed = values.clone();
        changed[index] = value;
        return changed;
    }

    private static List<Scenario<FloatCase>> boundContract() {
        double[] ramp = ramp(2000);
        List<Scenario<FloatCase>> contract = new ArrayList<>();
        contract.add(new Scenario<>("equal", FloatCase.of(ramp, ramp, 0.25), Outcome.PASS));
        contract.add(new Scenario<>("inside", FloatCase.of(with(ramp, 7, 8.25), ramp, 0.25), Outcome.PASS));
        for (int index : new int[] {0, 7, 1999}) {
            contract.add(new Scenario<>(
                    "above at " + index, FloatCase.of(with(ramp, index, index + 1.375), ramp, 0.25), Outcome.FAIL));
            contract.add(new Scenario<>(
                    "below at " + index, FloatCase.of(with(ramp, index, index + 0.625), ramp, 0.25), Outcome.FAIL));
        }
        contract.add(new Scenario<>("tiny", FloatCase.of(with(ramp, 3, 4 + 0x1p-18), ramp, 0x1p-19), Outcome.FAIL));
        contract.add(new Scenario<>("NaN got", FloatCase.of(with(ramp, 3, NAN), ramp, 0.25), Outcome.FAIL));
        contract.add(new Scenario<>("NaN lost", FloatCase.of(ramp, with(ramp, 3, NAN), 0.25), Outcome.FAIL));
        contract.add(
                new Scenario<>("NaN kept", FloatCase.of(with(ramp, 3, NAN), with(ramp, 3, NAN), 0.25), Outcome.PASS));
        contract.add(new Scenario<>("Inf got", FloatCase.of(with(ramp, 3, INF), ramp, 0.25), Outcome.FAIL));
        contract.add(new Scenario<>("Inf lost", FloatCase.of(ramp, with(ramp, 3, INF), 0.25), Outcome.FAIL));
        contract.add(
                new Scenario<>("Inf kept", FloatCase.of(with(ramp, 3, INF), with(ramp, 3, INF), 0.25), Outcome.PASS));
        contract.add(new Scenario<>(
                "Inf of other sign", FloatCase.of(with(ramp, 3, -INF), with(ramp, 3, INF), 0.25), Outcome.FAIL));
        contract.add(new Scenario<>(
                "NaN for Inf", FloatCase.of(with(ramp, 3, NAN), with(ramp, 3, INF), 0.25), Outcome.FAIL));
        double top = Float.MAX_VALUE;
        contract.add(new Scenario<>(
                "overflow that the bound reaches",
                FloatCase.of(with(ramp, 3, INF), with(ramp, 3, top), 0x1p105),
                Outcome.PASS));
        contract.add(new Scenario<>("sign", FloatCase.of(with(ramp, 3, -4), ramp, 0.25), Outcome.FAIL));
        contract.add(new Scenario<>("swapped", FloatCase.of(with(with(ramp, 0, 2), 1, 1), ramp, 0.25), Outcome.FAIL));
        contract.add(new Scenario<>("all NaN", FloatCase.of(new double[] {NAN}, ramp(1), 0.25), Outcome.FAIL));
        contract.add(new Scenario<>(
                "nothing but NaN expected", FloatCase.of(new double[] {NAN}, new double[] {NAN}, 1), Outcome.VACUOUS));
        contract.add(new Scenario<>("empty", FloatCase.of(new double[0], new double[0], 1), Outcome.VACUOUS));
        contract.add(new Scenario<>("empty got", FloatCase.of(new double[0], ramp, 1), Outcome.FAIL));
        contract.add(new Scenario<>("short got", FloatCase.of(ramp(1999), ramp, 1), Outcome.FAIL));
        FloatCase equal = FloatCase.of(ramp, ramp, 0.25);
        contract.add(new Scenario<>(
                "transposed",
                new FloatCase(
                        new FloatTensor(FloatFormat.F32, new int[] {40, 50}, ramp),
                        FloatFormat.F32,
                        new int[] {50, 40},
                        ramp,
                        equal.below,
                        equal.above),
                Outcome.FAIL));
        contract.add(new Scenario<>(
                "other format",
                new FloatCase(
                        new FloatTensor(FloatFormat.BF16, new int[] {2000}, ramp),
                        FloatFormat.F32,
                        new int[] {2000},
                        ramp,
                        equal.below,
                        equal.above),
                Outcome.FAIL));
        FloatCase low = FloatCase.of(with(ramp, 3, 3.5), ramp, 0);
        contract.add(
                new Scenario<>("one-sided, legal", low.withTolerance(with(low.below, 3, 1), low.above), Outcome.PASS));
        contract.add(new Scenario<>(
                "one-sided, illegal", low.withTolerance(low.below, with(low.above, 3, 1)), Outcome.FAIL));
        contract.add(new Scenario<>("NaN bound", low.withTolerance(with(low.below, 3, NAN), low.above), Outcome.FAIL));
        contract.add(new Scenario<>(
                "subnormal lost",
                FloatCase.of(new double[] {0, 1}, new double[] {0x1p-140, 1}, 0x1p-149),
                Outcome.FAIL));
        contract.add(new Scenario<>("zero bound kept", FloatCase.of(ramp, ramp, 0), Outcome.PASS));
        return contract;
    }

    private static Outcome tolerant(FloatCase data, double factor, double absolute, double relative) {
        double[] lower = data.below.clone();
        double[] upper = data.above.clone();
        for (int index = 0; index < lower.length; index++) {
            double more = absolute + relative * Math.abs(data.expected[index]);
            lower[index] = lower[index] * factor + more;
            upper[index] = upper[index] * factor + more;
        }
        return underBound(data.withTolerance(lower, upper));
    }

    private static Map<String, Function<FloatCase, Outcome>> boundFaults() {
        Map<String, Function<FloatCase, Outcome>> faults = new LinkedHashMap<>();
        faults.put(
                "format ignored",
                c -> underBound(new FloatCase(
                        new FloatTensor(c.format, c.got.shape(), c.got.values()),
                        c.format,
                        c.shape,
                        c.expected,
                        c.below,
                        c.above)));
        faults.put(
                "shape ignored where sizes agree",
                c -> c.got.size() != c.expected.length
                        ? Outcome.FAIL
                        : underBound(new FloatCase(
                                new FloatTensor(c.got.format(), c.shape, c.got.values()),
                                c.format,
                                c.shape,
                                c.expected,
                                c.below,
                                c.above)));
        faults.put("common prefix only", c -> underBound(c.slice(0, Math.min(c.got.size(), c.expected.length))));
        faults.put("NaN passes", c -> underBound(c.mapGot((got, wanted) -> Double.isNaN(got) ? wanted : got)));
        faults.put(
                "anything passes for NaN",
                c -> underBound(c.mapGot((got, wanted) -> Double.isNaN(wanted) ? wanted : got)));
        faults.put(
                "non-finite values dropped from both sides",
                c -> underBound(c.mapBoth(v -> Double.isFinite(v) ? v : 0)));
        faults.put("NaN equals infinity", c -> underBound(c.mapBoth(v -> Double.isNaN(v) ? INF : v)));
        faults.put(
                "NaN never equals NaN",
                c -> Arrays.stream(c.got.values()).anyMatch(Double::isNaN) ? Outcome.FAIL : underBound(c));
        faults.put("sign of infinity ignored", c -> underBound(c.mapBoth(v -> Double.isInfinite(v) ? INF : v)));
        faults.put(
                "infinity passes", c -> underBound(c.mapGot((got, wanted) -> Double.isInfinite(got) ? wanted : got)));
        faults.put(
                "anything passes for infinity",
                c -> underBound(c.mapGot((got, wanted) -> Double.isInfinite(wanted) ? wanted : got)));
        faults.put(
                "overflow never legal",
                c -> Arrays.stream(c.got.values()).filter(Double::isInfinite).count()
                                > Arrays.stream(c.expected)
                                        .filter(Double::isInfinite)
                                        .count()
                        ? Outcome.FAIL
                        : underBound(c));
        faults.put("signs ignored", c -> underBound(c.mapBoth(Math::abs)));
        faults.put("first element skipped", c -> c.expected.length == 0 ? underBound(c) : skip(c, 0));
        faults.put(
                "last element skipped", c -> c.expected.length == 0 ? underBound(c) : skip(c, c.expected.length - 1));
        faults.put("every other element compared", c -> underBound(everyOther(c)));
        faults.put("one in a thousand may differ", c -> c.expected.length < 1000 ? underBound(c) : forgiveOne(c));
        faults.put("tolerance doubled", c -> tolerant(c, 2, 0, 0));
        faults.put("tolerance halved", c -> tolerant(c, 0.5, 0, 0));
        faults.put("absolute tolerance 1e-5 added", c -> tolerant(c, 1, 1e-5, 0));
        faults.put("relative tolerance 1e-3 added", c -> tolerant(c, 1, 0, 1e-3));
        faults.put("only errors upward", c -> underBound(c.mapGot((got, wanted) -> got < wanted ? wanted : got)));
        faults.put(
                "only errors downward",
                c -> underBound(c.mapGot((got, wanted) -> got > wanted && !Double.isInfinite(got) ? wanted : got)));
        faults.put("sides of the bound swapped", c -> underBound(c.withTolerance(c.above, c.below)));
        faults.put("larger side used for both", c -> underBound(c.withTolerance(larger(c), larger(c))));
        faults.put("largest tolerance used for all", c -> {
            double[] most = new double[c.expected.length];
            Arrays.fill(most, Arrays.stream(larger(c)).max().orElse(0));
            return underBound(c.withTolerance(most, most));
        });
        faults.put(
                "NaN bound passes",
                c -> underBound(c.withTolerance(
                        Arrays.stream(c.below)
                                .map(v -> Double.isNaN(v) ? INF : v)
                                .toArray(),
                        c.above)));
        faults.put("both sides sorted", c -> underBound(sorted(c)));
        faults.put("mean squared error 5e-4", ComparatorFaultTest::meanSquared);
        faults.put("empty passes", c -> c.expected.length == 0 && c.got.size() == 0 ? Outcome.PASS : underBound(c));
        faults.put("vacuous passes", c -> underBound(c) == Outcome.VACUOUS ? Outcome.PASS : underBound(c));
        faults.put("subnormals flushed", c -> underBound(c.mapBoth(v -> Math.abs(v) < 0x1p-126 ? 0 : v)));
        faults.put("both sides rounded to bfloat16", c -> underBound(c.mapBoth(FloatFormat.BF16::round)));
        faults.put(
                "zero bound fails equal values",
                c -> Arrays.stream(c.above).allMatch(v -> v == 0) ? Outcome.FAIL : underBound(c));
        faults.put("always passes", c -> Outcome.PASS);
        faults.put("always fails", c -> Outcome.FAIL);
        return faults;
    }

    private static double[] larger(FloatCase c) {
        double[] larger = new double[c.expected.length];
        for (int index = 0; index < larger.length; index++) {
            larger[index] = Math.max(c.below[index], c.above[index]);
        }
        return larger;
    }

    private static Outcome skip(FloatCase c, int skipped) {
        if (c.got.size() != c.expected.length || c.expected.length == 1) {
            return underBound(c);
        }
        return underBound(new FloatCase(
                new FloatTensor(c.got.format(), c.got.shape(), with(c.got.values(), skipped, c.expected[skipped])),
                c.format,
                c.shape,
                c.expected,
                c.below,
                c.above));
    }

    private static FloatCase everyOther(FloatCase c) {
        double[] values = c.got.values().clone();
        for (int index = 1; index < Math.min(values.length, c.expected.length); index += 2) {
            values[index] = c.expected[index];
        }
        return new FloatCase(
                new FloatTensor(c.got.format(), c.got.shape(), values),
                c.format,
                c.shape,
                c.expected,
                c.below,
                c.above);
    }

    private static Outcome forgiveOne(FloatCase c) {
        for (int index = 0; index < c.expected.length; index++) {
            if (skip(c, index) == Outcome.PASS) {
                return Outcome.PASS;
            }
            if (index == 8) {
                break;
            }
        }
        return underBound(c);
    }

    private static FloatCase sorted(FloatCase c) {
        double[] values = c.got.values().clone();
        double[] wanted = c.expected.clone();
        Arrays.sort(values);
        Arrays.sort(wanted);
        return new FloatCase(
                new FloatTensor(c.got.format(), c.got.shape(), values), c.format, c.shape, wanted, c.below, c.above);
    }

    private static Outcome meanSquared(FloatCase c) {
        double error = 0;
        double total = 0;
        for (int index = 0; index < Math.min(c.got.size(), c.expected.length); index++) {
            error += Math.pow(c.got.values()[index] - c.expected[index], 2);
            total += c.expected[index] * c.expected[index];
        }
        return error <= 5e-4 * total ? Outcome.PASS : Outcome.FAIL;
    }

    private static final double ONE_ULP_UP = 1 + 0x1p-23;

    private static List<Scenario<FloatCase>> exactContract() {
        return List.of(
                new Scenario<>("equal", FloatCase.of(ramp(9), ramp(9), 0), Outcome.PASS),
                new Scenario<>(
                        "rounded", FloatCase.of(new double[] {(float) 0.1}, new double[] {0.1}, 0), Outcome.PASS),
                new Scenario<>(
                        "tie to even",
                        FloatCase.of(new double[] {1 + 0x1p-22}, new double[] {1 + 0x1p-23 + 0x1p-24}, 0),
                        Outcome.PASS),
                new Scenario<>("one ulp", FloatCase.of(new double[] {ONE_ULP_UP}, new double[] {1}, 0), Outcome.FAIL),
                new Scenario<>("-0 for 0", FloatCase.of(new double[] {-0.0}, new double[] {0}, 0), Outcome.FAIL),
                new Scenario<>("0 for -0", FloatCase.of(new double[] {0}, new double[] {-0.0}, 0), Outcome.FAIL),
                new Scenario<>("NaN", FloatCase.of(new double[] {NAN, 1}, new double[] {NAN, 1}, 0), Outcome.PASS),
                new Scenario<>(
                        "overflow", FloatCase.of(new double[] {INF, 1}, new double[] {1e39, 1}, 0), Outcome.PASS),
                new Scenario<>(
                        "false overflow",
                        FloatCase.of(new double[] {INF, 1}, new double[] {1e38, 1}, 0),
                        Outcome.FAIL));
    }

    private static Outcome exact(FloatCase c) {
        return FloatComparator.exact(c.got, c.format, c.shape, c.expected).outcome();
    }

    private static Map<String, Function<FloatCase, Outcome>> exactFaults() {
        Map<String, Function<FloatCase, Outcome>> faults = new LinkedHashMap<>();
        faults.put("sign of zero ignored", c -> exact(c.mapBoth(v -> v + 0.0)));
        faults.put(
                "one ulp forgiven",
                c -> exact(c.mapGot(
                        (got, wanted) -> Math.abs(got - wanted) <= Math.ulp((float) wanted) ? (float) wanted : got)));
        faults.put(
                "expected value truncated",
                c -> exact(new FloatCase(
                        c.got,
                        c.format,
                        c.shape,
                        Arrays.stream(c.expected)
                                .map(v -> c.format.round(v, dev.heng.conformance.format.Rounding.TOWARD_ZERO))
                                .toArray(),
                        c.below,
                        c.above)));
        faults.put(
                "expected value not rounded",
                c -> Arrays.equals(c.got.values(), c.expected) ? Outcome.PASS : Outcome.FAIL);
        faults.put("NaN is never equal", c -> {
            for (int index = 0; index < c.expected.length; index++) {
                if (c.got.values()[index] != (float) c.expected[index]
                        || Double.compare(c.got.values()[index], (float) c.expected[index]) != 0) {
                    return Outcome.FAIL;
                }
            }
            return Outcome.PASS;
        });
        return faults;
    }

    private static List<Scenario<FloatCase>> scalarContract() {
        double sigmoid = ScalarFunction.SIGMOID.exact(1);
        double place = FloatFormat.F32.ulp(sigmoid);
        return List.of(
                new Scenario<>(
                        "rounded", FloatCase.of(new double[] {(float) sigmoid}, new double[] {1}, 0), Outcome.PASS),
                new Scenario<>(
                        "within",
                        FloatCase.of(new double[] {(float) sigmoid + 6 * place}, new double[] {1}, 0),
                        Outcome.PASS),
                new Scenario<>(
                        "beyond",
                        FloatCase.of(new double[] {(float) sigmoid + 11 * place}, new double[] {1}, 0),
                        Outcome.FAIL),
                new Scenario<>("NaN", FloatCase.of(new double[] {0, .5}, new double[] {NAN, 0}, 0), Outcome.FAIL),
                new Scenario<>(
                        "-0 at -Inf", FloatCase.of(new double[] {-0.0, .5}, new double[] {-INF, 0}, 0), Outcome.FAIL));
    }

    private static Outcome scalar(FloatCase c) {
        return FloatComparator.scalar(c.got, c.format, c.shape, ScalarFunction.SIGMOID, c.expected, Subnormals.KEPT)
                .outcome();
    }

    private static Map<String, Function<FloatCase, Outcome>> scalarFaults() {
        Map<String, Function<FloatCase, Outcome>> faults = new LinkedHashMap<>();
        faults.put("sign of zero ignored", c -> scalar(c.mapGot((got, x) -> got + 0.0)));
        faults.put("NaN argument skipped", c -> scalar(c.mapGot((got, x) -> Double.isNaN(x) ? NAN : got)));
        faults.put(
                "correct rounding demanded",
                c -> scalar(c.mapGot((got, x) ->
                        Double.compare(got, (float) ScalarFunction.SIGMOID.exact(x)) == 0 ? got : 9)));
        faults.put(
                "limit doubled",
                c -> scalar(c.mapGot((got, x) -> {
                    double exact = ScalarFunction.SIGMOID.exact(x);
                    return exact + (got - exact) / 2;
                })));
        return faults;
    }

    /** An integer comparison. */
    private record IntCase(IntTensor got, IntTensor expected) {
        IntCase map(Function<IntTensor, IntTensor> change) {
            return new IntCase(change.apply(got), change.apply(expected));
        }
    }

    private static IntTensor ints(int bits, int[] shape, long... values) {
        return new IntTensor(bits, shape, values);
    }

    private static List<Scenario<IntCase>> intContract() {
        int[] flat = {4};
        IntTensor wanted = ints(32, flat, 1, 2, 300, -4);
        return List.of(
                new Scenario<>("equal", new IntCase(ints(32, flat, 1, 2, 300, -4), wanted), Outcome.PASS),
                new Scenario<>("last", new IntCase(ints(32, flat, 1, 2, 300, 4), wanted), Outcome.FAIL),
                new Scenario<>("order", new IntCase(ints(32, flat, 2, 1, 300, -4), wanted), Outcome.FAIL),
                new Scenario<>("wrap", new IntCase(ints(32, flat, 1, 2, 44, -4), wanted), Outcome.FAIL),
                new Scenario<>("width", new IntCase(ints(64, flat, 1, 2, 300, -4), wanted), Outcome.FAIL),
                new Scenario<>("shape", new IntCase(ints(32, new int[] {2, 2}, 1, 2, 300, -4), wanted), Outcome.FAIL),
                new Scenario<>(
                        "empty", new IntCase(ints(32, new int[] {0}), ints(32, new int[] {0})), Outcome.VACUOUS));
    }

    private static Outcome exactInts(IntCase c) {
        return IntComparator.exact(c.got, c.expected).outcome();
    }

    private static Map<String, Function<IntCase, Outcome>> intFaults() {
        Map<String, Function<IntCase, Outcome>> faults = new LinkedHashMap<>();
        faults.put("width ignored", c -> exactInts(c.map(t -> ints(32, t.shape(), t.values()))));
        faults.put("shape ignored", c -> exactInts(c.map(t -> ints(t.bits(), new int[] {t.size()}, t.values()))));
        faults.put(
                "sorted",
                c -> exactInts(c.map(t -> ints(
                        t.bits(), t.shape(), Arrays.stream(t.values()).sorted().toArray()))));
        faults.put(
                "low byte only",
                c -> exactInts(c.map(t -> ints(
                        t.bits(),
                        t.shape(),
                        Arrays.stream(t.values()).map(v -> v & 255).toArray()))));
        faults.put(
                "magnitudes only",
                c -> exactInts(c.map(t -> ints(
                        t.bits(),
                        t.shape(),
                        Arrays.stream(t.values()).map(Math::abs).toArray()))));
        faults.put("empty passes", c -> c.expected.size() == 0 ? Outcome.PASS : exactInts(c));
        return faults;
    }

    /** A routing judgement of two tokens with four experts, two chosen, not grouped. */
    private record RouteCase(long[] ids, double[] weights, float[] logits, RoutingComparator.IdOrder order) {}

    private static final RoutingRule TINY_RULE = new RoutingRule(
            4,
            1,
            1,
            2,
            RoutingRule.Score.SIGMOID,
            RoutingRule.GroupScore.MAXIMUM,
            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
            1);

    private static Outcome route(RouteCase c) {
        int[] shape = {2, 2};
        return RoutingComparator.judge(
                        ints(32, shape, c.ids),
                        new FloatTensor(FloatFormat.F32, shape, c.weights),
                        TINY_RULE,
                        new RoutingInputs(2, 4, c.logits, new float[4], true, Degeneracy.of()),
                        c.order,
                        Subnormals.KEPT)
                .outcome();
    }

    private static double share(double x, double other) {
        double first = ScalarFunction.SIGMOID.exact(x);
        return (float) (first / (first + ScalarFunction.SIGMOID.exact(other)));
    }

    private static List<Scenario<RouteCase>> routeContract() {
        float nearOne = Math.nextUp(1f);
        float[] logits = {2, 0, 1, -1, 0, nearOne, 1, 1};
        RoutingComparator.IdOrder descending = RoutingComparator.IdOrder.DESCENDING;
        double two = share(2, 1);
        double one = share(1, 2);
        double[] weights = {two, one, 0.5, 0.5};
        float[] nanRow = {2, 0, 1, -1, 0, Float.NaN, 1, 1};
        return List.of(
                new Scenario<>(
                        "right", new RouteCase(new long[] {0, 2, 1, 2}, weights, logits, descending), Outcome.PASS),
                new Scenario<>(
                        "legal other choice",
                        new RouteCase(new long[] {0, 2, 2, 1}, weights, logits, descending),
                        Outcome.PASS),
                new Scenario<>(
                        "tie to higher",
                        new RouteCase(new long[] {0, 2, 1, 3}, weights, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "out of order",
                        new RouteCase(new long[] {2, 0, 1, 2}, new double[] {one, two, .5, .5}, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "order free",
                        new RouteCase(
                                new long[] {2, 0, 1, 2},
                                new double[] {one, two, .5, .5},
                                logits,
                                RoutingComparator.IdOrder.ANY),
                        Outcome.PASS),
                new Scenario<>(
                        "weights swapped",
                        new RouteCase(new long[] {0, 2, 1, 2}, new double[] {one, two, .5, .5}, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "tokens swapped",
                        new RouteCase(new long[] {1, 2, 0, 2}, new double[] {.5, .5, two, one}, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "wrong choice",
                        new RouteCase(
                                new long[] {0, 1, 1, 2},
                                new double[] {share(2, 0), share(0, 2), .5, .5},
                                logits,
                                descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "duplicate", new RouteCase(new long[] {0, 2, 1, 1}, weights, logits, descending), Outcome.FAIL),
                new Scenario<>(
                        "out of range",
                        new RouteCase(new long[] {0, 2, 1, 6}, weights, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "sentinel", new RouteCase(new long[] {0, 2, 1, -1}, weights, logits, descending), Outcome.FAIL),
                new Scenario<>(
                        "NaN weight",
                        new RouteCase(new long[] {0, 2, 1, 2}, new double[] {two, one, .5, NAN}, logits, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "NaN row",
                        new RouteCase(new long[] {0, 2, 3, 0}, new double[] {two, one, NAN, 0}, nanRow, descending),
                        Outcome.PASS),
                new Scenario<>(
                        "NaN row, duplicate",
                        new RouteCase(new long[] {0, 2, 3, 3}, weights, nanRow, descending),
                        Outcome.FAIL),
                new Scenario<>(
                        "NaN row, other row wrong",
                        new RouteCase(new long[] {3, 2, 3, 0}, weights, nanRow, descending),
                        Outcome.FAIL));
    }

    private static Map<String, Function<RouteCase, Outcome>> routeFaults() {
        Map<String, Function<RouteCase, Outcome>> faults = new LinkedHashMap<>();
        long[] right = {0, 2, 1, 2};
        faults.put("ids and weights sorted apart", c -> {
            double[] sorted = c.weights.clone();
            Arrays.sort(sorted);
            double[] wanted = {share(2, 1), share(1, 2), 0.5, 0.5};
            Arrays.sort(wanted);
            return Arrays.equals(sorted, wanted) ? Outcome.PASS : Outcome.FAIL;
        });
        faults.put("exact ids demanded", c -> Arrays.equals(c.ids, right) ? route(c) : Outcome.FAIL);
        faults.put("weights unchecked", c -> route(new RouteCase(c.ids, weightsFor(c), c.logits, c.order)));
        faults.put("ids unchecked", c -> route(new RouteCase(right, c.weights, c.logits, c.order)));
        faults.put(
                "ids wrapped into range",
                c -> route(new RouteCase(
                        Arrays.stream(c.ids).map(id -> Math.floorMod(id, 4L)).toArray(),
                        c.weights,
                        c.logits,
                        c.order)));
        faults.put(
                "order never counts",
                c -> route(new RouteCase(c.ids, c.weights, c.logits, RoutingComparator.IdOrder.ANY)));
        faults.put(
                "order always counts",
                c -> route(new RouteCase(c.ids, c.weights, c.logits, RoutingComparator.IdOrder.DESCENDING)));
        faults.put(
                "NaN weights pass",
                c -> route(new RouteCase(
                        c.ids,
                        Arrays.stream(c.weights)
                                .map(w -> Double.isNaN(w) ? 0.5 : w)
                                .toArray(),
                        c.logits,
                        c.order)));
        faults.put("first token only", c -> {
            long[] ids = {c.ids[0], c.ids[1], 1, 2};
            return route(new RouteCase(ids, new double[] {c.weights[0], c.weights[1], .5, .5}, c.logits, c.order));
        });
        faults.put("tokens with NaN end the judgement", c -> {
            for (float logit : c.logits) {
                if (Float.isNaN(logit)) {
                    return Outcome.PASS;
                }
            }
            return route(c);
        });
        return faults;
    }

    private static double[] weightsFor(RouteCase c) {
        double[] weights = c.weights.clone();
        for (int token = 0; token < 2; token++) {
            long first = c.ids[2 * token];
            long second = c.ids[2 * token + 1];
            if (first >= 0 && first < 4 && second >= 0 && second < 4) {
                float x = c.logits[4 * token + (int) first];
                float y = c.logits[4 * token + (int) second];
                weights[2 * token] = share(x, y);
                weights[2 * token + 1] = share(y, x);
            }
        }
        return weights;
    }

    /** One planted fault and the first scenario that finds it. */
    private record Found(String family, String fault, String scenario) {}

    private static <T> List<Found> killAll(
            String family,
            Function<T, Outcome> real,
            List<Scenario<T>> contract,
            Map<String, Function<T, Outcome>> faults) {
        for (Scenario<T> scenario : contract) {
            assertEquals(scenario.required(), real.apply(scenario.data()), family + ": " + scenario.name());
        }
        List<Found> found = new ArrayList<>();
        List<String> survivors = new ArrayList<>();
        faults.forEach((name, fault) -> contract.stream()
                .filter(scenario -> fault.apply(scenario.data()) != scenario.required())
                .findFirst()
                .ifPresentOrElse(
                        scenario -> found.add(new Found(family, name, scenario.name())), () -> survivors.add(name)));
        assertEquals(List.of(), survivors, family + " faults that no scenario kills");
        return found;
    }

    private static List<Found> killAll() {
        List<Found> found = new ArrayList<>();
        found.addAll(killAll("under bound", ComparatorFaultTest::underBound, boundContract(), boundFaults()));
        found.addAll(killAll("exact", ComparatorFaultTest::exact, exactContract(), exactFaults()));
        found.addAll(killAll("scalar", ComparatorFaultTest::scalar, scalarContract(), scalarFaults()));
        found.addAll(killAll("integers", ComparatorFaultTest::exactInts, intContract(), intFaults()));
        found.addAll(killAll("routing", ComparatorFaultTest::route, routeContract(), routeFaults()));
        return found;
    }

    @Test
    void everyPlantedComparatorFaultIsKilled() {
        int killed = killAll().size();
        assertTrue(killed >= 60, killed + " faults planted");
    }

    /** Writes docs/conformance/comparator-faults.md. */
    @Test
    @Tag("nightly")
    void tableOfComparatorFaults() throws IOException {
        List<Found> found = killAll();
        StringBuilder text = new StringBuilder("# Planted faults of comparators\n\n");
        text.append("Generated by `mvn -pl conformance-tests -am -Pnightly -Dtest=ComparatorFaultTest"
                + " -Dsurefire.failIfNoSpecifiedTests=false test`: each fault is planted in the comparator itself, and must change the"
                + " outcome of a scenario whose right outcome is written down. The sound comparators give the right outcome in all of"
                + " them.\n\n");
        text.append("**" + found.size() + " of " + found.size() + " killed.**\n\n");
        text.append("| comparator | fault | first scenario that kills it |\n|---|---|---|\n");
        found.forEach(one -> text.append("| " + one.family() + " | " + one.fault() + " | "
                + one.scenario().replace("|", "\\|") + " |\n"));
        Files.writeString(Path.of("..", "docs", "conformance", "comparator-faults.md"), text);
    }
}
