package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.device.AclRuntime.CopyKind;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Device memory that lasts for one run, and what the host sends along with a run.
 *
 * <p>All work is on one stream in order, so memory of an earlier run may be given out again at once: whatever uses it comes later. The same demands in the same order
 * get the same addresses, which is what lets a run be recorded and replayed. Host data goes through pinned memory, which is reused only after the stream was waited for.
 *
 * <p>Threading: one thread at a time, with the device set in it.
 */
public final class Stage implements AutoCloseable {

    private static final long CHUNK = 1L << 22;
    private static final long STAGING = 1L << 20;
    private static final long ALIGNMENT = 64;

    private record Chunk(long address, long bytes) {}

    /** Something that a run sends along, to be sent anew with each replay. */
    record Parameter(long address, long bytes, HostInputs.Filler filler) {}

    /** Memory that is given out piece by piece and taken back as a whole. */
    private final class Pieces {
        private final List<Chunk> chunks = new ArrayList<>();
        private int current;
        private long used;

        void begin() {
            current = 0;
            used = 0;
        }

        long reserve(long bytes) {
            long rounded = rounded(bytes);
            while (current < chunks.size()
                    && used + rounded > chunks.get(current).bytes()) {
                current++;
                used = 0;
            }
            if (current == chunks.size()) {
                long size = Math.max(CHUNK, rounded);
                chunks.add(new Chunk(runtime.allocate(size), size));
            }
            long address = chunks.get(current).address() + used;
            used += rounded;
            return address;
        }

        void free() {
            chunks.forEach(chunk -> runtime.free(chunk.address()));
            chunks.clear();
            begin();
        }
    }

    private final AclRuntime runtime;
    private final long stream;
    private final Pieces temporaries = new Pieces();
    private final Pieces parameters = new Pieces();
    private final Map<Object, TensorView> shared = new HashMap<>();
    private List<Parameter> sent = new ArrayList<>();
    private List<HostInputs.Check> checks = new ArrayList<>();
    private List<HostInputs.Tail> tails = new ArrayList<>();
    private HostInputs inputs = _ -> new int[0];
    private MemorySegment staging = MemorySegment.NULL;
    private long staged;

    /** Makes an empty stage on a stream. */
    public Stage(AclRuntime runtime, long stream) {
        this.runtime = runtime;
        this.stream = stream;
    }

    /**
     * Gives everything out anew.
     *
     * @param newInputs the integers of the run that begins
     */
    public void begin(HostInputs newInputs) {
        temporaries.begin();
        parameters.begin();
        shared.clear();
        sent = new ArrayList<>();
        checks = new ArrayList<>();
        tails = new ArrayList<>();
        inputs = newInputs;
    }

    /** Says that a recorded run is replayed: its memory is in use again, with other integers. */
    void replay(HostInputs newInputs) {
        inputs = newInputs;
    }

    /** Returns the integers of this run. */
    public HostInputs inputs() {
        return inputs;
    }

    List<Parameter> sent() {
        return sent;
    }

    List<HostInputs.Check> checks() {
        return checks;
    }

    /** Returns uninitialised device memory that lasts until the next {@link #begin}. */
    public TensorView temporary(DType dtype, long... dims) {
        return TensorView.dense(dtype, temporaries.reserve(bytes(dtype, dims)), dims);
    }

    private static long bytes(DType dtype, long... dims) {
        long elements = 1;
        for (long dim : dims) {
            elements = Math.multiplyExact(elements, dim);
        }
        return Math.max(1, dtype.bytes(elements));
    }

    List<HostInputs.Tail> tails() {
        return tails;
    }

    /** Does something on the host now, and after everything of a replay was queued. Nothing of the run may depend on it. */
    public void tail(HostInputs.Tail tail) {
        tail.run(inputs);
        tails.add(tail);
    }

    /** Looks at this run's integers now, and at those of every replay of it. */
    public void check(HostInputs.Check check) {
        check.check(inputs);
        checks.add(check);
    }

