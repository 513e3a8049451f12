/**
 * A vendor's C interface as data: what a binding believes about functions, constants and structures, and where it read it.
 *
 * <p>Rule: a fact is written once, in a table with its source. Calls are made from the table, and {@link dev.heng.kernels.abi.AbiAudit} holds
 * the same table against the headers of an installation, so that what is called is what was checked.
 */
@NullMarked
package dev.heng.kernels.abi;

import org.jspecify.annotations.NullMarked;
