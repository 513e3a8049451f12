/**
 * Questions put to a matrix unit through its products alone.
 *
 * <p>Rule: a probe concludes only from results that no other profile in its hypothesis space produces; otherwise it says what it could not determine.
 */
@NullMarked
package dev.heng.conformance.probe;

import org.jspecify.annotations.NullMarked;
