/**
 * Cuts a graph into parts that two executors run in turn.
 *
 * <p>Rule: a part is a graph of its own whose nodes and values keep their names, so that plans and messages lead back to the whole.
 */
@NullMarked
package dev.heng.runtime.partition;

import org.jspecify.annotations.NullMarked;
