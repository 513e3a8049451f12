package dev.heng.conformance.run;

import dev.heng.conformance.suite.Check;
import dev.heng.conformance.suite.ConformanceCase;
import java.util.List;

/**
 * What became of one case.
 *
 * @param subject the case
 * @param state its state
 * @param reason one sentence: what failed, why it was declined, or empty
 * @param checks what was compared; copied
 * @param milliseconds how long it took, oracle included
 * @param replay the command that repeats it
 */
public record CaseResult(
        ConformanceCase subject, CaseState state, String reason, List<Check> checks, long milliseconds, String replay) {

    public CaseResult {
        checks = List.copyOf(checks);
    }

    /** Returns the same result in another state. */
    public CaseResult as(CaseState state, String reason) {
        return new CaseResult(subject, state, reason, checks, milliseconds, replay);
    }

    /** Returns the largest error over bound of all checks, 0 where nothing was compared. */
    public double worstRatio() {
        return checks.stream()
                .mapToDouble(check -> check.verdict().ratio())
                .max()
                .orElse(0);
    }
}
