package dev.heng.runtime.registry;

import dev.heng.spi.BackendProvider;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The services files that a class loader sees: which class names they list and in which jar. ServiceLoader reads them too and does not tell;
 * we need it to say where a provider that could not be loaded comes from.
 */
final class ServicesFiles {

    static final String NAME = "META-INF/services/" + BackendProvider.class.getName();

    private final Map<String, String> originByClass;
    private final ClassLoader loader;
    private final List<String> unattributed;

    private ServicesFiles(Map<String, String> originByClass, ClassLoader loader) {
        this.originByClass = originByClass;
        this.loader = loader;
        this.unattributed = new ArrayList<>(originByClass.keySet());
    }

    /** Reads what {@code loader} sees. A file that cannot be read is left out here: ServiceLoader reports it. */
    static ServicesFiles of(ClassLoader loader) {
        Map<String, String> origins = new LinkedHashMap<>();
        try {
            Enumeration<URL> files = loader.getResources(NAME);
            while (files.hasMoreElements()) {
                URL file = files.nextElement();
                for (String name : classNames(file)) {
                    origins.putIfAbsent(name, origin(file));
                }
            }
        } catch (IOException unreadable) {
            // ServiceLoader meets the same file and says why; without it only the jar's name is missing from the
            // message.
        }
        return new ServicesFiles(origins, loader);
    }

    private static List<String> classNames(URL file) throws IOException {
        URLConnection connection = file.openConnection();
        // The default cache of jar connections would keep the jar open for the life of the process.
        connection.setUseCaches(false);
        List<String> names = new ArrayList<>();
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                int comment = line.indexOf('#');
                String name = (comment < 0 ? line : line.substring(0, comment)).strip();
                if (!name.isEmpty()) {
                    names.add(name);
                }
            }
        }
        return names;
    }

    private static String origin(URL file) throws IOException {
        if (file.openConnection() instanceof JarURLConnection jar) {
            return path(jar.getJarFileURL());
        }
        String folder = path(file);
        return folder.endsWith("/" + NAME) ? folder.substring(0, folder.length() - NAME.length() - 1) : folder;
    }

    private static String path(URL url) {
        try {
            URI uri = url.toURI();
            return "file".equals(uri.getScheme()) ? Path.of(uri).toString() : uri.toString();
        } catch (URISyntaxException | IllegalArgumentException notAPath) {
            return url.toString();
        }
    }

    /** Returns the first word of {@code message} that is a listed class name, or null. */
    @Nullable
    String listedNameIn(String message) {
        for (String word : message.split("[\\s:]+", -1)) {
            if (originByClass.containsKey(word)) {
                return word;
            }
        }
        return null;
    }

    /** Marks {@code className} as met, so that later failures are not blamed on it, and returns where it came from. */
    String attribute(String className) {
        unattributed.remove(className);
        return originByClass.getOrDefault(className, "an unknown place");
    }

    /** Returns where {@code type} was loaded from. */
    String attribute(Class<?> type) {
        String listed = attribute(type.getName());
        CodeSource source = type.getProtectionDomain().getCodeSource();
        return source == null || source.getLocation() == null ? listed : path(source.getLocation());
    }

    /**
     * Returns the entry that a LinkageError without a provider's name is about: the first that has not been met and that fails to link again
     * when it is loaded by itself, or null.
     */
    @Nullable
    String firstThatDoesNotLink() {
        for (String name : unattributed) {
            try {
                Class.forName(name, false, loader);
            } catch (LinkageError again) {
                return name;
            } catch (ClassNotFoundException anotherProblem) {
                // ServiceLoader reports this one by name.
            }
        }
        return null;
    }
}
