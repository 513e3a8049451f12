package dev.heng.conformance.run;

import dev.heng.conformance.suite.Check;
import dev.heng.conformance.suite.ConformanceCase;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What became of one case.
 *
 * @param subject the case
 * @param state its state
 * @param reason one sentence: what failed, why it was declined, or empty
 * @param checks what was compared; copied
 * @param milliseconds how long it took, oracle included
 * @param replay the command that repeats it
 * @param shrunk the smallest shape that was found to end in the same state, or null if none was looked for
 */
public record CaseResult(
        ConformanceCase subject,
        CaseState state,
        String reason,
        List<Check> checks,
        long milliseconds,
        String replay,
        @Nullable Shrunk shrunk) {

    public CaseResult {
        checks = List.copyOf(checks);
    }

    /** Makes a result for whose case no smaller shape was looked for. */
    public CaseResult(
            ConformanceCase subject,
            CaseState state,
            String reason,
            List<Check> checks,
            long milliseconds,
            String replay) {
        this(subject, state, reason, checks, milliseconds, replay, null);
    }

    /** Returns the same result in another state. */
    public CaseResult as(CaseState state, String reason) {
        return new CaseResult(subject, state, reason, checks, milliseconds, replay, shrunk);
    }

    /** Returns the same result with what came of looking for a smaller shape. */
    public CaseResult with(Shrunk found) {
        return new CaseResult(subject, state, reason, checks, milliseconds, replay, found);
    }

    /** Returns the largest error over bound of all checks, 0 where nothing was compared. */
    public double worstRatio() {
        return checks.stream()
                .mapToDouble(check -> check.verdict().ratio())
                .max()
                .orElse(0);
    }
}
