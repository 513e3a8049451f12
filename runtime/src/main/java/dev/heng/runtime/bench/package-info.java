/**
 * Measures prefill and decode of a model's shape on a backend, with random weights and beside the ceilings of the device measured in the same run.
 *
 * <p>Rule: what is measured goes through the contract as a real model does, and nothing that was not measured is printed as if it were. docs/benchmarks.md says how
 * to read the numbers.
 */
@NullMarked
package dev.heng.runtime.bench;

import org.jspecify.annotations.NullMarked;
