package dev.heng.conformance.run;

import java.net.URI;
import java.time.LocalDate;

/**
 * A known failure that somebody signed for.
 *
 * @param id the case, in full
 * @param backend the id of the backend, for example {@code cuda}
 * @param library the fact of the device that carries the version, as reports list it, for example {@code driver}
 * @param versions the versions of that library for which this holds
 * @param issue where the failure is tracked
 * @param expires the last day on which this holds
 */
public record Waiver(String id, String backend, String library, VersionRange versions, URI issue, LocalDate expires) {

    public Waiver {
        if (id.isBlank() || id.contains("*")) {
            throw new IllegalArgumentException("a waiver names one case in full, not '" + id + "'");
        }
        if (backend.isBlank() || library.isBlank()) {
            throw new IllegalArgumentException("the waiver of " + id + " names no backend or no library");
        }
        if (!issue.isAbsolute()) {
            throw new IllegalArgumentException("the waiver of " + id + " has no issue link but '" + issue + "'");
        }
    }
}
