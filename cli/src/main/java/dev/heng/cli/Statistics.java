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
    private @Nullable Duration firstText;

    Statistics(Streams streams, boolean quiet) {
        this.streams = streams;
        this.quiet = quiet;
    }

    /** Tells what was chosen. */
    void loaded(String report) {
        if (!quiet) {
            streams.err().println(report);
        }
    }

    /** Writes a piece of the text and remembers when the first one was out. */
    void piece(Runnable write) {
        write.run();
        if (firstText == null) {
            firstText = sinceStart();
        }
    }

    /** Tells how it went. */
    void finished(Generation generation) {
        if (!quiet) {
            Duration first = firstText;
            streams.err()
                    .println(generation.statistics()
                            + (first == null
                                    ? ""
                                    : String.format(
                                            Locale.ROOT, "; start to first text %.2f s", first.toMillis() / 1000.0)));
        }
    }

    private static Duration sinceStart() {
        Instant now = Instant.now();
        return Duration.between(ProcessHandle.current().info().startInstant().orElse(now), now);
    }
}
