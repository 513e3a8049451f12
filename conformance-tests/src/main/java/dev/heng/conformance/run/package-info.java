/**
 * Runs cases on a backend through the SPI alone and says what became of each.
 *
 * <p>Rule: every case ends in exactly one of nine states, and a run in which nothing was shown is red.
 */
@NullMarked
package dev.heng.conformance.run;

import org.jspecify.annotations.NullMarked;
