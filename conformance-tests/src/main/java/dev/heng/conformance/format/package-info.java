/**
 * Codecs of the floating-point formats and rounding to a given number of significand bits.
 *
 * <p>Rule: every operation is exact or correctly rounded, and written from the format's definition, not from a backend's or the oracle's code.
 */
@NullMarked
package dev.heng.conformance.format;

import org.jspecify.annotations.NullMarked;
