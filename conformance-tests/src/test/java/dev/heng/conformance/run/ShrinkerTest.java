package dev.heng.conformance.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.FaultyBackend;
import dev.heng.conformance.faulty.RunAccess;
import dev.heng.conformance.faulty.RunFault;
import dev.heng.conformance.suite.CaseShape;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Failing cases shrink to the smallest shape that fails, and that shape replays by itself. */
final class ShrinkerTest {

    private static final Suite SUITE = Suite.standard();
    private static final Duration LONG = Duration.ofMinutes(5);

    /** T = 17, width 127. */
    private static final ConformanceCase ADD = RunRequest.of("reference", Level.REQUIRED)
            .onlyCases("required_ADD_001_roundsTheSumOnce/f32/T=17/W=127")
            .select(SUITE.cases())
            .getFirst();

    private static CaseResult result(ConformanceCase one, CaseState state) {
        return new CaseResult(one, state, "because", List.of(), 1, "replay " + one.id());
    }

    /** Shrinks the case where {@code fails} says which shapes fail. */
    private static Shrunk shrink(Predicate<CaseShape> fails, Duration time) {
        CaseResult shrunk = Shrinker.one(
                result(ADD, CaseState.FAIL),
                time,
                one -> result(one, fails.test(one.shape()) ? CaseState.FAIL : CaseState.PASS));
        return Objects.requireNonNull(shrunk.shrunk());
    }

    @Test
    void theSmallestShapeIsFoundWhereFailureGrowsWithSize() {
        Shrunk shrunk = shrink(shape -> shape.get("T") >= 3 && shape.get("W") >= 100, LONG);
        assertTrue(shrunk.id().endsWith("@T=3,W=100"), shrunk.id());
        assertTrue(shrunk.minimal());
        assertEquals("replay " + shrunk.id(), shrunk.replay());
        assertTrue(shrunk.tried() > 10 && shrunk.tried() < 80, shrunk.tried() + " tried");
    }

    @Test
    void aFaultOfOneSizeIsKeptThroughItsHoles() {
        // Wrong for multiples of 17 rows only: 17 is the smallest, whatever is tried below.
        Shrunk shrunk = shrink(shape -> shape.get("T") > 0 && shape.get("T") % 17 == 0, LONG);
        assertTrue(shrunk.id().endsWith("@T=17,W=1"), shrunk.id());
    }

    @Test
    void nothingSmallerFailsAndTheCaseItselfIsTheSmallest() {
        Shrunk shrunk = shrink(shape -> false, LONG);
        assertEquals(ADD.id(), shrunk.id());
        assertTrue(shrunk.minimal());
    }

    @Test
    void timeAndCountBoundTheSearchAndAreSaid() {
        Shrunk late = shrink(shape -> true, Duration.ofNanos(-1));
        assertFalse(late.minimal());
        assertEquals(0, late.tried());
        List<String> ran = new ArrayList<>();
        CaseResult found = Shrinker.one(result(ADD, CaseState.CRASH), LONG, 20, one -> {
            ran.add(one.id());
            // Fails wherever rows are as many: the boldest step but one is taken, and the next ones are looked for
            // below it.
            return result(one, one.shape().get("T") == 17 ? CaseState.CRASH : CaseState.PASS);
        });
        Shrunk all = Objects.requireNonNull(found.shrunk());
        assertTrue(all.minimal());
        assertTrue(all.id().endsWith("@T=17,W=1"), all.id());
        int needed = ran.size();
        assertEquals(needed, ran.stream().distinct().count(), "no shape runs twice");
        ran.clear();
        CaseResult cut = Shrinker.one(result(ADD, CaseState.CRASH), LONG, needed - 1, one -> {
            ran.add(one.id());
            return result(one, one.shape().get("T") == 17 ? CaseState.CRASH : CaseState.PASS);
        });
        Shrunk counted = Objects.requireNonNull(cut.shrunk());
        assertEquals(needed - 1, ran.size());
        assertEquals(needed - 1, counted.tried());
        assertFalse(counted.minimal());
    }

