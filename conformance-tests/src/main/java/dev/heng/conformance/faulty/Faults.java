package dev.heng.conformance.faulty;

import dev.heng.runtime.HengException;
import java.util.ArrayList;
import java.util.List;

/** The planted faults of this build, in a stable order. */
public final class Faults {

    private Faults() {}

    /** Returns devices without a fault that do the planted faults' work without their mistake: the suite must not flag them. */
    public static List<Fault> harmless() {
        List<Fault> sound = new ArrayList<>(ProductFaults.harmless());
        sound.add(RoutingFaults.harmless());
        sound.add(AttentionFaults.harmless());
        sound.add(OrderFaults.harmless());
        return List.copyOf(sound);
    }

    /** Returns every fault. */
    public static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        faults.addAll(ProductFaults.all());
        faults.addAll(QuantizationFaults.all());
        faults.addAll(RoutingFaults.all());
        faults.addAll(RowFaults.dispatches());
        faults.addAll(RowFaults.combines());
        faults.addAll(ElementFaults.norms());
        faults.addAll(ElementFaults.gates());
        faults.addAll(ElementFaults.sums());
        faults.addAll(RopeFaults.all());
        faults.addAll(AttentionFaults.caches());
        faults.addAll(AttentionFaults.attention());
        faults.addAll(RowFaults.views());
        faults.addAll(RowFaults.embeddings());
        faults.addAll(ChoiceFaults.all());
        faults.addAll(MemoryFaults.all());
        faults.addAll(OrderFaults.orders());
        faults.addAll(OrderFaults.determinism());
        faults.addAll(ContractFaults.all());
        faults.addAll(ProfileFaults.all());
        return List.copyOf(faults);
    }

    /**
     * Returns the fault called {@code id}.
     *
     * @throws HengException if there is none
     */
    public static Fault named(String id) {
        return all().stream()
                .filter(fault -> fault.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new HengException(
                        "no planted fault is called '" + id + "'", "see docs/conformance/kill-score.md for the ids"));
    }
}
