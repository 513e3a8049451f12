/**
 * The oracle, {@code reference}: plain scalar Java, double accumulation, obviously right.
 *
 * <p>Rule: clarity before speed; every operator is written to be read beside docs/ops.md and cites its rules.
 */
@NullMarked
package dev.heng.backend.reference;

import org.jspecify.annotations.NullMarked;