    @Test
    void whatPassedOrTookItsWholeLimitOrHasNoShapeIsLeftAlone() {
        for (CaseState state : List.of(CaseState.PASS, CaseState.DECLINED, CaseState.TIMEOUT, CaseState.UNTRUSTED)) {
            assertNull(Shrinker.one(result(ADD, state), LONG, one -> result(one, state))
                    .shrunk());
        }
        ConformanceCase experiment = SUITE.cases().stream()
                .filter(one -> !one.hasScenario())
                .findFirst()
                .orElseThrow();
        assertNull(Shrinker.one(result(experiment, CaseState.FAIL), LONG, one -> result(one, CaseState.FAIL))
                .shrunk());
    }

    /** A kernel that forgets the last column when rows are five or more. */
    private static final RunFault FORGETS_A_COLUMN =
            new RunFault("test/forgets-a-column", "For this test.", "ADD-001") {
                @Override
                protected void afterRun(RunAccess run) {
                    int[] shape = run.output("y").shape();
                    byte[] bytes = run.output("y").bytes();
                    if (shape[0] >= 5) {
                        bytes[bytes.length - 1] ^= 0x40;
                        run.write("y", bytes);
                    }
                }
            };

    @Test
    void aRunShrinksWhatFailsAndTheShapeReplaysByItself() {
        RunRequest request = RunRequest.of("reference", Level.REQUIRED).onlyCases(ADD.id());
        RunReport report = ParityRun.run(
                SUITE, request, () -> new FaultyBackend(Backends.reference(), FORGETS_A_COLUMN), Backends::reference);
        Shrunk shrunk = Objects.requireNonNull(report.results().getFirst().shrunk());
        assertTrue(shrunk.id().endsWith("@T=5,W=1"), shrunk.id());
        assertTrue(shrunk.replay().contains("--case '" + shrunk.id() + "' --seed"), shrunk.replay());
        RunReport again = ParityRun.run(
                SUITE,
                request.onlyCases(shrunk.id()),
                () -> new FaultyBackend(Backends.reference(), FORGETS_A_COLUMN),
                Backends::reference);
        assertEquals(1, again.results().size());
        CaseResult replayed = again.results().getFirst();
        assertEquals(CaseState.FAIL, replayed.state());
        assertEquals(shrunk.reason(), replayed.reason());
        assertEquals(
                shrunk.smallest().checks().toString(), replayed.checks().toString(), "the same elements, bit for bit");
    }

    @Test
    void withoutTimeNothingIsShrunk() {
        RunRequest request =
                RunRequest.of("reference", Level.REQUIRED).onlyCases(ADD.id()).shrinkingFor(Duration.ZERO);
        RunReport report = ParityRun.run(
                SUITE, request, () -> new FaultyBackend(Backends.reference(), FORGETS_A_COLUMN), Backends::reference);
        assertNull(report.results().getFirst().shrunk());
    }

    /**
     * Every shape that shrinking tries first passes on the oracle, or has too little in it to show anything: so a smaller shape that fails on a
     * device fails because of the device.
     */
    @Test
    void theLeastShapesOfEveryFamilyPassOnTheOracle() {
        smallerShapesPass(one -> one.level() == Level.SMOKE, 1);
    }

    @Test
    @Tag("nightly")
    void everyShapeNextToACasesOwnPassesOnTheOracle() {
        smallerShapesPass(one -> one.level() != Level.NIGHTLY, Integer.MAX_VALUE);
    }

    private static void smallerShapesPass(Predicate<ConformanceCase> wanted, int ofEach) {
        List<String> wrong = new ArrayList<>();
        int shown = 0;
        try (var device = Backends.reference();
                var oracle = Backends.reference()) {
            for (ConformanceCase one : SUITE.cases()) {
                if (!wanted.test(one) || one.shape().isFixed()) {
                    continue;
                }
                for (CaseShape shape :
                        one.shape().smaller().stream().limit(ofEach).toList()) {
                    CaseResult result = CaseExecutor.execute(
                            one.at(shape),
                            RunRequest.of("reference", Level.SMOKE),
                            device,
                            oracle,
                            Backends::reference);
                    boolean degenerate = result.state() == CaseState.UNTRUSTED
                            && (result.reason().startsWith("fill ")
                                    || result.reason().contains("compares nothing"));
                    shown += result.state() == CaseState.PASS ? 1 : 0;
                    if (result.state() != CaseState.PASS && !degenerate && result.state() != CaseState.DECLINED) {
                        wrong.add(result.state() + " " + result.subject().id() + ": " + result.reason());
                    }
                }
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(shown > 100, shown + " shapes passed");
    }
}
