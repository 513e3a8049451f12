package dev.heng.conformance.shard;

import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * What the parent tells a child first, one line of JSON; ids of cases follow, one a line.
 *
 * @param backend the backend under test as on the command line
 * @param plugins absolute plug-in paths; copied
 * @param level the run's level
 * @param seed the seed of all inputs
 * @param limitMilliseconds how long one case may take
 * @param command what replay lines begin with
 */
record ShardOrder(
        String backend, List<String> plugins, Level level, long seed, long limitMilliseconds, String command) {

    ShardOrder {
        plugins = List.copyOf(plugins);
    }

    static ShardOrder of(RunRequest request, List<Path> plugins) {
        return new ShardOrder(
                request.backend(),
                plugins.stream().map(path -> path.toAbsolutePath().toString()).toList(),
                request.level(),
                request.seed(),
                request.limit().toMillis(),
                request.command());
    }

    RunRequest request() {
        return new RunRequest(backend, level, "", seed, Duration.ofMillis(limitMilliseconds), Duration.ZERO, command);
    }

    List<Path> pluginPaths() {
        return plugins.stream().map(Path::of).toList();
    }
}
