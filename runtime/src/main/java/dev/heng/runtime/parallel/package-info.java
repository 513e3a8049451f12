/**
 * Graphs over several ranks: the collectives between what one device executes.
 *
 * <p>Rule: whatever device a rank has, its collectives are executed here, in terms of the contract's {@link dev.heng.spi.Communicator} alone; a backend needs to know
 * nothing of them.
 */
@NullMarked
package dev.heng.runtime.parallel;

import org.jspecify.annotations.NullMarked;
