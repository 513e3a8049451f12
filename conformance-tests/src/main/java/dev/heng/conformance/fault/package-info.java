/**
 * Faults that a suite must find, planted on purpose.
 *
 * <p>Rule: each fault is one exact, documented deviation from correct arithmetic; whether it is found is measured and published,
 * never assumed.
 */
@NullMarked
package dev.heng.conformance.fault;

import org.jspecify.annotations.NullMarked;
