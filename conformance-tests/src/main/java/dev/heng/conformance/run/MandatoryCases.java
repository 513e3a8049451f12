package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import java.util.List;
import java.util.Set;

/**
 * Which cases a conforming backend may not decline: every operator of one device, and every chain, in BF16, the type in which all models
 * of the family are published; and what has one type whatever the model's: routing, sampling and writing to the cache. Other types, weight
 * formats and communication are a vendor's choice; declining them is legal and shown. Experiments decide by what a device declares or
 * holds whether there is anything to see, so none is mandatory; failing one is red all the same.
 *
 * <p>Part of the suite's hash, so that nobody weakens it unseen.
 */
public final class MandatoryCases {

    private static final Set<String> COMMUNICATION = Set.of("AllReduce", "AllToAll", "AllToAllReturn");

    /** Operators whose cases have the type of their scores or positions and not the model's. */
    private static final Set<String> OF_ONE_TYPE = Set.of("Route", "Sample", "KvAppend");

    private MandatoryCases() {}

    /** Returns whether a conforming backend executes this case. */
    public static boolean contains(ConformanceCase one) {
        boolean ofOneType = OF_ONE_TYPE.contains(one.op()) && !one.dtype().equals("f64");
        boolean ofModels = one.dtype().equals("bf16") && !COMMUNICATION.contains(one.op());
        return one.hasScenario() && (ofOneType || ofModels);
    }

    /** Returns the ids that a run must show: those of its level, or none if it asks for single cases and so cannot show conformance. */
    static List<String> of(RunRequest request, List<ConformanceCase> selected) {
        return request.isWholeLevel()
                ? selected.stream()
                        .filter(MandatoryCases::contains)
                        .map(ConformanceCase::id)
                        .toList()
                : List.of();
    }
}
