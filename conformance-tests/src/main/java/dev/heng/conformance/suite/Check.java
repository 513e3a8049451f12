package dev.heng.conformance.suite;

import dev.heng.conformance.compare.Verdict;

/**
 * One thing that a judge looked at.
 *
 * @param what the output and what was compared, for example {@code y: elements}
 * @param verdict what the comparison found, with bound and formula
 * @param emptyIsRight whether a vacuous verdict is what the case expects, as of a run without tokens
 */
public record Check(String what, Verdict verdict, boolean emptyIsRight) {

    /** Returns whether this speaks for the backend. */
    public boolean held() {
        return switch (verdict.outcome()) {
            case PASS -> true;
            case FAIL -> false;
            case VACUOUS -> emptyIsRight;
        };
    }
}
