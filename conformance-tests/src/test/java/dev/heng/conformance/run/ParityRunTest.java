package dev.heng.conformance.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.FaultyBackend;
import dev.heng.conformance.faulty.RunAccess;
import dev.heng.conformance.faulty.RunFault;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.OperatorRules;
import dev.heng.conformance.suite.Scenario;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.BackendException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What makes a run red, and that cases replay. */
final class ParityRunTest {

    private static final Suite SUITE = Suite.standard();
    private static final RunRequest ADD =
            RunRequest.of("reference", Level.SMOKE).onlyCases("smoke_ADD_001_roundsTheSumOnce/f32/*");

    private static RunReport run(RunRequest request, RunFault fault) {
        return ParityRun.run(SUITE, request, () -> new FaultyBackend(Backends.reference(), fault), Backends::reference);
    }

    @Test
    void aRunOfTheOracleIsGreen() {
        RunReport report = ParityRun.run(SUITE, ADD, Backends::reference, Backends::reference);
        assertEquals(List.of(), report.redReasons());
        assertEquals(3, report.counts().get(CaseState.PASS));
    }

    @Test
    void anUnknownCaseIsRed() {
        RunReport report =
                ParityRun.run(SUITE, ADD.onlyCases("no_such_case"), Backends::reference, Backends::reference);
        assertFalse(report.isGreen());
        assertTrue(report.redReasons().getFirst().contains("no_such_case"));
    }

    @Test
    void noDeviceIsRedAndEveryCaseUntested() {
        RunReport report = ParityRun.run(
                SUITE,
                ADD,
                () -> {
                    throw BackendException.of(BackendException.Code.LIBRARY, "no library", "install it");
                },
                Backends::reference);
        assertFalse(report.isGreen());
        assertEquals(3, report.counts().get(CaseState.UNTESTED));
        assertTrue(report.redReasons().getFirst().contains("no library"));
    }

    @Test
    void aBackendThatDeclinesEverythingIsRed() {
        // The oracle is one device and declines nothing, so a decorator does it.
        RunReport report = ParityRun.run(
                SUITE, ADD, () -> new DecliningBackend(Backends.reference(), "not today"), Backends::reference);
        assertEquals(3, report.counts().get(CaseState.DECLINED));
        assertEquals(List.of("no case passed: nothing was shown"), report.redReasons());
    }

    @Test
    void decliningWithoutAReasonFails() {
        RunReport report =
                ParityRun.run(SUITE, ADD, () -> new DecliningBackend(Backends.reference(), " "), Backends::reference);
        assertEquals(3, report.counts().get(CaseState.FAIL));
    }

    @Test
    void aCaseThatDoesNotEndCostsOneCaseAndTheRunGoesOn() {
        RunReport report = run(
                ADD.within(Duration.ofMillis(1500)),
                new RunFault("test/hangs-on-three", "For this test only.", "RUN-001") {
                    @Override
                    protected void beforeRun(RunAccess run) {
                        if (run.input("a").shape()[0] == 1) {
                            try {
                                Thread.sleep(60_000);
                            } catch (InterruptedException interrupted) {
                                Thread.currentThread().interrupt();
                            }
                        }
                    }
                });
        assertEquals(1, report.counts().get(CaseState.TIMEOUT));
        assertEquals(2, report.counts().get(CaseState.PASS));
        assertFalse(report.isGreen());
    }

    @Test
    void anExceptionOutsideTheContractIsAnError() {
        RunReport report = run(ADD, new RunFault("test/throws", "For this test only.", "RUN-001") {
            @Override
            protected void afterRun(RunAccess run) {
                throw new UnsupportedOperationException("oops");
            }
        });
        assertEquals(3, report.counts().get(CaseState.ERROR));
        assertTrue(report.results().getFirst().reason().contains("oops"));
    }

    @Test
    void aFailingOracleMakesCasesUntrustedAndTheRunRed() {
        RunFault wrong = new RunFault("test/wrong", "For this test only.", "RUN-001") {
            @Override
            protected void afterRun(RunAccess run) {
                byte[] bytes = run.output("y").bytes();
                Arrays.fill(bytes, (byte) 0);
                run.write("y", bytes);
            }
        };
        RunReport report =
                ParityRun.run(SUITE, ADD, Backends::reference, () -> new FaultyBackend(Backends.reference(), wrong));
        // With T = 0 there is nothing to be wrong about.
        assertEquals(2, report.counts().get(CaseState.UNTRUSTED));
        assertFalse(report.isGreen());
    }

    @Test
    void everyOperatorOfOneDeviceHasACase() {
        HashSet<String> ops = new HashSet<>();
        SUITE.cases().forEach(one -> ops.add(one.op()));
        for (String op : List.of(
                "Embed",
                "Add",
                "Cast",
                "Slice",
                "SelectRows",
                "RmsNorm",
                "Linear",
                "Rope",
                "KvAppend",
                "MlaAttention",
                "GroupedQueryAttention",
                "Route",
                "Dispatch",
                "GroupedLinear",
                "Swiglu",
                "Combine",
                "Argmax",
                "Sample",
                "AllReduce",
                "AllToAll",
                "AllToAllReturn")) {
            assertTrue(ops.contains(op), op + " has no case");
        }
    }

    @Test
    void rulesAreReadFromTheSpecificationAndThoseWithoutACaseAreListed() {
        assertTrue(OperatorRules.ids().size() > 100);
        assertTrue(OperatorRules.ids().contains("ROUTE-004"));
        HashSet<String> covered = new HashSet<>();
        SUITE.cases().forEach(one -> covered.addAll(one.rules()));
        for (String rule : OperatorRules.ids()) {
            assertEquals(!covered.contains(rule), SUITE.untested().contains("untested_" + rule), rule);
        }
    }

    @Test
    void inputsAreAFunctionOfIdAndSeed() {
        for (ConformanceCase one : SUITE.cases().stream()
                .filter(ConformanceCase::hasScenario)
                .limit(40)
                .toList()) {
            assertEquals(0, Arrays.mismatch(bytes(one.scenario(7)), bytes(one.scenario(7))) + 1);
        }
        ConformanceCase random = ADD.select(SUITE.cases()).getLast();
        assertFalse(Arrays.equals(bytes(random.scenario(7)), bytes(random.scenario(8))));
    }

    private static byte[] bytes(Scenario scenario) {
        byte[] all = new byte[0];
        for (Scenario.Step step : scenario.steps()) {
            for (String name : step.inputs().keySet().stream().sorted().toList()) {
                HostTensor tensor = Objects.requireNonNull(step.inputs().get(name));
                int length = all.length;
                all = Arrays.copyOf(all, length + tensor.bytes().length);
                System.arraycopy(tensor.bytes(), 0, all, length, tensor.bytes().length);
            }
        }
        return all;
    }
}
