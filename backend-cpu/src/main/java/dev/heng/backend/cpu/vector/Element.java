package dev.heng.backend.cpu.vector;

/** Element types of weights, scales, caches and results; instructions carry its place in this list. */
enum Element {
    F32(4),
    BF16(2),
    F16(2),
    E4M3(1),
    E8M0(1),
    I8(1),
    /** Codes of half a byte, in words of eight. */
    I4(1);

    private static final Element[] ALL = values();

    private final int bytes;

    Element(int bytes) {
        this.bytes = bytes;
    }

    /** Returns the bytes of one element; meaningless for {@link #I4}. */
    int bytes() {
        return bytes;
    }

    static Element of(long constant) {
        return ALL[Math.toIntExact(constant)];
    }

    /** Returns element {@code index} of an array of floats or scales of this type. */
    float real(long data, long index) {
        return switch (this) {
            case F32 -> Memory.f32(data + 4 * index);
            case BF16 -> Float.intBitsToFloat(Memory.i16(data + 2 * index) << 16);
            case F16 -> Float.float16ToFloat(Memory.i16(data + 2 * index));
            case E8M0 -> {
                int exponent = Memory.i8(data + index) & 0xff;
                yield exponent == 255 ? Float.NaN : Math.scalb(1f, exponent - 127);
            }
            case E4M3, I8, I4 -> throw new IllegalArgumentException(this + " is no type of scales");
        };
    }
}
