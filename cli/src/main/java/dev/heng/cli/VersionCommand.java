package dev.heng.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Prints the version. */
@Command(name = "version", description = "Show the versions of Heng, of its SPI and of Java.")
final class VersionCommand implements Runnable {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    VersionCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        streams.write(String.join("\n", new Version().getVersion()) + "\n");
    }
}
