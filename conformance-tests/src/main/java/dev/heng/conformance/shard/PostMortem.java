package dev.heng.conformance.shard;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Says in one line how a child died: status or signal, the JVM's crash report, the end of what was printed. */
final class PostMortem {

    /** The JVM and the shell report death by signal N as status 128 + N. */
    private static final int SIGNAL_BASE = 128;

    private static final int LONGEST = 300;

    private static final long MOST_BYTES = 64 << 10;

    private PostMortem() {}

    /**
     * Describes a death.
     *
     * @param status the exit status
     * @param crashReport where the JVM was told to write, may be missing
     * @param printed standard output and error of the child
     */
    static String of(int status, Path crashReport, Path printed) {
        List<String> parts = new ArrayList<>();
        parts.add("the process ended with " + status(status));
        parts.addAll(crash(crashReport));
        String tail = tail(printed);
        if (!tail.isEmpty()) {
            parts.add("it printed: " + tail);
        }
        return String.join("; ", parts);
    }

    private static String status(int status) {
        String signal = switch (status - SIGNAL_BASE) {
            case 4 -> "SIGILL";
            case 6 -> "SIGABRT";
            case 7 -> "SIGBUS";
            case 8 -> "SIGFPE";
            case 9 -> "SIGKILL, sent from outside, as systems do when memory runs out";
            case 11 -> "SIGSEGV";
            case 13 -> "SIGPIPE";
            case 15 -> "SIGTERM";
            default -> "";
        };
        return "status " + status + (signal.isEmpty() ? "" : " (" + signal + ")");
    }

    /** Returns the line of the signal and the line of the problematic frame. */
    private static List<String> crash(Path report) {
        List<String> found = new ArrayList<>();
        List<String> lines = lines(report, false);
        for (int index = 0; index < Math.min(lines.size(), 40); index++) {
            String line = lines.get(index).replaceFirst("^#\\s*", "").strip();
            boolean cause = line.startsWith("SIG") || line.startsWith("EXCEPTION") || line.startsWith("Internal Error");
            if (cause && found.isEmpty()) {
                found.add(shortened(line));
            }
            if (line.startsWith("Problematic frame") && index + 1 < lines.size()) {
                found.add("at "
                        + shortened(
                                lines.get(index + 1).replaceFirst("^#\\s*", "").strip()));
            }
        }
        return found;
    }

    private static String tail(Path printed) {
        // The JVM's own announcement of a crash repeats what the report says.
        List<String> lines = lines(printed, true).stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                .toList();
        return shortened(String.join(" | ", lines.subList(Math.max(0, lines.size() - 3), lines.size())));
    }

    /** Returns the lines at the beginning of a file, or at its end: a backend may have printed for hours. */
    private static List<String> lines(Path file, boolean end) {
        if (!Files.exists(file)) {
            return List.of();
        }
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(channel.size(), MOST_BYTES));
            channel.position(end ? channel.size() - bytes.capacity() : 0);
            while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                // Reads until the buffer is full.
            }
            // What is no UTF-8 becomes U+FFFD.
            return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        } catch (IOException unreadable) {
            return List.of("(" + file.getFileName() + " cannot be read: " + unreadable.getMessage() + ")");
        }
    }

    private static String shortened(String text) {
        return text.length() <= LONGEST ? text : "..." + text.substring(text.length() - LONGEST);
    }
}
