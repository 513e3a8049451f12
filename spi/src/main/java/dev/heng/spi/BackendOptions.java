package dev.heng.spi;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Settings of a backend or of a compilation, by name.
 *
 * @param settings names and values; copied
 * @since 1.0
 */
public record BackendOptions(Map<String, String> settings) {

    public BackendOptions {
        settings = Map.copyOf(settings);
    }

    /** Returns options without a setting. */
    public static BackendOptions none() {
        return new BackendOptions(Map.of());
    }

    /**
     * Refuses settings that are not among {@code known}.
     *
     * @throws BackendException with {@link BackendException.Code#INVALID_OPTION}, naming the setting and the known ones
     */
    public void requireKnown(String backend, Set<String> known) {
        for (String name : new TreeSet<>(settings.keySet())) {
            if (!known.contains(name)) {
                throw BackendException.of(
                        BackendException.Code.INVALID_OPTION,
                        "backend '" + backend + "' has no option '" + name + "'",
                        known.isEmpty()
                                ? "remove it: this backend has no options"
                                : "use one of " + new TreeSet<>(known));
            }
        }
    }
}
