package dev.heng.conformance.run;

import dev.heng.spi.Backend;

/** Opens a fresh backend; called on the thread that will use it, and again after a case that did not end. */
@FunctionalInterface
public interface BackendOpener {
    /** Returns an opened backend that the caller closes. */
    Backend open();
}
