/**
 * The device-neutral execution graph: immutable, validated when built, readable when printed.
 *
 * <p>Rule: a graph says what to compute and never how or where; semantics of each operator are pinned by docs/ops.md.
 */
@NullMarked
package dev.heng.spi.graph;

import org.jspecify.annotations.NullMarked;
