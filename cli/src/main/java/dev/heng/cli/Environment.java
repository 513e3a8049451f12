package dev.heng.cli;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What {@code doctor} looks at before it looks at backends. */
final class Environment {

    /**
     * One thing that was looked at.
     *
     * @param name what it is
     * @param value how it stands
     * @param problem whether Heng is worse off for it
     * @param remedy what to do then; empty where there is no problem
     */
    record Finding(String name, String value, boolean problem, String remedy) {
        static Finding fine(String name, String value) {
            return new Finding(name, value, false, "");
        }

        static Finding check(String name, String value, boolean good, String remedy) {
            return good ? fine(name, value) : new Finding(name, value, true, remedy);
        }
    }

    private Environment() {}

    static List<Finding> examine(Streams streams) {
        List<Finding> findings = new ArrayList<>();
        findings.add(Finding.fine("heng", new Version().getVersion()[0]));
        findings.add(Finding.check(
                "java",
                Runtime.version() + ", " + System.getProperty("java.vendor") + ", " + System.getProperty("java.home"),
                Runtime.version().feature() >= 25,
                "set HENG_JAVA_HOME to a Java 25 or newer"));
        String os = System.getProperty("os.name", "");
        String architecture = System.getProperty("os.arch", "");
        findings.add(Finding.check(
                "platform",
                os + " " + System.getProperty("os.version") + ", " + architecture,
                os.equals("Linux") && (architecture.equals("amd64") || architecture.equals("aarch64")),
                "Heng is tested on linux-x86_64 and built for linux-aarch64; elsewhere native parts may be missing"));
        findings.add(Finding.fine("processors", Runtime.getRuntime().availableProcessors() + " for this process"));
        findings.add(Finding.fine("memory", memory()));
        findings.add(Finding.check(
                "native access",
                Environment.class.getModule().isNativeAccessEnabled() ? "enabled" : "not enabled",
                Environment.class.getModule().isNativeAccessEnabled(),
                "start through ./heng, or pass --enable-native-access=ALL-UNNAMED to java"));
        findings.add(locale());
        findings.add(Finding.fine(
                "terminal",
                "input " + yes(streams.inputIsTerminal()) + ", output " + yes(streams.outputIsTerminal()) + ", error "
                        + yes(streams.errorIsTerminal()) + ", TERM="
                        + System.getenv().getOrDefault("TERM", "(unset)")));
        Path temporary = Path.of(System.getProperty("java.io.tmpdir", ""));
        findings.add(
                Finding.check(
                        "temporary folder",
                        temporary.toString(),
                        Files.isWritable(temporary),
                        "make it writable, or pass HENG_JAVA_OPTS=-Djava.io.tmpdir=FOLDER: native libraries are unpacked there"));
        return findings;
    }

    private static Finding locale() {
        String file = System.getProperty("sun.jnu.encoding", "unknown");
        boolean unicode = file.toUpperCase(Locale.ROOT).replace("-", "").equals("UTF8");
        return Finding.check(
                "locale",
                Locale.getDefault() + ", arguments and file names " + file + ", text " + Charset.defaultCharset()
                        + ", standard output UTF-8 always",
                unicode,
                "set LC_ALL=C.UTF-8 (./heng does so by itself): arguments and file names beyond " + file
                        + " may be unreadable");
    }

    private static String memory() {
        String heap = "heap up to " + mebibytes(Runtime.getRuntime().maxMemory()) + " MiB";
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean machine
                ? mebibytes(machine.getTotalMemorySize()) + " MiB, " + mebibytes(machine.getFreeMemorySize())
                        + " MiB free, " + heap
                : heap;
    }

    private static long mebibytes(long bytes) {
        return bytes >> 20;
    }

    private static String yes(boolean value) {
        return value ? "yes" : "no";
    }
}
