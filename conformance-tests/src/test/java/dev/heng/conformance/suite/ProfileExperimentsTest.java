package dev.heng.conformance.suite;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.run.Backends;
import dev.heng.spi.Backend;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Declarations that are too modest are refuted, each by the experiment that asks for it, and sound ones stand. */
final class ProfileExperimentsTest {

    private static final String TITLES = "declaresWhatItKeeps|declaresNoMoreThanSoundEvaluationsErr";

    /** Returns the cases that refute the device's profile, of those that cite the rule, or of all. */
    private static List<String> refuting(Backend device, String rule) {
        List<String> refuting = new ArrayList<>();
        for (ConformanceCase one : Suite.standard().cases()) {
            boolean asked = one.id().matches(".*(" + TITLES + ").*")
                    && (rule.isEmpty() || one.rules().contains(rule));
            if (asked && one.body() instanceof Experiment experiment) {
                Experiment.Finding finding =
                        experiment.conduct(one.id(), 7, new Experiment.Bench(device, Backends::reference));
                assertEquals("", finding.declined(), one.id());
                if (!finding.breaches().isEmpty()) {
                    refuting.add(one.id());
                }
            }
        }
        return refuting;
    }

    @Test
    void aSoundDeclarationStands() {
        try (Backend reference = Backends.reference()) {
            assertEquals(List.of(), refuting(reference, ""));
        }
    }

    @Test
    void aProfileThatExcusesAnythingIsRefuted() {
        List<String> missed = new ArrayList<>();
        for (Fault fault : Faults.all()) {
            if (fault.id().startsWith("profile/") && fault.rule().equals("NUM-004")) {
                try (Backend device = fault.plant(Backends.reference())) {
                    if (refuting(device, fault.rule()).isEmpty()) {
                        missed.add(fault.id());
                    }
                }
            }
        }
        assertEquals(List.of(), missed);
    }

    /** Every other one of these faults is looked for by the kill score. */
    @Test
    void aProductThatKeepsMoreThanDeclaredIsRefutedByItsOwnCase() {
        try (Backend device = Faults.named("profile/fp8-sums-of-11-bits").plant(Backends.reference())) {
            assertEquals(
                    List.of("smoke_NUM_002_declaresWhatItKeeps/bf16-as-f8_e4m3/f8_e4m3"), refuting(device, "NUM-002"));
        }
    }
}
