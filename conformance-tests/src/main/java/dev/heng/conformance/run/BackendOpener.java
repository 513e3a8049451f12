package dev.heng.conformance.run;

import dev.heng.spi.Backend;

/** Opens a fresh backend; called on the thread that will use it, and again after a case that did not end. */
@FunctionalInterface
public interface BackendOpener {
    /** Returns an opened backend that the caller closes. */
    Backend open();

    /**
     * Returns an opened backend that will be one rank of a group, and that the caller closes: on a device of its own where there are as many, or
     * else like {@link #open}.
     *
     * @param rank its place in the group, from 0
     */
    default Backend openRank(int rank) {
        return open();
    }
}