    /**
     * Sends along what the host works out of this run's integers, and with a replay what it works out of that one's.
     *
     * @param key whoever asks with an equal key in the same run gets the same memory
     * @return where it will be
     */
    public TensorView parameter(Object key, DType dtype, HostInputs.Filler filler, long... dims) {
        TensorView known = shared.get(key);
        if (known != null) {
            return known;
        }
        long bytes = bytes(dtype, dims);
        TensorView target = TensorView.dense(dtype, parameters.reserve(bytes), dims);
        Parameter parameter = new Parameter(target.address(), bytes, filler);
        send(List.of(parameter), inputs);
        sent.add(parameter);
        shared.put(key, target);
        return target;
    }

    /** Sends parameters, neighbours in one copy. */
    void send(List<Parameter> all, HostInputs of) {
        for (int from = 0; from < all.size(); ) {
            int to = from + 1;
            long end = all.get(from).address() + rounded(all.get(from).bytes());
            while (to < all.size() && all.get(to).address() == end) {
                end += rounded(all.get(to).bytes());
                to++;
            }
            long address = all.get(from).address();
            long bytes = all.get(to - 1).address() + all.get(to - 1).bytes() - address;
            MemorySegment pinned = pinned(bytes);
            for (Parameter parameter : all.subList(from, to)) {
                parameter.filler().fill(of, pinned.asSlice(parameter.address() - address, parameter.bytes()));
            }
            runtime.copyAsync(address, pinned.address(), bytes, CopyKind.HOST_TO_DEVICE, stream);
            staged += rounded(bytes);
            from = to;
        }
    }

    /** Sends integers along that do not depend on the run; returns where they will be. */
    public TensorView constant(int[] values, long... dims) {
        return parameter(
                new Object(),
                DType.I32,
                (_, target) -> MemorySegment.copy(values, 0, target, ValueLayout.JAVA_INT, 0, values.length),
                dims);
    }

    /** Copies host bytes into device memory; when it returns, {@code source} may be reused. */
    public void write(MemorySegment source, long address) {
        for (long done = 0; done < source.byteSize(); ) {
            long piece = Math.min(STAGING, source.byteSize() - done);
            MemorySegment pinned = pinned(piece);
            MemorySegment.copy(source, done, pinned, 0, piece);
            runtime.copyAsync(address + done, pinned.address(), piece, CopyKind.HOST_TO_DEVICE, stream);
            staged += rounded(piece);
            done += piece;
        }
    }

    /** Waits for the stream and copies device memory out. */
    public void read(long address, MemorySegment target) {
        for (long done = 0; done < target.byteSize(); ) {
            long piece = Math.min(STAGING, target.byteSize() - done);
            MemorySegment pinned = pinned(piece);
            runtime.copyAsync(pinned.address(), address + done, piece, CopyKind.DEVICE_TO_HOST, stream);
            runtime.synchronise(stream);
            MemorySegment.copy(pinned, 0, target, done, piece);
            staged = 0;
            done += piece;
        }
        if (target.byteSize() == 0) {
            runtime.synchronise(stream);
        }
    }

    private static long rounded(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /** Returns pinned memory at the mark {@code staged}, waiting for the stream if what is left does not suffice. */
    @SuppressWarnings("restricted") // the size is what was just allocated
    private MemorySegment pinned(long bytes) {
        if (staged + bytes > staging.byteSize()) {
            runtime.synchronise(stream);
            staged = 0;
            if (bytes > staging.byteSize()) {
                freeStaging();
                long size = Math.max(STAGING, bytes);
                staging = MemorySegment.ofAddress(runtime.allocateHost(size)).reinterpret(size);
            }
        }
        return staging.asSlice(staged, bytes);
    }

    private void freeStaging() {
        if (staging.byteSize() > 0) {
            runtime.freeHost(staging.address());
            staging = MemorySegment.NULL;
        }
    }

    /** Waits for the stream and frees everything. */
    @Override
    public void close() {
        runtime.synchronise(stream);
        temporaries.free();
        parameters.free();
        freeStaging();
        staged = 0;
    }
}
