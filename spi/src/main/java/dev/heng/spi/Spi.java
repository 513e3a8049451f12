package dev.heng.spi;

/**
 * The version of this contract.
 *
 * @since 1.0
 */
public final class Spi {

    /**
     * The version, {@code major.minor}. A compile-time constant on purpose: javac copies it into every class that names it, so that
     * {@link BackendProvider#spiVersion()} reports what the provider was compiled against, not what it meets at run time. The runtime
     * accepts the same major version with a minor version that is not newer than its own.
     */
    public static final String VERSION = "1.0";

    private Spi() {}
}
