package dev.heng.runtime.registry;

import dev.heng.spi.Spi;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A version of the contract between runtime and backends, {@code major.minor}.
 *
 * @param major differs between contracts that do not understand each other
 * @param minor grows with additions
 */
record SpiVersion(int major, int minor) {

    private static final Pattern FORM = Pattern.compile("(\\d{1,6})\\.(\\d{1,6})");

    /** Returns the runtime's own version. */
    static SpiVersion ofRuntime() {
        return parse(Spi.VERSION).orElseThrow();
    }

    /** Returns the version that {@code text} spells, or nothing if it spells none. */
    static Optional<SpiVersion> parse(String text) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        return Optional.of(new SpiVersion(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2))));
    }

    /**
     * Returns whether a runtime of this version can use a provider compiled against {@code provider}: the same major version, and a minor one
     * that is not newer. Strict equality would turn away every plug-in at every release.
     */
    boolean accepts(SpiVersion provider) {
        return provider.major == major && provider.minor <= minor;
    }

    @Override
    public String toString() {
        return major + "." + minor;
    }
}
