package dev.heng.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Starts the executable jar of the conformance suite, which is {@code heng parity} and nothing else, for hosts without Maven. */
public final class ParityMain {

    private ParityMain() {}

    /** Runs {@code heng parity} with {@code arguments} and exits with its code. */
    public static void main(String[] arguments) {
        // Replay lines must say how this process is started.
        if (System.getProperty("heng.parity.command") == null) {
            System.setProperty("heng.parity.command", "java -jar heng-parity.jar");
        }
        List<String> all = new ArrayList<>(List.of("parity"));
        all.addAll(Arrays.asList(arguments));
        Main.main(all.toArray(String[]::new));
    }
}
