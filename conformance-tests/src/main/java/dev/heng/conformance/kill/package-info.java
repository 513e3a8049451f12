/**
 * How many planted faults the suite finds.
 *
 * <p>Rule: a fault counts as killed only by a case that passes on the same device without it, and every kill names the case and seed
 * that repeat it.
 */
@NullMarked
package dev.heng.conformance.kill;

import org.jspecify.annotations.NullMarked;
