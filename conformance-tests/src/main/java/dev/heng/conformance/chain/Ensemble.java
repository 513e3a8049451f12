package dev.heng.conformance.chain;

import dev.heng.conformance.bound.EnsembleBound;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The truth of a chain and what roundings that a profile allows make of it: one evaluation in double, and members that err and round at
 * random (F10). All follow the same choices of experts, so that a device's own legal choices are no error.
 *
 * <p>Not thread-safe: steps follow one another, as a device's do.
 */
public final class Ensemble {

    /** Runs of an ensemble: a quantile of Student's t with 32 degrees of freedom is 8.6 where the normal's is 6 (F10). */
    public static final int RUNS = 32;

    private final Graph graph;
    private final Evaluator truth;
    private final List<Evaluator> members = new ArrayList<>();
    private Map<String, Numbers> exact = Map.of();
    private List<Map<String, Numbers>> drawn = List.of();

    /**
     * Creates the ensemble before its first step.
     *
     * @param weights every weight of the graph as the real numbers that it stands for, by name
     * @param profile what the device declares
     * @param runs members, {@link #RUNS} for a bound, 0 for the truth alone
     * @param stream where the members' errors are drawn from
     */
    public Ensemble(
            Graph graph, Map<String, double[]> weights, NumericsProfile profile, int runs, RandomStream stream) {
        this.graph = graph;
        this.truth = new Evaluator(graph, weights, profile, Arithmetic.exact());
        for (int run = 0; run < runs; run++) {
            members.add(new Evaluator(graph, weights, profile, Arithmetic.random(stream.split(run))));
        }
    }

    /**
     * Evaluates the next step.
     *
     * @param sizes the size of each symbol
     * @param inputs every input by name
     * @param choices the experts that routers chose, by the router's name, row-major [tokens, k]; routers that are not named choose by
     *     their own scores, each member for itself
     */
    public void advance(Map<String, Long> sizes, Map<String, Numbers> inputs, Map<String, int[]> choices) {
        Errors errors = new Errors();
        exact = truth.step(sizes, inputs, choices, errors);
        // Routers that nobody forces follow the truth, lest a member's own choice count as rounding.
        Map<String, int[]> followed = new HashMap<>(choices);
        graph.nodes().stream()
                .filter(node -> node.op() instanceof Op.Route)
                .forEach(node -> followed.computeIfAbsent(node.name(), _ -> integers(node.result())));
        List<Map<String, Numbers>> results = new ArrayList<>();
        for (Evaluator member : members) {
            results.add(member.step(sizes, inputs, followed, errors));
        }
        drawn = results;
    }

    /** Returns the truth of a value of the last step; NaN marks elements that rules leave open. */
    public Numbers truth(Value value) {
        Numbers found = exact.get(value.name());
        if (found == null) {
            throw new IllegalArgumentException("'" + value.name() + "' has no value of its own: a cache or a weight");
        }
        return found;
    }

    /** Returns the truth of a value of integers of the last step. */
    public int[] integers(Value value) {
        Numbers numbers = truth(value);
        int[] integers = new int[numbers.values().length];
        for (int index = 0; index < integers.length; index++) {
            integers[index] = numbers.integer(index);
        }
        return integers;
    }

    /**
     * Returns what may be expected of a floating-point value of the last step.
     *
     * @param value a result of the graph
     */
    public Prediction predict(Value value) {
        double[] whole = truth(value).values();
        int count = 0;
        for (double one : whole) {
            count += Double.isNaN(one) ? 0 : 1;
        }
        int[] specified = new int[count];
        double[] expected = new double[count];
        int next = 0;
        for (int index = 0; index < whole.length; index++) {
            if (!Double.isNaN(whole[index])) {
                specified[next] = index;
                expected[next++] = whole[index];
            }
        }
        EnsembleBound bound = new EnsembleBound(
                expected, FloatFormat.valueOf(value.type().dtype().name()));
        for (Map<String, Numbers> run : drawn) {
            Numbers result = run.get(value.name());
            if (result == null) {
                throw new IllegalStateException("a member has no '" + value.name() + "'");
            }
            double[] values = new double[count];
            for (int index = 0; index < count; index++) {
                values[index] = result.values()[specified[index]];
            }
            bound.add(values);
        }
        return new Prediction(specified, expected, bound);
    }

    /**
     * The expectation of a tensor.
     *
     * @param specified indices of the elements that rules specify, ascending; owned by this record
     * @param exact their truth; owned by this record
     * @param bound their bound, F10 for elements and F11 for the whole
     */
    @SuppressWarnings("ArrayRecordComponent") // As large as a tensor; never compared.
    public record Prediction(int[] specified, double[] exact, EnsembleBound bound) {

        /** Returns the specified elements of a result. */
        public double[] of(double[] whole) {
            double[] values = new double[specified.length];
            for (int index = 0; index < values.length; index++) {
                values[index] = whole[specified[index]];
            }
            return values;
        }
    }
}
