/**
 * JMH benchmarks and comparisons with peers.
 *
 * <p>Rule: a figure is a ratio against a ceiling or a peer measured in the same run.
 */
@NullMarked
package dev.heng.benchmarks;

import org.jspecify.annotations.NullMarked;
