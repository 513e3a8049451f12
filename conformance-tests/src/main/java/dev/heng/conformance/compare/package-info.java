/**
 * Verdicts.
 *
 * <p>Rule: a comparison ends in a verdict that names formula, worst error over bound, index and bits; what cannot be compared fails.
 */
@NullMarked
package dev.heng.conformance.compare;

import org.jspecify.annotations.NullMarked;
