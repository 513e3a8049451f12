/**
 * The judge of backends.
 *
 * <p>Rule: a verdict rests on the SPI, the specification in docs/ops.md and a derived bound; never on a hand-set tolerance.
 */
@NullMarked
package dev.heng.conformance;

import org.jspecify.annotations.NullMarked;
