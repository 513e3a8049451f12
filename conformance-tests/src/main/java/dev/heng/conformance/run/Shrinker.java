package dev.heng.conformance.run;

import dev.heng.conformance.suite.CaseShape;
import dev.heng.conformance.suite.ConformanceCase;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * Looks for the smallest shape that still fails, greedily: of the smaller shapes that a case's family has, the boldest first, the first one
 * that ends in the same state takes the case's place, until none does. Bounded by time and by the number of runs; what is found is never
 * larger than the case and always fails, but another way down may have led further.
 */
public final class Shrinker {

    /** Runs for one case: three times what the largest family needs to find that nothing smaller fails. */
    private static final int RUNS = 120;

    private Shrinker() {}

    /**
     * Returns the results, each failing one with the smallest shape that was found for it, in order until {@code time} is over.
     *
     * @param run runs a case on the device on which it failed
     */
    public static List<CaseResult> all(
            List<CaseResult> results, Duration time, Function<ConformanceCase, CaseResult> run) {
        long end = System.nanoTime() + time.toNanos();
        List<CaseResult> shrunk = new ArrayList<>();
        for (CaseResult result : results) {
            Duration left = Duration.ofNanos(end - System.nanoTime());
            shrunk.add(canShrink(result) && left.isPositive() ? one(result, left, run) : result);
        }
        return shrunk;
    }

    /** Returns whether a case failed, has other shapes, and does not take its whole limit to fail. */
    static boolean canShrink(CaseResult result) {
        boolean failed = switch (result.state()) {
            case FAIL, ERROR, CRASH -> true;
            case PASS, DECLINED, WAIVED, TIMEOUT, UNTRUSTED, UNTESTED -> false;
        };
        return failed && !result.subject().shape().isFixed();
    }

    /** Returns a failing result with the smallest shape that was found for it. */
    public static CaseResult one(CaseResult failed, Duration time, Function<ConformanceCase, CaseResult> run) {
        return one(failed, time, RUNS, run);
    }

    static CaseResult one(CaseResult failed, Duration time, int runs, Function<ConformanceCase, CaseResult> run) {
        if (!canShrink(failed)) {
            return failed;
        }
        Search search = new Search(failed, System.nanoTime() + time.toNanos(), runs, run);
        CaseResult smallest = failed;
        for (Optional<CaseResult> next = Optional.of(failed); next.isPresent(); next = search.below(smallest)) {
            smallest = next.get();
        }
        return failed.with(new Shrunk(smallest, search.tried.size(), !search.exhausted));
    }

    /** One case's way down. */
    private static final class Search {
        private final CaseResult failed;
        private final long end;
        private final int runs;
        private final Function<ConformanceCase, CaseResult> run;
        private final Set<String> tried = new HashSet<>();
        private boolean exhausted;

        Search(CaseResult failed, long end, int runs, Function<ConformanceCase, CaseResult> run) {
            this.failed = failed;
            this.end = end;
            this.runs = runs;
            this.run = run;
        }

        /** Returns the first smaller shape that fails alike. */
        Optional<CaseResult> below(CaseResult smallest) {
            for (CaseShape shape : smallest.subject().shape().smaller()) {
                if (tried.contains(shape.toString())) {
                    continue;
                }
                if (tried.size() == runs || System.nanoTime() - end > 0) {
                    exhausted = true;
                    return Optional.empty();
                }
                tried.add(shape.toString());
                CaseResult candidate = run.apply(failed.subject().at(shape));
                if (candidate.state() == failed.state()) {
                    return Optional.of(candidate);
                }
            }
            return Optional.empty();
        }
    }
}
