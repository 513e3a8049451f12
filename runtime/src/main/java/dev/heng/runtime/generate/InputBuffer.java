package dev.heng.runtime.generate;

import dev.heng.spi.Buffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A small input of the device with its staging memory on the host. Bytes that the device has already are not sent again, so that a decoding step sends its position
 * and little else.
 */
final class InputBuffer implements AutoCloseable {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Buffer device;
    private final MemorySegment staged;
    private final MemorySegment sent;
    private long sentBytes;

    /**
     * Takes over a buffer.
     *
     * @param device is closed with this
     * @param bytes its size
     * @param arena where staging memory lives
     */
    InputBuffer(Buffer device, long bytes, Arena arena) {
        this.device = device;
        this.staged = arena.allocate(Math.max(1, bytes), Long.BYTES);
        this.sent = arena.allocate(Math.max(1, bytes), Long.BYTES);
    }

    Buffer device() {
        return device;
    }

    MemorySegment staged() {
        return staged;
    }

    void putInt(long index, int value) {
        staged.set(INT, index * Integer.BYTES, value);
    }

    void putLong(long index, long value) {
        staged.set(LONG, index * Long.BYTES, value);
    }

    void putFloat(long index, float value) {
        staged.set(FLOAT, index * Float.BYTES, value);
    }

    /** Sends the first {@code bytes} staged bytes unless the device has them. */
    void send(long bytes) {
        if (bytes <= sentBytes && MemorySegment.mismatch(staged, 0, bytes, sent, 0, bytes) < 0) {
            return;
        }
        if (bytes > 0) {
            device.write(staged.asSlice(0, bytes), 0);
            MemorySegment.copy(staged, 0, sent, 0, bytes);
            sentBytes = Math.max(sentBytes, bytes);
        }
    }

    @Override
    public void close() {
        device.close();
    }
}
