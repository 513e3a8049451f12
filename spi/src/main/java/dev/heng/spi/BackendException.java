package dev.heng.spi;

import org.jspecify.annotations.Nullable;

/**
 * A failure of a backend, with everything an operator needs: what failed, where, what the vendor's library said, and what to do.
 *
 * @since 1.0
 */
public final class BackendException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Kinds of failure. */
    public enum Code {
        /** An allocation did not fit. The backend is still usable. */
        OUT_OF_MEMORY,
        /** A graph holds a node that the backend does not support. */
        DECLINED,
        /** An option has an unknown name or a bad value. */
        INVALID_OPTION,
        /** Data that a run read is out of range: a token id, an expert id, a page. */
        INVALID_DATA,
        /** The device is gone; nothing of this backend is usable any more. */
        DEVICE_LOST,
        /** The device did not answer in time. */
        TIMEOUT,
        /** A native library is missing, too old or broken. */
        LIBRARY,
        /** A native call failed otherwise. */
        NATIVE_FAILURE
    }

    private final Code code;
    private final String remedy;
    private final @Nullable String nativeFunction;
    private final long nativeStatus;
    private final @Nullable String device;

    private BackendException(
            Code code,
            String message,
            String remedy,
            @Nullable String nativeFunction,
            long nativeStatus,
            @Nullable String device,
            @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
        this.remedy = remedy;
        this.nativeFunction = nativeFunction;
        this.nativeStatus = nativeStatus;
        this.device = device;
    }

    /** Returns a failure that no native call is behind. */
    public static BackendException of(Code code, String message, String remedy) {
        return new BackendException(code, message, remedy, null, 0, null, null);
    }

    /** Returns a failure with a cause. */
    public static BackendException of(Code code, String message, String remedy, Throwable cause) {
        return new BackendException(code, message, remedy, null, 0, null, cause);
    }

    /**
     * Returns the failure of a native call.
     *
     * @param device {@link DeviceInfo#address()}
     * @param function the native function's own name
     * @param status what it returned
     * @param text what the library says about it
     */
    public static BackendException ofNative(
            Code code, String device, String function, long status, String text, String remedy) {
        return new BackendException(
                code,
                device + ": " + function + " returned " + status + ": " + text,
                remedy,
                function,
                status,
                device,
                null);
    }

    /** Returns the kind of failure. */
    public Code code() {
        return code;
    }

    /** Returns what the operator can do about it. */
    public String remedy() {
        return remedy;
    }

    /** Returns the native function that failed, or null. */
    public @Nullable String nativeFunction() {
        return nativeFunction;
    }

    /** Returns the native status; meaningful with a native function only. */
    public long nativeStatus() {
        return nativeStatus;
    }

    /** Returns the address of the device, or null where none is concerned. */
    public @Nullable String device() {
        return device;
    }
}
