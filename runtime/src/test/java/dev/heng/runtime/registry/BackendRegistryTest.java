package dev.heng.runtime.registry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real jars, each broken in one way, beside a good one that must be found all the same. */
final class BackendRegistryTest {

    @TempDir
    Path folder;

    private static BackendRegistry registry(Path... jars) throws IOException {
        List<URL> urls = new ArrayList<>();
        for (Path jar : jars) {
            urls.add(jar.toUri().toURL());
        }
        // Sees the jars and the contract, and not the backends on the test's own class path.
        ClassLoader loader = new PluginClassLoader("test", urls, BackendProvider.class.getClassLoader());
        return BackendRegistry.discover(loader, List.of());
    }

    private Path jar(String name) {
        return folder.resolve(name);
    }

    private ProviderJar make() throws IOException {
        return ProviderJar.in(folder);
    }

    /** Scans {@code broken} between two good jars and returns the one rejection. */
    private Verdict.Rejected onlyRejection(Path broken) throws IOException {
        Path first = make().good("First", "first").write(jar("first.jar"));
        Path last = make().good("Last", "last").write(jar("last.jar"));
        BackendRegistry registry = registry(first, broken, last);
        List<Verdict.Rejected> rejected = new ArrayList<>();
        List<String> usable = new ArrayList<>();
        for (Verdict verdict : registry.verdicts()) {
            switch (verdict) {
                case Verdict.Rejected entry -> rejected.add(entry);
                case Verdict.Usable good -> usable.add(good.candidate().id());
                case Verdict.Unusable bad ->
                    usable.add("unusable " + bad.candidate().id());
            }
        }
        assertEquals(List.of("first", "last"), usable);
        assertEquals(1, rejected.size(), rejected.toString());
        assertFalse(rejected.getFirst().remedy().isBlank());
        assertFalse(rejected.getFirst().reason().contains("\n"));
        return rejected.getFirst();
    }

    private static void assertSays(@Nullable String text, String... parts) {
        for (String part : parts) {
            assertTrue(text != null && text.contains(part), () -> "'" + part + "' is not in: " + text);
        }
    }

    @Test
    void goodProviderIsUsableAndKnowsItsJar() throws IOException {
        Path jar = make().good("Good", "good").write(jar("good.jar"));
        BackendRegistry registry = registry(jar);
        Candidate candidate = registry.candidates().getFirst();
        assertEquals("good", candidate.id());
        assertEquals(jar.toString(), candidate.origin());
        assertEquals("plug.Good", candidate.providerName());
        BackendChoice choice = registry.choose(BackendWish.parse("good:0"));
        assertEquals("good:0", choice.device().address());
        BackendException refusal = assertThrows(BackendException.class, () -> choice.open(BackendOptions.none()));
        assertEquals("nothing to open", refusal.getMessage());
    }

