/**
 * What correct arithmetic may do to a result.
 *
 * <p>Rule: every number a verdict compares with is computed here from the arithmetic's profile and the inputs, under a formula with an id; no tolerance is written down by hand.
 */
@NullMarked
package dev.heng.conformance.bound;

import org.jspecify.annotations.NullMarked;
