package dev.heng.conformance.shard;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command line of a child: this JVM's own Java, options and class path, without what can serve one process only. */
final class ShardCommand {

    /** Agents, debuggers, recordings and caches that are being written belong to the parent; the terminal is not the child's. */
    private static final List<String> PARENTS_OWN = List.of(
            "-agentlib",
            "-agentpath",
            "-javaagent",
            "-Xdebug",
            "-Xrunjdwp",
            "-XX:StartFlightRecording",
            "-XX:AOTCacheOutput",
            "-XX:AOTMode",
            "-XX:AOTConfiguration",
            "-XX:ErrorFile",
            "-Dcom.sun.management",
            "-Dheng.terminal");

    private ShardCommand() {}

    /**
     * Returns the command.
     *
     * @param folder where a crashing JVM leaves its report
     * @param socket the argument of {@link ShardMain}
     */
    static List<String> of(Path folder, Path socket) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            if (PARENTS_OWN.stream().noneMatch(option::startsWith)) {
                command.add(option);
            }
        }
        command.add("-XX:ErrorFile=" + folder.resolve("hs_err.log"));
        command.add("-XX:-CreateCoredumpOnCrash");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(ShardMain.class.getName());
        command.add(socket.toString());
        return command;
    }
}
