/**
 * The runtime: everything between a checkpoint on disk and text on the terminal.
 *
 * <p>Rule: one direction. Checkpoints know nothing of graphs, families nothing of devices, generation nothing of files.
 */
@NullMarked
package dev.heng.runtime;

import org.jspecify.annotations.NullMarked;
