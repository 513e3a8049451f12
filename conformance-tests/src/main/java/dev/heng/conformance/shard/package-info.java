/**
 * Runs cases in JVMs of their own, so that a native crash costs one case.
 *
 * <p>Rule: whatever a child process does - die, hang, print, exit - the parent goes on and says what became of the case that was running.
 */
@NullMarked
package dev.heng.conformance.shard;

import org.jspecify.annotations.NullMarked;
