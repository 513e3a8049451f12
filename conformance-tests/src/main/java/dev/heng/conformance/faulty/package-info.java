/**
 * Backends that lie in a known way, to show that the suite can fail.
 *
 * <p>Rule: a fault changes what a real backend does at the SPI's surface; the suite gets no hint of it.
 */
@NullMarked
package dev.heng.conformance.faulty;

import org.jspecify.annotations.NullMarked;
