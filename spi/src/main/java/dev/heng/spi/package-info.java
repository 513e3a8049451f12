/**
 * The contract between the runtime and a backend.
 *
 * <p>Rule: this module depends on nothing but nullness annotations, and a vendor who has read it knows what to write. Start at
 * {@link dev.heng.spi.BackendProvider}, then {@link dev.heng.spi.Backend}, {@link dev.heng.spi.Program} and
 * {@link dev.heng.spi.graph.Op}. The numbers that every operator must produce are specified in docs/ops.md, rule by rule.
 */
@NullMarked
package dev.heng.spi;

import org.jspecify.annotations.NullMarked;
