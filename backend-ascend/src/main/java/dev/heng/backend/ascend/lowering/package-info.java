/**
 * What each operator of a graph becomes in CANN's operators.
 *
 * <p>Rule: one class for one family of operators, unfused, in float32 wherever the rule of docs/ops.md rounds once and a chain of CANN's operators would
 * round more often. What CANN cannot do is declined before it is tried.
 */
@NullMarked
package dev.heng.backend.ascend.lowering;

import org.jspecify.annotations.NullMarked;
