package dev.heng.conformance.compare;

/** What a comparison found. */
public enum Outcome {
    /** Something was compared, and all of it held. */
    PASS,
    /** Something did not hold. */
    FAIL,
    /**
     * Nothing could have failed: the tensor is empty, as expected, or nothing finite was expected of it. Only a case that expects
     * exactly this may count it; it is never a pass by itself.
     */
    VACUOUS
}
