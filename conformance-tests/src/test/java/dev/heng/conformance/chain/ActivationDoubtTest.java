package dev.heng.conformance.chain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Chains with activations of 8 bits, under seeds whose activations lie on boundaries of the format: a largest magnitude that 7 divides
 * puts one in ten of its group there, and a device whose quotients are off by a unit in the last place takes the other neighbour.
 */
final class ActivationDoubtTest {

    private static final String CASE = "smoke_ROUTE_013_routesWorksAndCombines/deepseek-v3/bf16/w=fp8-fp8/T=9";

    @ParameterizedTest
    @ValueSource(longs = {13, 14})
    void theOtherNeighbourIsNoFault(long seed) {
        RunRequest request = new RunRequest("cpu", Level.SMOKE, CASE, seed, RunRequest.DEFAULT_LIMIT);
        RunReport report = ParityRun.run(Suite.standard(), request, Backends::cpu, Backends::reference);
        assertEquals(1, report.results().size());
        assertEquals(
                CaseState.PASS,
                report.results().getFirst().state(),
                () -> report.results().getFirst().reason());
    }
}
