/**
 * Model families as short programs over {@link dev.heng.spi.graph.GraphBuilder}.
 *
 * <p>Rule: a family reads a config and asks a catalogue for types; it knows nothing of devices, bytes or generation, and the same config, weights and options
 * always give the same graph.
 */
@NullMarked
package dev.heng.runtime.family;

import org.jspecify.annotations.NullMarked;
