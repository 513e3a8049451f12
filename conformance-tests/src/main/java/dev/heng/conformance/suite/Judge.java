package dev.heng.conformance.suite;

import dev.heng.spi.NumericsProfile;
import java.util.List;
import java.util.Map;

/**
 * Compares what a backend returned with what the case expects of it. It may be asked about any number of executions, one after another;
 * of each, steps are asked in ascending order from 0, since what a step may return can depend on what earlier ones legally chose.
 */
@FunctionalInterface
public interface Judge {

    /**
     * Judges one step.
     *
     * @param step the step, from 0
     * @param outputs what the backend under judgement left, by output name
     * @param profile that backend's declared numerics, from which every bound follows
     * @return at least one check
     * @throws dev.heng.conformance.bound.UndeclaredNumericsException if the profile declares nothing about what was computed
     */
    List<Check> judge(int step, Map<String, HostTensor> outputs, NumericsProfile profile);
}
