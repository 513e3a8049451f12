package dev.heng.conformance.random;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A stream of random numbers that is a pure function of its name.
 *
 * <p>A stream is named by a case id, a 64-bit seed and the tensor it fills; {@link #split} names streams below a stream. The name
 * is hashed with SHA-256 into the key and the upper counter half of {@link Philox}; drawing advances the lower half. Uniform
 * numbers are integers scaled by powers of two, normal ones go through {@link StrictMath}, so that every JVM draws the same bits.
 *
 * <p>Not thread-safe: a stream belongs to one thread; splitting costs little, so every task takes its own.
 */
public final class RandomStream {

    private final long key;
    private final long counterHigh;
    private long counterLow;
    private final int[] words = new int[4];
    private int used = 4;
    private double spareNormal = Double.NaN;

    private RandomStream(long key, long counterHigh) {
        this.key = key;
        this.counterHigh = counterHigh;
    }

    /**
     * Returns the stream that fills {@code tensor} of case {@code caseId} under {@code seed}.
     *
     * @param caseId the case's id, as printed in reports
     * @param seed the seed, as printed in reports
     * @param tensor the tensor's name within the case
     */
    public static RandomStream of(String caseId, long seed, String tensor) {
        MessageDigest digest = sha256();
        // Lengths go in first, so that no two names run together.
        putString(digest, caseId);
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(seed).array());
        putString(digest, tensor);
        return fromHash(digest.digest());
    }

    /** Returns the stream named {@code name} below this one; it does not depend on what was drawn from this stream. */
    public RandomStream split(String name) {
        MessageDigest digest = sha256();
        digest.update(ByteBuffer.allocate(2 * Long.BYTES)
                .putLong(key)
                .putLong(counterHigh)
                .array());
        putString(digest, name);
        return fromHash(digest.digest());
    }

    /** Returns the stream numbered {@code index} below this one; it does not depend on what was drawn from this stream. */
    public RandomStream split(long index) {
        return split("#" + index);
    }

    /** Returns the next 32 random bits. */
    public int nextInt() {
        if (used == 4) {
            Philox.block(counterLow++, counterHigh, key, words);
            used = 0;
        }
        return words[used++];
    }

    /** Returns the next 64 random bits. */
    public long nextLong() {
        long high = (long) nextInt() << 32;
        return high | (nextInt() & 0xFFFFFFFFL);
    }

    /**
     * Returns an integer drawn uniformly from 0 to {@code bound - 1}, without bias.
     *
     * @param bound the number of outcomes, positive
     */
    public int nextInt(int bound) {
        if (bound <= 0) {
            throw new IllegalArgumentException("bound is " + bound + ", not a positive number of outcomes");
        }
        // Multiply-shift with rejection: Lemire, "Fast random integer generation in an interval", ACM TOMACS 2019.
        long product = (nextInt() & 0xFFFFFFFFL) * bound;
        if ((product & 0xFFFFFFFFL) < bound) {
            long threshold = (1L << 32) % bound;
            while ((product & 0xFFFFFFFFL) < threshold) {
                product = (nextInt() & 0xFFFFFFFFL) * bound;
            }
        }
        return (int) (product >>> 32);
    }

    /** Returns an integer drawn uniformly from {@code low} to {@code high}, both included. */
    public int between(int low, int high) {
        if (low > high) {
            throw new IllegalArgumentException("no integer lies between " + low + " and " + high);
        }
        return low + nextInt(Math.addExact(Math.subtractExact(high, low), 1));
    }

    /** Returns true or false with equal probability. */
    public boolean nextBoolean() {
        return nextInt() < 0;
    }

    /** Returns -1.0 or 1.0 with equal probability. */
    public double sign() {
        return nextBoolean() ? -1.0 : 1.0;
    }

    /** Returns a multiple of 2^-53 drawn uniformly from [0, 1). */
    public double uniform() {
        return (nextLong() >>> 11) * 0x1p-53;
    }

    /** Returns a multiple of 2^-53 drawn uniformly from [-1, 1). */
    public double signedUniform() {
        return 2 * uniform() - 1;
    }

    /** Returns a number of the standard normal distribution (Box and Muller's transform). */
    public double normal() {
        if (!Double.isNaN(spareNormal)) {
            double spare = spareNormal;
            spareNormal = Double.NaN;
            return spare;
        }
        // 1 - uniform lies in (0, 1], so that the logarithm is finite.
        double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - uniform()));
        double angle = 2 * StrictMath.PI * uniform();
        spareNormal = radius * StrictMath.sin(angle);
        return radius * StrictMath.cos(angle);
    }

    /** Returns a permutation of 0 .. {@code size - 1}, each equally likely (Fisher and Yates's shuffle). */
    public int[] permutation(int size) {
        int[] order = new int[size];
        for (int index = 0; index < size; index++) {
            int other = nextInt(index + 1);
            order[index] = order[other];
            order[other] = index;
        }
        return order;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java runtime lacks SHA-256, which every Java platform must have", e);
        }
    }

    private static void putString(MessageDigest digest, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
        digest.update(bytes);
    }

    private static RandomStream fromHash(byte[] hash) {
        ByteBuffer buffer = ByteBuffer.wrap(hash);
        return new RandomStream(buffer.getLong(), buffer.getLong());
    }
}
