package dev.heng.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Command-line arguments as they were typed.
 *
 * <p>Java decodes arguments by the locale: under a POSIX locale every byte beyond ASCII is lost before main() begins. The launcher sets a UTF-8
 * locale; whoever starts the jar without it gets the bytes back from the kernel where there is /proc.
 */
final class Arguments {

    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    private Arguments() {}

    /** Returns {@code decoded}, read again as UTF-8 where the decoding lost something. */
    static String[] asTyped(String... decoded) {
        if (Arrays.stream(decoded).noneMatch(Arguments::isLossy) || !Files.isReadable(COMMAND_LINE)) {
            return decoded;
        }
        try {
            return last(decoded, Files.readAllBytes(COMMAND_LINE));
        } catch (IOException unreadable) {
            return decoded;
        }
    }

    private static boolean isLossy(String argument) {
        return argument.indexOf('\uFFFD') >= 0;
    }

    /** Returns the last arguments of {@code commandLine}, a sequence of byte strings that each end in NUL, in place of {@code decoded}. */
    static String[] last(String[] decoded, byte[] commandLine) {
        List<String> all = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < commandLine.length; i++) {
            if (commandLine[i] == 0) {
                all.add(new String(commandLine, start, i - start, StandardCharsets.UTF_8));
                start = i + 1;
            }
        }
        if (all.size() < decoded.length) {
            return decoded;
        }
        return all.subList(all.size() - decoded.length, all.size()).toArray(String[]::new);
    }
}
