package dev.heng.conformance.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.run.Shrunk;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Whatever a backend does to its process, one case pays for it and the others are judged. */
final class ShardedRunTest {

    private static final Suite SUITE = Suite.standard();

    /** Three cases; the one of one row is the second. */
    private static final String CASES = "smoke_ADD_001_roundsTheSumOnce/f32/*";

    private static RunReport run(RunRequest request, int perShard) throws Exception {
        return ShardedRun.run(SUITE, request.onlyCases(CASES), List.of(), perShard);
    }

    private static RunReport run(MisbehavingProvider.Manner manner) throws Exception {
        return run(RunRequest.of(manner.address(), Level.SMOKE), ShardedRun.CASES_PER_SHARD);
    }

    private static CaseResult victim(RunReport report, CaseState state) {
        assertEquals(1, report.counts().get(state), () -> report.results().toString());
        assertEquals(
                2, report.counts().get(CaseState.PASS), () -> report.results().toString());
        assertFalse(report.isGreen());
        return report.results().stream()
                .filter(result -> result.state() == state)
                .findFirst()
                .orElseThrow();
    }

    private static void assertSays(String pattern, String reason) {
        assertTrue(Pattern.compile(pattern, Pattern.DOTALL).matcher(reason).find(), reason);
    }

    @Test
    void aWriteToNoAddressCostsOneCase() throws Exception {
        CaseResult victim = victim(run(MisbehavingProvider.Manner.NULL_WRITE), CaseState.CRASH);
        assertSays("status 1; SIGSEGV \\(0xb\\) at pc.*at C .*Java_com_sun_jna", victim.reason());
        assertTrue(victim.replay().contains("misbehaving:0 --case 'smoke_ADD_001_roundsTheSumOnce/f32/"));
        // Each smaller shape that crashes too costs a process, and no other case.
        Shrunk shrunk = Objects.requireNonNull(victim.shrunk());
        assertTrue(shrunk.id().endsWith("@T=1,W=1"), shrunk.id());
        assertTrue(shrunk.minimal());
    }

    @Test
    void aKillFromOutsideCostsOneCase() throws Exception {
        assertSays(
                "status 137 \\(SIGKILL",
                victim(run(MisbehavingProvider.Manner.KILLED), CaseState.CRASH).reason());
    }

    @Test
    void anExitThatLooksLikeSuccessCostsOneCase() throws Exception {
        assertSays(
                "status 0",
                victim(run(MisbehavingProvider.Manner.EXITS), CaseState.CRASH).reason());
    }

    @Test
    void aHangCostsOneCaseAndItsProcess() throws Exception {
        RunRequest request = RunRequest.of(MisbehavingProvider.Manner.HANGS.address(), Level.SMOKE)
                .within(Duration.ofSeconds(4));
        CaseResult victim = victim(run(request, ShardedRun.CASES_PER_SHARD), CaseState.TIMEOUT);
        assertSays("4000 ms", victim.reason());
    }

    @Test
    void whatABackendPrintsIsNoAnswer() throws Exception {
        RunReport report = run(MisbehavingProvider.Manner.NOISY);
        assertEquals(List.of(), report.redReasons());
        assertEquals(3, report.counts().get(CaseState.PASS));
    }

    @Test
    void deathWhileOpeningIsAnObstacleAndNothingIsTested() throws Exception {
        RunReport report = run(MisbehavingProvider.Manner.DIES_AT_OPEN);
        assertEquals(3, report.counts().get(CaseState.UNTESTED));
        assertSays("cannot open the backend: .*status 42", report.obstacle());
    }

    @Test
    void noDeviceIsRed() throws Exception {
        RunReport report = run(RunRequest.of("misbehaving:99", Level.SMOKE), 10);
        assertEquals(3, report.counts().get(CaseState.UNTESTED));
        assertSays("no device 99", report.obstacle());
        assertFalse(report.isGreen());
    }

    @Test
    void severalShardsFindWhatOneFinds() throws Exception {
        RunReport report = run(RunRequest.of("reference", Level.SMOKE), 2);
        assertEquals(List.of(), report.redReasons());
        assertEquals(
                SUITE.cases().stream()
                        .filter(one -> one.id().startsWith(CASES.replace("*", "")))
                        .toList(),
                report.results().stream().map(CaseResult::subject).toList());
    }
}
