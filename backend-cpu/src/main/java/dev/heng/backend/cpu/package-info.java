/**
 * The fast CPU backend, {@code cpu}.
 *
 * <p>Rule: every fast path computes what {@link dev.heng.backend.reference} computes, within bounds derived from its declared
 * numerics profile.
 */
@NullMarked
package dev.heng.backend.cpu;

import org.jspecify.annotations.NullMarked;
