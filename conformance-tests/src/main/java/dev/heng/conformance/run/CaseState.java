package dev.heng.conformance.run;

/** What became of a case. The states are disjoint; docs/conformance.md says how each comes about. */
public enum CaseState {
    /** Executed on the device under test, and every check held. */
    PASS,
    /** Executed, and a check did not hold; or the backend broke its contract. */
    FAIL,
    /** The backend said no beforehand, with a code and a reason. */
    DECLINED,
    /** Failed, and covered by a valid waiver. */
    WAIVED,
    /** An exception outside the contract. */
    ERROR,
    /** Not done within the limit. */
    TIMEOUT,
    /** The process died. Occurs only where cases run in processes of their own. */
    CRASH,
    /** The inputs triggered too little, or the oracle itself failed: a pass would prove nothing. */
    UNTRUSTED,
    /** A rule without a case, or a case that was not reached. */
    UNTESTED;

    /** Returns whether a case in this state leaves a run green. */
    public boolean isGreen() {
        return this == PASS || this == DECLINED || this == WAIVED;
    }
}
