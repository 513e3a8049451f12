/**
 * A vendor's shared libraries at run time: found in the places where they are installed, bound symbol by symbol when first called.
 *
 * <p>Rule: nothing is loaded before it is asked for, a symbol that a release lacks switches one capability off and not the backend, and every
 * failure names the library, the places that were tried, and what to do.
 */
@NullMarked
package dev.heng.kernels.vendor;

import org.jspecify.annotations.NullMarked;
