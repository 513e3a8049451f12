package dev.heng.conformance.kill;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.run.RunRequest;
import java.time.Duration;
import java.util.List;

/**
 * Which faults to plant and how to look for them.
 *
 * @param backend how the backend that faults are planted in is named on the command line
 * @param family plant the faults of this family only, or of all if empty
 * @param fault plant this fault only, or all if empty
 * @param pattern look with the cases that match, or with all of the smoke level if empty
 * @param seed the seed of all inputs
 * @param workers faults that are looked for at a time
 * @param shrinking how long to look for a smaller shape that finds a fault too, for each fault; zero for not at all
 */
public record KillRequest(
        String backend, String family, String fault, String pattern, long seed, int workers, Duration shrinking) {

    /** How long a smaller shape is looked for. */
    public static final Duration DEFAULT_SHRINKING = Duration.ofSeconds(5);

    public KillRequest {
        if (workers < 1) {
            throw new IllegalArgumentException(workers + " workers: at least one is needed");
        }
    }

    /** Returns a request for all faults and cases under the default seed, one worker for each processor. */
    public static KillRequest all(String backend) {
        return new KillRequest(
                backend,
                "",
                "",
                "",
                RunRequest.DEFAULT_SEED,
                Runtime.getRuntime().availableProcessors(),
                DEFAULT_SHRINKING);
    }

    /** Returns the faults that this request selects. */
    public List<Fault> select(List<Fault> faults) {
        return faults.stream()
                .filter(one -> family.isEmpty() || one.family().equals(family))
                .filter(one -> fault.isEmpty() || one.id().equals(fault))
                .toList();
    }

    /** Returns the command that repeats a kill. */
    String replay(Fault one, String caseId) {
        return "heng parity --kill-score --backend " + backend + " --fault " + one.id() + " --case '" + caseId
                + "' --seed " + seed;
    }
}
