package dev.heng.spi;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What is known of a device before it is opened.
 *
 * @param backend the provider's id
 * @param ordinal the device's number within the backend, from 0
 * @param name the vendor's name of the device
 * @param memoryBytes its memory in bytes, or -1 where it is not known before opening
 * @param simulated whether this is a simulator; then every report says so
 * @param facts anything else that a report should carry: driver and library versions, compute capability, paths; {@link #REMEDY}; copied
 * @since 1.0
 */
public record DeviceInfo(
        String backend, int ordinal, String name, long memoryBytes, boolean simulated, Map<String, String> facts) {

    /** The fact that says what the operator can do where this device is less than it could be; the report of a choice tells it. */
    public static final String REMEDY = "remedy";

    public DeviceInfo {
        facts = Collections.unmodifiableMap(new TreeMap<>(facts));
    }

    /** Returns {@code backend:ordinal}, the form that flags and messages use. */
    public String address() {
        return backend + ":" + ordinal;
    }
}
