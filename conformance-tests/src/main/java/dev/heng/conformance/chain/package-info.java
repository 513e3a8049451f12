/**
 * Evaluates whole graphs in double by the rules of docs/ops.md, and an ensemble of them with every rounding that a numerics profile allows
 * drawn at random: the expectation and the bound (F10, F11) of chains of operators. Knows nothing of backends or cases.
 */
@NullMarked
package dev.heng.conformance.chain;

import org.jspecify.annotations.NullMarked;
