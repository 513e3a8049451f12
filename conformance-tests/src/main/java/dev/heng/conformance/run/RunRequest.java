package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;

/**
 * What to run.
 *
 * @param backend how the backend under test is named on the command line, for replay lines
 * @param level the level; ignored where {@code pattern} is not empty
 * @param pattern a case id, in which {@code *} stands for anything, or one id with another shape behind an {@code @}, or empty for all
 *     cases of the level
 * @param seed the seed of all inputs
 * @param limit how long one case may take
 * @param shrinking how long to look for smaller shapes of what fails, all cases together; zero for not at all
 * @param command what replay lines begin with: how this process was started, with what it needs to find the backend
 */
public record RunRequest(
        String backend, Level level, String pattern, long seed, Duration limit, Duration shrinking, String command) {

    /** What replay lines begin with where nothing else is said. */
    public static final String DEFAULT_COMMAND = "heng parity";

    /** The seed of runs that name none: the first day of this project. */
    public static final long DEFAULT_SEED = 20261125;

    /** How long one case may take: a hundred times the slowest on two cores. */
    public static final Duration DEFAULT_LIMIT = Duration.ofSeconds(60);

    /** How long smaller shapes of what failed are looked for. */
    public static final Duration DEFAULT_SHRINKING = Duration.ofSeconds(30);

    /** Makes a request whose replay lines begin with {@link #DEFAULT_COMMAND}. */
    public RunRequest(String backend, Level level, String pattern, long seed, Duration limit) {
        this(backend, level, pattern, seed, limit, DEFAULT_SHRINKING, DEFAULT_COMMAND);
    }

    /** Returns a run of all cases of a level under the default seed. */
    public static RunRequest of(String backend, Level level) {
        return new RunRequest(backend, level, "", DEFAULT_SEED, DEFAULT_LIMIT);
    }

    /** Returns the same request for the cases that {@code pattern} names. */
    public RunRequest onlyCases(String pattern) {
        return new RunRequest(backend, level, pattern, seed, limit, shrinking, command);
    }

    /** Returns the same request with another limit for a case. */
    public RunRequest within(Duration limit) {
        return new RunRequest(backend, level, pattern, seed, limit, shrinking, command);
    }

    /** Returns the same request with another time to look for smaller shapes; zero for not at all. */
    public RunRequest shrinkingFor(Duration shrinking) {
        return new RunRequest(backend, level, pattern, seed, limit, shrinking, command);
    }

    /** Returns whether this request asks for a whole level, which alone can show conformance. */
    public boolean isWholeLevel() {
        return pattern.isEmpty();
    }

    /**
     * Returns the cases that this request selects.
     *
     * @throws dev.heng.runtime.HengException if it asks for a case in a shape that it cannot have
     */
    public List<ConformanceCase> select(List<ConformanceCase> cases) {
        if (pattern.isEmpty()) {
            return cases.stream().filter(one -> one.level().isWithin(level)).toList();
        }
        int mark = pattern.indexOf(ConformanceCase.SHAPE);
        if (mark >= 0) {
            return cases.stream()
                    .filter(one -> one.id().equals(pattern.substring(0, mark)))
                    .map(one -> one.at(pattern.substring(mark + 1)))
                    .toList();
        }
        Pattern wanted = Pattern.compile(("\\Q" + pattern + "\\E").replace("*", "\\E.*\\Q"));
        return cases.stream().filter(one -> wanted.matcher(one.id()).matches()).toList();
    }

    /** Returns the command that repeats one case. */
    public String replay(ConformanceCase one) {
        return command + " --backend " + backend + " --case '" + one.id() + "' --seed " + seed;
    }
}
