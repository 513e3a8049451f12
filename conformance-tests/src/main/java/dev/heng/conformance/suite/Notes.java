package dev.heng.conformance.suite;

import dev.heng.spi.BackendException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Collects what was seen and what was wrong. */
final class Notes {
    final List<Check> checks = new ArrayList<>();
    final List<String> observed = new ArrayList<>();
    final List<String> breaches = new ArrayList<>();

    /** Notes whether {@code call} throws {@code wanted} with a message that names {@code name}. */
    void refuses(String what, Class<? extends RuntimeException> wanted, String name, Runnable call) {
        try {
            call.run();
            breaches.add(what + " was not refused");
        } catch (RuntimeException refused) {
            String text = refused.getClass().getSimpleName() + ": " + refused.getMessage();
            if (!wanted.isInstance(refused)) {
                breaches.add(what + " ended in " + text + ", not in " + wanted.getSimpleName());
            } else if (!text.contains(name)) {
                breaches.add(what + ": the message does not name '" + name + "': " + text);
            } else {
                observed.add(what + ": " + text);
            }
        }
    }

    /** Notes whether {@code call} throws a BackendException of {@code code} with a message that names {@code name}. */
    void refuses(String what, BackendException.Code code, String name, Runnable call) {
        try {
            call.run();
            breaches.add(what + " was not refused");
        } catch (BackendException refused) {
            if (refused.code() != code) {
                breaches.add(what + " ended in " + refused.code() + ", not in " + code);
            } else if (!String.valueOf(refused.getMessage()).contains(name)) {
                breaches.add(what + ": the message does not name '" + name + "': " + refused.getMessage());
            } else {
                observed.add(what + ": " + code);
            }
        }
    }

    /** Notes that the session still gives the right results. */
    void works(String when, Scenario scenario, Session session) {
        List<Map<String, HostTensor>> outputs = session.all();
        for (int step = 0; step < outputs.size(); step++) {
            checks.add(ContractExperiments.sum(when + ": y", scenario, step, outputs.get(step), "y"));
            checks.add(ContractExperiments.sum(when + ": z", scenario, step, outputs.get(step), "z"));
        }
    }

    Experiment.Finding finding() {
        return new Experiment.Finding(checks, breaches, observed, "");
    }
}
