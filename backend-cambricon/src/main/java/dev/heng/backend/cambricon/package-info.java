/**
 * Cambricon MLUs through CNDrv, CNRT, CNNL and CNCL.
 *
 * <p>Rule: native names live in {@code binding} only, each with its header and version; every symbol is resolved lazily.
 */
@NullMarked
package dev.heng.backend.cambricon;

import org.jspecify.annotations.NullMarked;
