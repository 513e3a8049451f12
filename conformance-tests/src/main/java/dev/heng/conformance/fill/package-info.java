/**
 * Inputs chosen so that faults show.
 *
 * <p>Rule: a fill counts what it triggered; a fill that triggered too little makes a case UNTRUSTED, never PASS.
 */
@NullMarked
package dev.heng.conformance.fill;

import org.jspecify.annotations.NullMarked;
