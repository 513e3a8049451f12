package dev.heng.runtime.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

class NativeLibraryTest {

    /** JNI checks no signatures: a parameter too many would crash the process, so the jar's own declarations are the witness. */
    @Test
    void declaresEveryEntryPointAsTheJarDoes() throws ReflectiveOperationException {
        Class<?> theirs = Class.forName(NativeLibrary.JNI_CLASS, false, NativeLibrary.class.getClassLoader());
        for (Method entryPoint : TokenizersNative.class.getMethods()) {
            Method declared = theirs.getMethod(entryPoint.getName(), entryPoint.getParameterTypes());
            assertEquals(entryPoint.getReturnType(), declared.getReturnType(), entryPoint.getName());
            assertTrue(Modifier.isNative(declared.getModifiers()), entryPoint.getName());
            assertTrue(!Modifier.isStatic(declared.getModifiers()), entryPoint.getName());
        }
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "a loaded library cannot be deleted there; it goes at exit")
    void leavesNothingInTheTemporaryDirectory() throws IOException, InterruptedException {
        Path temporary = Files.createTempDirectory("heng-test-");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Djava.io.tmpdir=" + temporary,
                        "-Duser.home=" + temporary,
                        "-cp",
                        System.getProperty("java.class.path"),
                        LoadOnly.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        assertEquals("loaded", output.strip());
        try (Stream<Path> left = Files.list(temporary)) {
            assertEquals(
                    List.of(),
                    left.filter(file -> !file.endsWith("hsperfdata_" + System.getProperty("user.name")))
                            .toList());
        }
        Files.deleteIfExists(temporary);
    }

    /** Loads the library and nothing else, in a process of its own. */
    static final class LoadOnly {
        private LoadOnly() {}

        /** Runs. */
        public static void main(String[] arguments) {
            NativeLibrary.entryPoints();
            System.out.println("loaded");
        }
    }

    /** The layers above the library look for CUDA, keep a cache in the home directory and report home; they must not even be there. */
    @Test
    void doesWithoutTheLayersAboveTheLibrary() throws IOException {
        Enumeration<URL> api = NativeLibrary.class.getClassLoader().getResources("ai/djl/util/Platform.class");
        assertTrue(!api.hasMoreElements(), "ai.djl:api is on the class path");
        assertNull(NativeLibrary.class.getResource("/org/slf4j/Logger.class"));
    }

    @Test
    void refusesAFileThatIsNoLibrary() {
        assertThrows(HengException.class, () -> NativeLibrary.bind(RepositoryFiles.of("pom.xml"), "remedy"));
    }
}
