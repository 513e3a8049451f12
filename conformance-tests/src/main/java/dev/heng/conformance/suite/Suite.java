package dev.heng.conformance.suite;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** All cases, and the rules that none of them cites. Immutable and thread-safe. */
public final class Suite {

    private final List<ConformanceCase> cases;

    private Suite(List<ConformanceCase> cases) {
        this.cases = List.copyOf(cases);
        Set<String> known = new HashSet<>(OperatorRules.ids());
        for (ConformanceCase one : cases) {
            for (String rule : one.rules()) {
                if (!known.contains(rule)) {
                    throw new IllegalStateException(
                            "case " + one.id() + " cites " + rule + ", which docs/ops.md lacks");
                }
            }
        }
    }

    /** Returns the suite of this build. */
    public static Suite standard() {
        CaseList cases = new CaseList();
        ProbeExperiments.addTo(cases);
        ProfileExperiments.addTo(cases);
        CopyFamilies.addTo(cases);
        ElementFamilies.addTo(cases);
        NormFamilies.addTo(cases);
        RotationFamilies.addTo(cases);
        ProductFamilies.addTo(cases);
        GroupedProductFamilies.addTo(cases);
        AttentionFamilies.addTo(cases);
        RoutingFamilies.addTo(cases);
        ChoiceFamilies.addTo(cases);
        CommunicationFamilies.addTo(cases);
        RankExperiments.addTo(cases);
        EdgeFamilies.addTo(cases);
        BlindSpotFamilies.addTo(cases);
        ContractExperiments.addTo(cases);
        LifetimeExperiments.addTo(cases);
        ChainFamilies.addTo(cases);
        AsynchronyExperiments.addTo(cases);
        LeakExperiments.addTo(cases);
        ScalarFamilies.addTo(cases);
        QuantizationFamilies.addTo(cases);
        OracleExperiments.addTo(cases);
        ShapeFamilies.addTo(cases);
        PoetExperiments.addTo(cases);
        return new Suite(cases.cases());
    }

    /** Returns the cases in a stable order. */
    public List<ConformanceCase> cases() {
        return cases;
    }

    /** Returns the rules of docs/ops.md that no case cites, each as {@code untested_RULE}. */
    public List<String> untested() {
        Set<String> cited = new HashSet<>();
        cases.forEach(one -> cited.addAll(one.rules()));
        return OperatorRules.ids().stream()
                .filter(rule -> !cited.contains(rule))
                .map(rule -> "untested_" + rule)
                .toList();
    }
}
