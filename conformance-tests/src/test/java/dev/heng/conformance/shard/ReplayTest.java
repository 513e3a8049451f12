package dev.heng.conformance.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Check;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The printed line finds a failure again, bit for bit, in a JVM that knows nothing else. */
final class ReplayTest {

    private static final Suite SUITE = Suite.standard();
    private static final Pattern LINE = Pattern.compile("heng parity --backend (\\S+) --case '(.+)' --seed (\\d+)");

    @Test
    void aFaultOfEachOfFiveFamiliesReplays() throws Exception {
        Set<String> families = new HashSet<>();
        List<Integer> chosen = new ArrayList<>();
        for (int number = 0; number < Faults.all().size() && chosen.size() < 5; number++) {
            Fault fault = Faults.all().get(number);
            if (!fault.ops().isEmpty() && families.add(fault.family())) {
                chosen.add(number);
            }
        }
        int replayed = 0;
        for (int number : chosen) {
            replayed += replay(number) ? 1 : 0;
        }
        assertTrue(replayed >= 4, () -> "of " + chosen.size() + " faults too few failed near their operators");
    }

    @Test
    @Tag("nightly")
    void everyFaultThatIsFoundByAComparisonReplays() throws Exception {
        int replayed = 0;
        for (int number = 0; number < Faults.all().size(); number++) {
            replayed += replay(number) ? 1 : 0;
        }
        assertTrue(replayed > 150, "only " + replayed + " were replayed");
    }

    /** Returns whether the fault made a comparison fail, which then replayed. */
    private static boolean replay(int number) throws Exception {
        Fault fault = Faults.all().get(number);
        Optional<CaseResult> killer = SUITE.cases().stream()
                .filter(one -> one.level() == Level.SMOKE && one.hasScenario())
                .filter(one -> fault.ops().contains(one.op()) && one.rules().contains(fault.rule()))
                .limit(40)
                .map(one -> first(fault, number, one))
                .filter(result -> result.state() == CaseState.FAIL
                        && result.checks().stream().anyMatch(check -> !check.held()))
                .findFirst();
        if (killer.isEmpty()) {
            return false;
        }
        CaseResult found = killer.get();
        Matcher line = LINE.matcher(found.replay());
        assertTrue(line.matches(), found.replay());
        RunRequest request = new RunRequest(
                line.group(1), Level.SMOKE, line.group(2), Long.parseLong(line.group(3)), RunRequest.DEFAULT_LIMIT);
        List<CaseResult> again = ShardedRun.run(SUITE, request, List.of()).results();
        assertEquals(1, again.size());
        assertEquals(found.reason(), again.getFirst().reason(), fault.id());
        assertEquals(failed(found), failed(again.getFirst()), fault.id());
        return true;
    }

    private static CaseResult first(Fault fault, int number, ConformanceCase one) {
        RunRequest request = new RunRequest("planted:" + number, Level.SMOKE, one.id(), 7, RunRequest.DEFAULT_LIMIT)
                .shrinkingFor(Duration.ZERO);
        return ParityRun.run(SUITE, request, () -> fault.plant(Backends.reference()), Backends::reference)
                .results()
                .getFirst();
    }

    /** Index, expected, got and both bit patterns of every failed comparison. */
    private static List<String> failed(CaseResult result) {
        return result.checks().stream()
                .filter(check -> !check.held())
                .map(Check::verdict)
                .map(ReplayTest::bits)
                .toList();
    }

    private static String bits(Verdict verdict) {
        return verdict.index() + " " + Double.doubleToRawLongBits(verdict.expected()) + " "
                + Double.doubleToRawLongBits(verdict.got()) + " " + verdict.expectedBits() + " " + verdict.gotBits();
    }
}
