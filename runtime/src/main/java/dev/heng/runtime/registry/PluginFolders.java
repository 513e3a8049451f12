package dev.heng.runtime.registry;

import dev.heng.runtime.HengException;
import dev.heng.spi.BackendProvider;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The layout of a plug-in path: one folder for each plug-in, with its jars. */
final class PluginFolders {

    private PluginFolders() {}

    /**
     * Returns a class loader for each plug-in under {@code path}, in the order of their names. The loaders are never closed: a backend may load
     * classes as long as it lives, and native code of a plug-in cannot be unloaded.
     *
     * @throws HengException if the path is not a folder of folders with jars
     */
    static List<PluginClassLoader> loaders(Path path) {
        if (!Files.isDirectory(path)) {
            throw new HengException(
                    "plug-in path " + path + (Files.exists(path) ? " is not a folder" : " does not exist"),
                    "name a folder that holds one folder of jars for each plug-in");
        }
        List<Path> children = children(path);
        List<PluginClassLoader> loaders = new ArrayList<>();
        for (Path child : children) {
            if (Files.isDirectory(child)) {
                List<URL> jars = new ArrayList<>();
                for (Path file : children(child)) {
                    if (isJar(file)) {
                        jars.add(url(file));
                    }
                }
                if (!jars.isEmpty()) {
                    loaders.add(new PluginClassLoader(
                            "plugin " + child.getFileName(), jars, BackendProvider.class.getClassLoader()));
                }
            }
        }
        if (loaders.isEmpty()) {
            throw new HengException(
                    "plug-in path " + path + " holds no plug-in"
                            + (children.stream().anyMatch(PluginFolders::isJar) ? ", though it holds jars itself" : ""),
                    "give each plug-in a folder of its own: "
                            + path.resolve("NAME").resolve("*.jar"));
        }
        return loaders;
    }

    private static boolean isJar(Path file) {
        return file.getFileName().toString().endsWith(".jar") && Files.isRegularFile(file);
    }

    private static List<Path> children(Path folder) {
        try (Stream<Path> children = Files.list(folder)) {
            return children.sorted().toList();
        } catch (IOException e) {
            throw new HengException(
                    "plug-in folder " + folder + " cannot be read: " + Failures.describe(e),
                    "check its permissions",
                    e);
        }
    }

    private static URL url(Path file) {
        try {
            return file.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new HengException("plug-in jar " + file + " has no URL: " + e.getMessage(), "rename it", e);
        }
    }
}
