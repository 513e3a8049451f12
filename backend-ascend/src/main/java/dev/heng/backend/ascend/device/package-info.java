/**
 * The device: CANN's runtime in Java's terms.
 *
 * <p>Rule: every status is checked where the call is made, and becomes a {@link dev.heng.spi.BackendException} with the library's own words; sizes are
 * bytes, addresses and handles are {@code long}.
 */
@NullMarked
package dev.heng.backend.ascend.device;

import org.jspecify.annotations.NullMarked;
