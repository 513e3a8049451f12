package dev.heng.backend.ascend.device;

import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;

/** The integers of a run as the host knows them: positions, sequences, the page table, ids. */
public interface HostInputs {

    /**
     * Returns a value's elements, row-major.
     *
     * @param value an I32 value of the graph; the array is not to be changed
     */
    int[] integers(Value value);

    /** Returns a number above every element, which are then known not to be negative, or -1 if the elements have to be looked at. */
    default long bound(Value value) {
        return -1;
    }

    /** Returns the bytes of an input as the device has them, waiting for it if a run wrote them. */
    default MemorySegment bytes(Value value) {
        throw new IllegalStateException("the bytes of '" + value.name() + "' are not known here");
    }

    /** What a run sends along, worked out from its integers. */
    interface Filler {
        /** Fills all of {@code target}, which is pinned memory of the size that was asked for. */
        void fill(HostInputs inputs, MemorySegment target);
    }

    /** A look at a run's integers before anything is queued. */
    interface Check {
        /**
         * Looks.
         *
         * @throws dev.heng.spi.BackendException if they are out of range
         */
        void check(HostInputs inputs);
    }

    /** What the host does after everything was queued, once for each run. */
    interface Tail {
        /** Works; may wait for the device. */
        void run(HostInputs inputs);
    }

    /** A host array that an operator takes and keeps: frozen when the operator is captured, so it is given anew for each run. */
    interface Lengths {
        /** Returns the numbers of this run. */
        long[] of(HostInputs inputs);
    }
}