    @Test
    void missingClassIsRejected() throws IOException {
        Path jar = make().listed("plug.Nowhere").write(jar("missing.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("plug.Nowhere", rejected.providerName());
        assertEquals(jar.toString(), rejected.origin());
        assertSays(rejected.reason(), "not found");
        assertNull(rejected.spiVersion());
    }

    @Test
    void classThatIsNoProviderIsRejected() throws IOException {
        Path jar = make().source("plug.Other", "package plug; public class Other {}")
                .listed("plug.Other")
                .write(jar("other.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("plug.Other", rejected.providerName());
        assertSays(rejected.reason(), "not a subtype");
    }

    @Test
    void illegalLineInServicesFileIsRejected() throws IOException {
        Path jar = make().listed("this is no class name").write(jar("line.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertSays(rejected.reason(), "line.jar", "Illegal");
    }

    @Test
    void staticInitialiserThatFailsIsRejectedWithItsCause() throws IOException {
        Path jar = make().provider(
                        "Eager",
                        "eager",
                        "Spi.VERSION",
                        "",
                        "static { System.loadLibrary(\"heng-test-no-such-library\"); }" + ProviderJar.probe("eager"))
                .write(jar("eager.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("plug.Eager", rejected.providerName());
        assertSays(rejected.reason(), "UnsatisfiedLinkError", "heng-test-no-such-library");
        assertSays(rejected.remedy(), "probe()");
    }

    @Test
    void constructorThatThrowsIsRejectedWithItsCause() throws IOException {
        Path jar = make().provider(
                        "Angry",
                        "angry",
                        "Spi.VERSION",
                        "",
                        "public Angry() { throw new IllegalStateException(\"not\\ntoday\"); }"
                                + ProviderJar.probe("angry"))
                .write(jar("angry.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertSays(rejected.reason(), "IllegalStateException: not / today");
        assertEquals(jar.toString(), rejected.origin());
    }

    @Test
    void missingSuperclassIsRejectedAndNamed() throws IOException {
        Path jar = make().source("plug.Base", "package plug; public class Base {}")
                .provider("Orphan", "orphan", "Spi.VERSION", "extends Base", ProviderJar.probe("orphan"))
                .without("plug.Base")
                .write(jar("orphan.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("plug.Orphan", rejected.providerName());
        assertEquals(jar.toString(), rejected.origin());
        assertSays(rejected.reason(), "plug", "Base");
        assertSays(rejected.remedy(), "missing class");
    }

    @Test
    void classFileOfNewerJavaIsRejected() throws IOException {
        Path jar = make().good("Future", "future").fromNewerJava("plug.Future").write(jar("future.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("plug.Future", rejected.providerName());
        assertSays(rejected.reason(), "UnsupportedClassVersionError");
        assertSays(rejected.remedy(), "Java");
    }

    @Test
    void outOfMemoryInConstructorIsNotSwallowed() throws IOException {
        Path jar = make().provider(
                        "Greedy",
                        "greedy",
                        "Spi.VERSION",
                        "",
                        "public Greedy() { throw new OutOfMemoryError(\"planted\"); }" + ProviderJar.probe("greedy"))
                .write(jar("greedy.jar"));
        OutOfMemoryError error = assertThrows(OutOfMemoryError.class, () -> registry(jar));
        assertEquals("planted", error.getMessage());
    }

    @Test
    void outOfMemoryWrappedByProbeIsNotSwallowed() throws IOException {
        Path jar = make().provider(
                        "Wrapping",
                        "wrapping",
                        "Spi.VERSION",
                        "",
                        "@Override public Availability probe() {"
                                + " throw new IllegalStateException(new OutOfMemoryError(\"planted\")); }")
                .write(jar("wrapping.jar"));
        BackendRegistry registry = registry(jar);
        assertThrows(OutOfMemoryError.class, registry::verdicts);
    }

    @Test
    void newerMinorVersionIsRejectedWithBothNumbers() throws IOException {
        Path jar = make().provider("Newer", "newer", "\"1.99\"", "", ProviderJar.probe("newer"))
                .write(jar("newer.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertSays(rejected.reason(), "1.99", SpiVersion.ofRuntime().toString());
        assertEquals("1.99", rejected.spiVersion());
        assertEquals(jar.toString(), rejected.origin());
        assertSays(rejected.remedy(), jar.toString());
    }

    @Test
    void otherMajorVersionIsRejectedWithBothNumbers() throws IOException {
        Path jar = make().provider("Old", "old", "\"0.9\"", "", ProviderJar.probe("old"))
                .write(jar("old.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertSays(rejected.reason(), "0.9", SpiVersion.ofRuntime().toString());
    }

    @Test
    void versionThatIsNoneIsRejected() throws IOException {
        Path jar = make().provider("Vague", "vague", "\"latest\"", "", ProviderJar.probe("vague"))
                .write(jar("vague.jar"));
        assertSays(onlyRejection(jar).reason(), "latest");
    }

    @Test
    void handshakeAcceptsSameMajorAndMinorThatIsNotNewer() {
        SpiVersion ours = new SpiVersion(2, 3);
        assertTrue(ours.accepts(new SpiVersion(2, 0)));
        assertTrue(ours.accepts(new SpiVersion(2, 3)));
        assertFalse(ours.accepts(new SpiVersion(2, 4)));
        assertFalse(ours.accepts(new SpiVersion(1, 3)));
        assertFalse(ours.accepts(new SpiVersion(3, 0)));
        assertTrue(SpiVersion.parse("1.10").orElseThrow().minor() > 9);
        for (String bad : List.of("", "1", "1.", ".1", "1.0.0", "1.0-rc", "-1.0", " 1.0", "99999999999.0")) {
            assertTrue(SpiVersion.parse(bad).isEmpty(), bad);
        }
    }

    @Test
    void duplicateIdsAreRejectedWithBothJars() throws IOException {
        Path one = make().good("One", "twin").write(jar("one.jar"));
        Path two = make().good("Two", "twin").write(jar("two.jar"));
        Path other = make().good("Other", "other").write(jar("other.jar"));
        BackendRegistry registry = registry(one, two, other);
        assertEquals(1, registry.candidates().size());
        List<Verdict.Rejected> rejected = registry.verdicts().stream()
                .filter(Verdict.Rejected.class::isInstance)
                .map(Verdict.Rejected.class::cast)
                .toList();
        assertEquals(2, rejected.size());
        for (Verdict.Rejected entry : rejected) {
            assertSays(entry.reason(), one.toString(), two.toString());
        }
        HengException error = assertThrows(HengException.class, () -> registry.choose(BackendWish.parse("twin")));
        assertSays(error.getMessage(), one.toString(), two.toString());
    }

    @Test
    void malformedIdsAreRejected() throws IOException {
        for (String id : List.of("", "Cuda", "a b", "-a", "a--b", "auto", "npu:0", "昇腾")) {
            Path jar = make().provider("Named", id, "Spi.VERSION", "", ProviderJar.probe("x"))
                    .write(jar("named.jar"));
            assertSays(onlyRejection(jar).reason(), "id is '" + id + "'");
        }
    }

    @Test
    void probeThatThrowsIsRejection() throws IOException {
        Path jar = make().provider(
                        "Thrower",
                        "thrower",
                        "Spi.VERSION",
                        "",
                        "@Override public Availability probe() { throw new UnsatisfiedLinkError(\"libacl.so\"); }")
                .write(jar("thrower.jar"));
        Verdict.Rejected rejected = onlyRejection(jar);
        assertEquals("thrower", rejected.id());
        assertSays(rejected.reason(), "probe() threw", "libacl.so");
        HengException error =
                assertThrows(HengException.class, () -> registry(jar).choose(BackendWish.parse("thrower")));
        assertSays(error.getMessage(), "was rejected", jar.toString());
        assertNotNull(error.getCause());
    }

    @Test
    void probeThatAnswersNullOrForeignDevicesIsRejection() throws IOException {
        Path empty = make().provider(
                        "Mute", "mute", "Spi.VERSION", "", "@Override public Availability probe() { return null; }")
                .write(jar("mute.jar"));
        assertSays(onlyRejection(empty).reason(), "null");
        Path foreign = make().provider("Liar", "liar", "Spi.VERSION", "", ProviderJar.probe("cuda"))
                .write(jar("liar.jar"));
        assertSays(onlyRejection(foreign).reason(), "cuda:0");
    }

    @Test
    void autoTakesTheHighestPriorityAndSaysWhyNotTheOthers() throws IOException {
        Path low = make().good("Low", "low").write(jar("low.jar"));
        Path high = make().provider(
                        "High",
                        "high",
                        "Spi.VERSION",
                        "",
                        "@Override public Availability probe() { return new Availability.Unavailable("
                                + "Availability.Reason.LIBRARY_MISSING, \"libhigh.so: not found\", \"install it\"); }")
                .source(
                        "plug.Raised",
                        "package plug; public class Raised extends High {"
                                + " @Override public int priority() { return 100; }"
                                + " @Override public String id() { return \"raised\"; } }")
                .listed("plug.Raised")
                .write(jar("high.jar"));
        Path missing = make().listed("plug.Nowhere").write(jar("missing.jar"));
        BackendRegistry registry = registry(low, high, missing);
        assertEquals(
                List.of("raised", "high", "low"),
                registry.candidates().stream().map(Candidate::id).toList());
        BackendChoice choice = registry.choose(BackendWish.AUTO);
        assertEquals("low:0", choice.device().address());
        assertSays(
                choice.report(), "low:0", "raised (library missing: libhigh.so: not found)", "plug.Nowhere (rejected");
        assertFalse(choice.report().contains("\n"));

        HengException unusable = assertThrows(HengException.class, () -> registry.choose(BackendWish.parse("raised")));
        assertSays(unusable.getMessage(), "libhigh.so");
        assertEquals("install it", unusable.remedy());
    }

    @Test
    void unknownIdListsKnownRejectedAndUnavailableOnesWithRemedies() throws IOException {
        Path good = make().good("Good", "good").write(jar("good.jar"));
        Path missing = make().listed("plug.Nowhere").write(jar("missing.jar"));
        BackendRegistry registry = registry(good, missing);
        HengException unknown = assertThrows(HengException.class, () -> registry.choose(BackendWish.parse("tpu")));
        assertSays(unknown.getMessage(), "no backend 'tpu'", "good: available", "plug.Nowhere: rejected", "remedy:");
        HengException planned = assertThrows(HengException.class, () -> registry.choose(BackendWish.parse("ascend")));
        assertSays(planned.getMessage(), "'ascend' is not implemented in this build");
        HengException ordinal = assertThrows(HengException.class, () -> registry.choose(BackendWish.parse("good:7")));
        assertSays(ordinal.getMessage(), "no device 7", "good:0");
        HengException none = assertThrows(HengException.class, () -> registry().choose(BackendWish.AUTO));
        assertSays(none.getMessage(), "no backend can be used", "not implemented in this build");
    }

    @Test
    void wishesAreParsedStrictly() {
        assertEquals(BackendWish.AUTO, BackendWish.parse("auto"));
        assertEquals(new BackendWish.Named("cuda", -1), BackendWish.parse("cuda"));
        assertEquals(new BackendWish.Named("my-npu", 12), BackendWish.parse("my-npu:12"));
        for (String bad : List.of("", "cuda:", ":1", "cuda:-1", "cuda:x", "CUDA", "cuda:99999999999", "a b")) {
            assertThrows(HengException.class, () -> BackendWish.parse(bad), bad);
        }
    }

    @Test
    void scanStopsAtAnIteratorThatIsStuck() {
        Iterator<BackendProvider> stuck = new Iterator<>() {
            @Override
            public boolean hasNext() {
                throw new NoClassDefFoundError("plug/Again");
            }

            @Override
            public BackendProvider next() {
                throw new NoClassDefFoundError("plug/Again");
            }
        };
        ProviderScan scan = ProviderScan.of(stuck, ServicesFiles.of(ClassLoader.getPlatformClassLoader()), false);
        assertEquals(ProviderScan.MAX_CONSECUTIVE_FAILURES + 1, scan.rejected().size());
        assertSays(scan.rejected().getLast().reason(), "search stopped");
    }

    @Test
    void pluginsSeeTheirOwnClassesFirstAndTheContractOnly() throws IOException {
        String members = """
                @Override public Availability probe() {
                    boolean context = Thread.currentThread().getContextClassLoader() == getClass().getClassLoader();
                    boolean runtime = true;
                    try { Class.forName("dev.heng.runtime.HengException"); } catch (ClassNotFoundException e) { runtime = false; }
                    return new Availability.Unavailable(Availability.Reason.OTHER,
                            lib.Version.text() + ", context " + context + ", sees runtime " + runtime, "none");
                }
                """;
        Path plugins = folder.resolve("plugins");
        for (String version : List.of("1", "2")) {
            make().source(
                            "lib.Version",
                            "package lib; public class Version {" + " public static String text() { return \"library "
                                    + version + "\"; } }")
                    // A copy of the contract inside the jar must not become a second contract.
                    .source(
                            "dev.heng.spi.Spi",
                            "package dev.heng.spi; public final class Spi {"
                                    + " public static final String VERSION = \"1.0\"; }")
                    .provider("Plugin", "plugin-" + version, "Spi.VERSION", "", members)
                    .write(plugins.resolve("p" + version).resolve("plugin.jar"));
        }
        Files.createDirectories(plugins.resolve("empty"));
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        BackendRegistry registry = BackendRegistry.discover(ClassLoader.getPlatformClassLoader(), List.of(plugins));
        List<Verdict> verdicts = registry.verdicts();
        assertEquals(2, verdicts.size(), verdicts.toString());
        for (int i = 0; i < 2; i++) {
            Verdict.Unusable verdict = assertInstanceOf(Verdict.Unusable.class, verdicts.get(i));
            assertEquals(
                    "library " + (i + 1) + ", context true, sees runtime false",
                    verdict.why().detail());
            assertSays(verdict.candidate().origin(), "p" + (i + 1));
        }
        assertEquals(before, Thread.currentThread().getContextClassLoader());
    }

    @Test
    void pluginPathThatIsNoneIsOneClearError() throws IOException {
        HengException missing =
                assertThrows(HengException.class, () -> BackendRegistry.discover(List.of(folder.resolve("nowhere"))));
        assertSays(missing.getMessage(), "nowhere", "does not exist");
        Path loose = Files.createDirectories(folder.resolve("loose"));
        make().good("Good", "good").write(loose.resolve("good.jar"));
        HengException jars = assertThrows(HengException.class, () -> BackendRegistry.discover(List.of(loose)));
        assertSays(jars.getMessage(), "holds no plug-in", "jars itself");
        Path file = Files.writeString(folder.resolve("file"), "");
        assertThrows(HengException.class, () -> BackendRegistry.discover(List.of(file)));
    }

    @Test
    void pluginWithoutProviderIsReported() throws IOException {
        Path plugins = folder.resolve("plugins");
        make().write(plugins.resolve("library").resolve("library.jar"));
        BackendRegistry registry = BackendRegistry.discover(ClassLoader.getPlatformClassLoader(), List.of(plugins));
        Verdict.Rejected rejected =
                assertInstanceOf(Verdict.Rejected.class, registry.verdicts().getFirst());
        assertSays(rejected.reason(), "lists a provider");
    }
}
