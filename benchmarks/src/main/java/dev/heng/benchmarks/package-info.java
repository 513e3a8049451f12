/**
 * JMH benchmarks of single operators on the backends of the host's processor. {@code heng bench} measures whole models.
 *
 * <p>Rule: a benchmark builds the graph of its operator and runs it through the contract, as a model does; nothing of a backend is called directly. Weights stay in the
 * processor's caches from one run to the next where they fit, so these numbers compare kernels and do not add up to a model.
 */
@NullMarked
package dev.heng.benchmarks;

import org.jspecify.annotations.NullMarked;
