package dev.heng.conformance.run;

import dev.heng.conformance.bound.UndeclaredNumericsException;
import dev.heng.conformance.suite.Check;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Experiment;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.conformance.suite.Scenario;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.NumericsProfile.Determinism;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Node;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Takes one case to its state. Stateless; runs on the thread that opened both backends. */
public final class CaseExecutor {

    /** Two finite fillings of unlike sign in every type: 12.1 and -48.6 in F32, 2.6 and -3.1 in F16. */
    private static final byte[] POISONS = {0x41, (byte) 0xC2};

    /** What outputs hold before a run that is made to find a cause. */
    static final byte POISON = POISONS[0];

    private CaseExecutor() {}

    /**
     * Executes one case and judges it.
     *
     * @param one the case
     * @param request seed and replay line
     * @param device the backend under test, opened on this thread
     * @param oracle the backend {@code reference}, opened on this thread
     * @param another opens further backends like {@code device}, for experiments that need two
     * @return what became of it; never throws for what a backend does
     */
    public static CaseResult execute(
            ConformanceCase one, RunRequest request, Backend device, Backend oracle, BackendOpener another) {
        long start = System.nanoTime();
        Found found;
        try {
            found = switch (one.body()) {
                case ConformanceCase.Recipe _ -> found(one, request, device, oracle);
                case Experiment experiment ->
                    found(experiment.conduct(
                            one.id(), request.seed(), new Experiment.Bench(device, another::open, another::openRank)));
            };
        } catch (UndeclaredNumericsException silent) {
            found = new Found(CaseState.FAIL, message(silent), List.of());
        } catch (BackendException failure) {
            boolean broken = failure.code() == BackendException.Code.DECLINED;
            String text = broken ? "declined after supports() said yes: " : failure.code() + ": ";
            found = new Found(broken ? CaseState.FAIL : CaseState.ERROR, text + message(failure), List.of());
        } catch (RuntimeException failure) {
            found = new Found(CaseState.ERROR, failure.getClass().getSimpleName() + ": " + message(failure), List.of());
        }
        long milliseconds = (System.nanoTime() - start) / 1_000_000;
        return new CaseResult(one, found.state(), found.reason(), found.checks(), milliseconds, request.replay(one));
    }

    private record Found(CaseState state, String reason, List<Check> checks) {}

    private static String message(RuntimeException failure) {
        return Objects.requireNonNullElse(failure.getMessage(), "no message");
    }

    private static Found found(ConformanceCase one, RunRequest request, Backend device, Backend oracle) {
        Scenario scenario = one.scenario(request.seed());
        if (scenario.degeneracy().isDegenerate()) {
            return new Found(CaseState.UNTRUSTED, "fill " + scenario.degeneracy(), List.of());
        }
        for (Node node : scenario.graph().nodes()) {
            if (device.supports(node, Execution.options(scenario)) instanceof Support.Declined declined) {
                boolean explained = !declined.text().isBlank();
                return new Found(
                        explained ? CaseState.DECLINED : CaseState.FAIL,
                        declined.code() + ": " + (explained ? declined.text() : "declined without a reason"),
                        List.of());
            }
        }
        Execution truth = Execution.of(oracle, scenario, POISONS[0]);
        List<Check> oracleChecks = judge(scenario, truth, oracle);
        if (!truth.breaches().isEmpty() || oracleChecks.stream().anyMatch(check -> !check.held())) {
            return new Found(
                    CaseState.UNTRUSTED, "the oracle fails: " + explain(oracleChecks, truth.breaches()), oracleChecks);
        }
        List<Check> checks = new ArrayList<>();
        List<String> breaches = new ArrayList<>();
        List<Execution> executions = new ArrayList<>();
        for (byte poison : POISONS) {
            Execution execution = Execution.of(device, scenario, poison);
            executions.add(execution);
            breaches.addAll(execution.breaches());
            checks.addAll(judge(scenario, execution, device));
        }
        if (scenario.fullySpecified() && device.numerics().determinism() != Determinism.NONE) {
            compare(executions, breaches);
        }
        boolean refusals = scenario.steps().stream().anyMatch(step -> step.refusal() != null);
        if (checks.isEmpty() && !refusals) {
            return new Found(CaseState.UNTRUSTED, "the case compares nothing", checks);
        }
        boolean held = breaches.isEmpty() && checks.stream().allMatch(Check::held);
        if (held) {
            return new Found(CaseState.PASS, "", checks);
        }
        // Where a breach alone made the case fail, no result is wrong and no node to be found.
        String node = checks.stream().allMatch(Check::held) ? "" : Bisection.firstBadNode(scenario, device);
        String reason = explain(checks, breaches);
        return new Found(CaseState.FAIL, node.isEmpty() ? reason : node + "; " + reason, checks);
    }

    /** Takes what an experiment saw to a state. */
    private static Found found(Experiment.Finding finding) {
        if (!finding.declined().isBlank()) {
            return new Found(CaseState.DECLINED, finding.declined(), List.of());
        }
        boolean held = finding.breaches().isEmpty() && finding.checks().stream().allMatch(Check::held);
        if (held && finding.checks().isEmpty() && finding.observed().isEmpty()) {
            return new Found(CaseState.UNTRUSTED, "the experiment saw nothing", List.of());
        }
        String seen = String.join("; ", finding.observed());
        return new Found(
                held ? CaseState.PASS : CaseState.FAIL,
                held ? seen : explain(finding.checks(), finding.breaches()),
                finding.checks());
    }

    static List<Check> judge(Scenario scenario, Execution execution, Backend backend) {
        List<Check> checks = new ArrayList<>();
        for (int step = 0; step < scenario.steps().size(); step++) {
            if (scenario.steps().get(step).refusal() == null) {
                checks.addAll(scenario.judge().judge(step, execution.outputs().get(step), backend.numerics()));
            }
        }
        return checks;
    }

    /** Two executions of one program that differ in nothing but what memory held before must agree where determinism is declared. */
    private static void compare(List<Execution> executions, List<String> breaches) {
        List<Map<String, HostTensor>> first = executions.getFirst().outputs();
        List<Map<String, HostTensor>> second = executions.getLast().outputs();
        for (int step = 0; step < first.size(); step++) {
            for (Map.Entry<String, HostTensor> output : first.get(step).entrySet()) {
                HostTensor other = second.get(step).get(output.getKey());
                if (other != null && output.getValue().mismatch(other) >= 0 && breaches.isEmpty()) {
                    breaches.add("output '" + output.getKey() + "' of step " + step
                            + " depends on what memory held before, though determinism is declared");
                }
            }
        }
    }

    private static String explain(List<Check> checks, List<String> breaches) {
        List<String> lines = new ArrayList<>(breaches);
        for (Check check : checks) {
            String line = check.what() + ": " + check.verdict();
            // Both runs, over unlike poisons, most often find the same.
            if (!check.held() && lines.size() < 3 && !lines.contains(line)) {
                lines.add(line);
            }
        }
        return String.join("; ", lines);
    }
}
