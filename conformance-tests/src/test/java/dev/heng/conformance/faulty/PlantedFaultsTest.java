package dev.heng.conformance.faulty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.OperatorRules;
import dev.heng.conformance.suite.Suite;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Planted faults are well described, and what does their work without their mistake is not flagged. */
final class PlantedFaultsTest {

    private static final Suite SUITE = Suite.standard();

    static List<Fault> harmless() {
        return Faults.harmless();
    }

    @ParameterizedTest
    @MethodSource("harmless")
    void whatIsRightIsNotFlagged(Fault fault) {
        Set<String> ops = new HashSet<>(fault.ops());
        if (ops.isEmpty()) {
            ops.add("Add");
        }
        for (String op : ops) {
            String pattern = switch (op) {
                case "Linear" -> "smoke_LINEAR_*";
                case "Route" -> "smoke_ROUTE_*";
                case "MlaAttention" -> "smoke_MLA_*";
                case "GroupedQueryAttention" -> "smoke_GQA_*";
                default -> "smoke_RUN_001_*";
            };
            RunReport report = ParityRun.run(
                    SUITE,
                    RunRequest.of("faulty", Level.SMOKE).onlyCases(pattern),
                    () -> fault.plant(Backends.reference()),
                    Backends::reference);
            assertTrue(
                    report.isGreen(),
                    () -> report.redReasons() + " "
                            + report.results().stream()
                                    .filter(result -> !result.state().isGreen())
                                    .map(result -> result.subject().id() + ": " + result.reason())
                                    .limit(3)
                                    .toList());
        }
    }

    @Test
    void thereAreAllMutantsOfTheLiteratureAndMoreThanTwoHundredFaults() {
        List<Fault> faults = Faults.all();
        assertTrue(faults.size() >= 200, "only " + faults.size() + " faults");
        assertEquals(faults.size(), faults.stream().map(Fault::id).distinct().count());
        long units = faults.stream()
                .filter(fault -> fault.id().startsWith("product/float32-unit/"))
                .count();
        assertEquals(15, units);
        assertTrue(faults.stream()
                        .filter(fault -> fault.family().equals("routing"))
                        .count()
                >= 22);
    }

    @Test
    void everyFaultBreaksARuleThatStandsInTheSpecification() {
        for (Fault fault : Faults.all()) {
            assertTrue(OperatorRules.ids().contains(fault.rule()), fault + " breaks " + fault.rule());
            assertTrue(fault.description().endsWith("."), fault + ": " + fault.description());
        }
    }
}
