/**
 * Randomness that replays.
 *
 * <p>Rule: a stream is a pure function of case id, seed and tensor name, and yields the same bits on every JVM.
 */
@NullMarked
package dev.heng.conformance.random;

import org.jspecify.annotations.NullMarked;
