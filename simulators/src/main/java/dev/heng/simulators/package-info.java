/**
 * Vendors' C interfaces, simulated on the host.
 *
 * <p>Rule: a simulator enforces every documented rule of the vendor's contract, computes with its own arithmetic, and is never
 * presented as a device. The C sources arrive with the backend they exercise; this package is the Java side that builds them.
 */
@NullMarked
package dev.heng.simulators;

import org.jspecify.annotations.NullMarked;
