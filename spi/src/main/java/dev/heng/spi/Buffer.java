package dev.heng.spi;

import java.lang.foreign.MemorySegment;

/**
 * Memory of a device.
 *
 * <p>Threading: as the backend's. Ownership: whoever allocated it closes it; the buffer must outlive every queued run that it was bound to
 * (closing waits for those).
 *
 * @since 1.0
 */
public interface Buffer extends AutoCloseable {

    /** Returns what was asked for. */
    BufferRequest request();

    /** Returns the usable size in bytes. */
    long sizeBytes();

    /**
     * Copies {@code source} into this buffer, in order with runs. When it returns, {@code source} may be reused.
     *
     * @param source the bytes
     * @param offsetBytes where the first byte goes
     * @throws IndexOutOfBoundsException if it does not fit
     */
    void write(MemorySegment source, long offsetBytes);

    /**
     * Waits for the work that writes this buffer and copies it out.
     *
     * @param offsetBytes the first byte
     * @param target is filled whole
     * @throws IndexOutOfBoundsException if the range is not within this buffer
     * @throws BackendException if queued work failed; the message names the node
     */
    void read(long offsetBytes, MemorySegment target);

    /** Sets every byte, in order with runs. */
    void fill(byte value);

    /** Releases the memory after the work that uses it. Idempotent. */
    @Override
    void close();
}
