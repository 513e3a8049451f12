/**
 * Huawei Ascend NPUs through CANN.
 *
 * <p>Rule: native names live in {@code binding} only, each with its header and version; every symbol is resolved lazily.
 */
@NullMarked
package dev.heng.backend.ascend;

import org.jspecify.annotations.NullMarked;
