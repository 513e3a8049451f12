package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import java.util.List;
import java.util.Set;

/**
 * Which cases a conforming backend may not decline: every operator of one device, and every chain, in BF16, the type in which all models
 * of the family are published. Other types, weight formats and communication are a vendor's choice; declining them is legal and shown.
 *
 * <p>Part of the suite's hash, so that nobody weakens it unseen.
 */
public final class MandatoryCases {

    private static final Set<String> COMMUNICATION = Set.of("AllReduce", "AllToAll", "AllToAllReturn");

    private MandatoryCases() {}

    /** Returns whether a conforming backend executes this case. */
    public static boolean contains(ConformanceCase one) {
        return one.dtype().equals("bf16") && !COMMUNICATION.contains(one.op());
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
