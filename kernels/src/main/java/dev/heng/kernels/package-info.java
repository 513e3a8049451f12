/**
 * Native kernels: finds, loads and binds a native library, and says why it could not.
 *
 * <p>Rule: this is the only door to native kernels of our own; what cannot be loaded is a reason with a remedy, never an exception
 * in a caller's face.
 */
@NullMarked
package dev.heng.kernels;

import org.jspecify.annotations.NullMarked;
