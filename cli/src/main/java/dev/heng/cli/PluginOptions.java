package dev.heng.cli;

import dev.heng.runtime.registry.BackendRegistry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Where backends come from. */
final class PluginOptions {

    @Option(
            names = "--plugin-path",
            paramLabel = "DIR",
            description = "A folder with one folder of jars for each backend plug-in. May be repeated.")
    List<Path> pluginPaths = new ArrayList<>();

    BackendRegistry registry() {
        return BackendRegistry.discover(pluginPaths);
    }
}
