package dev.heng.cli;

import dev.heng.runtime.generate.Generation;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What a run tells on standard error besides its text. */
final class Statistics {

    private final Streams streams;
    private final boolean quiet;
    private String report = "";
    private @Nullable Duration firstText;

    Statistics(Streams streams, boolean quiet) {
        this.streams = streams;
        this.quiet = quiet;
    }

    /** Remembers what was chosen; it is told before the first text, and not before an error. */
    void loaded(String choice) {
        report = choice;
    }

    /** Tells what was chosen, once. */
    void tellChoice() {
        if (!quiet && !report.isEmpty()) {
            streams.err().println(report);
        }
        report = "";
    }

    /** Writes a piece of the text and remembers when the first one was out. */
    void piece(Runnable write) {
        tellChoice();
        write.run();
        if (firstText == null) {
            firstText = sinceStart();
        }
    }

    /** Tells how it went. */
    void finished(Generation generation) {
        tellChoice();
        if (quiet) {
            return;
        }
        Duration first = firstText;
        String start = first == null
                ? ""
                : String.format(Locale.ROOT, "; start to first text %.2f s", first.toMillis() / 1000.0);
        streams.err().println(generation.statistics() + start);
    }

    private static Duration sinceStart() {
        Instant now = Instant.now();
        return Duration.between(ProcessHandle.current().info().startInstant().orElse(now), now);
    }
}
