package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

/**
 * Random bytes to cut weights from: one pool for each kind of element, as large as the largest piece that is cut from it. Weights overlap in the pool and begin at places
 * of their own; a backend that copies them has all of them in full, and this process does not hold the model twice.
 *
 * <p>Threading: one thread announces; slices may be taken by several afterwards. Ownership: whoever made it closes it, after whatever uses the slices.
 */
final class NoisePools implements AutoCloseable {

    /** Weights begin at one of this many bytes' cache lines. */
    private static final long SLACK_BYTES = 4L << 20;

    private static final long LINE_BYTES = 64;

    private final Arena arena = Arena.ofShared();
    private final long seed;
    private final Map<Noise, Long> wanted = new EnumMap<>(Noise.class);
    private final Map<Noise, MemorySegment> pools = new EnumMap<>(Noise.class);

    NoisePools(long seed) {
        this.seed = seed;
    }

    /** Announces that a piece of {@code bytes} will be asked for. */
    void announce(Noise noise, long bytes) {
        wanted.merge(noise, bytes, Math::max);
    }

    /**
     * Fills the pools for everything that was announced.
     *
     * @throws HengException if they do not fit in memory
     */
    void generate() {
        long missing = 0;
        for (Map.Entry<Noise, Long> entry : wanted.entrySet()) {
            if (!pools.containsKey(entry.getKey())) {
                missing += size(entry.getValue());
            }
        }
        long available = ProcessMemory.available();
        if (available >= 0 && missing > available) {
            throw new HengException(
                    "the random numbers that weights are cut from take " + missing + " bytes, the size of the largest"
                            + " matrix of each format, and this machine has " + available + " available",
                    "use a smaller shape or format, or end what else takes memory");
        }
        wanted.forEach((noise, bytes) -> pools.computeIfAbsent(noise, _ -> {
            MemorySegment pool = arena.allocate(size(bytes), LINE_BYTES);
            noise.fill(pool, seed);
            return pool.asReadOnly();
        }));
    }

    private static long size(long bytes) {
        return Math.ceilDiv(bytes, LINE_BYTES) * LINE_BYTES + SLACK_BYTES;
    }

    /**
     * Returns a piece; the same name gives the same bytes.
     *
     * @param bytes no more than were announced
     */
    MemorySegment slice(Noise noise, long bytes, String name, int part) {
        MemorySegment pool = pools.get(noise);
        if (pool == null) {
            throw new IllegalStateException("no pool of " + noise + " was announced and generated");
        }
        long place = Noise.mix(name.hashCode() * 31L + part + seed);
        return pool.asSlice(Long.remainderUnsigned(place, SLACK_BYTES / LINE_BYTES) * LINE_BYTES, bytes);
    }

    /** Returns the bytes of all pools. */
    long bytes() {
        return pools.values().stream().mapToLong(MemorySegment::byteSize).sum();
    }

    @Override
    public void close() {
        arena.close();
    }
}
