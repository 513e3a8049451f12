package dev.heng.conformance.faulty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The suite can fail: every planted fault is found at the smoke level, and what is right is not. */
final class PlantedFaultsTest {

    private static final Suite SUITE = Suite.standard();

    static List<Fault> all() {
        return Faults.all();
    }

    static List<Fault> harmless() {
        return Faults.harmless();
    }

    private static RunReport judge(Fault fault, RunRequest request) {
        return ParityRun.run(SUITE, request, () -> new FaultyBackend(Backends.reference(), fault), Backends::reference);
    }

    private static RunRequest request(String cases) {
        return RunRequest.of("faulty", Level.SMOKE).onlyCases(cases);
    }

    @ParameterizedTest
    @MethodSource("all")
    void everyFaultIsFoundAndFoundAgainByItsReplay(Fault fault) {
        RunReport report = judge(fault, request(fault.cases()));
        List<CaseResult> killers = report.results().stream()
                .filter(result -> result.state() == CaseState.FAIL)
                .toList();
        assertTrue(!killers.isEmpty(), () -> fault + " survives " + report.counts());
        assertTrue(!report.isGreen());
        CaseResult killer = killers.getFirst();
        RunReport again = judge(fault, request(killer.subject().id()));
        assertEquals(1, again.results().size());
        assertEquals(CaseState.FAIL, again.results().getFirst().state());
        assertEquals(killer.reason(), again.results().getFirst().reason());
    }

    @ParameterizedTest
    @MethodSource("harmless")
    void whatIsRightIsNotFlagged(Fault fault) {
        String cases = fault.cases().replace("/f32/", "*");
        RunReport report = judge(fault, request(cases));
        assertTrue(
                report.isGreen(),
                () -> report.redReasons() + " "
                        + report.results().stream()
                                .filter(result -> !result.state().isGreen())
                                .map(result -> result.subject().id() + ": " + result.reason())
                                .limit(3)
                                .toList());
    }

    @Test
    void thereAreAllRoutingMutantsAndMoreThanTenOthers() {
        long routing = Faults.all().stream()
                .filter(fault -> fault.id().startsWith("routing/"))
                .count();
        assertEquals(22, routing);
        assertTrue(Faults.all().size() >= routing + 30, "only " + Faults.all().size() + " faults");
        assertEquals(
                Faults.all().size(),
                Faults.all().stream().map(Fault::id).distinct().count());
    }
}
