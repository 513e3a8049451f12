package dev.heng.conformance.suite;

import dev.heng.spi.NumericsProfile;
import java.util.List;
import java.util.Map;

/** Compares what a backend returned with what the case expects of it. Pure: it may be asked any number of times. */
@FunctionalInterface
public interface Judge {

    /**
     * Judges one step.
     *
     * @param step the step, from 0
     * @param outputs what the backend under judgement left, by output name
     * @param profile that backend's declared numerics, from which every bound follows
     * @return at least one check
     * @throws UndeclaredException if the profile declares nothing about what was computed
     */
    List<Check> judge(int step, Map<String, HostTensor> outputs, NumericsProfile profile);

    /** A backend supports what its profile is silent about, so that no bound can be derived. */
    final class UndeclaredException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        /** Makes an exception that names what is missing. */
        public UndeclaredException(String message) {
            super(message);
        }
    }
}
