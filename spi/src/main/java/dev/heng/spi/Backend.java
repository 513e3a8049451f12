package dev.heng.spi;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.util.List;

/**
 * One opened device.
 *
 * <p>Work is asynchronous and in order: writes, runs and fills take effect in the order of the calls, and {@link Buffer#read} waits for what it
 * reads. A device that computes at once meets this contract too.
 *
 * <p>Ownership: who allocates, opens or compiles closes. {@link #close} waits for queued work, is idempotent, and releases nothing that is
 * not yet closed: closing a backend before its buffers and programs is an error of the caller that the backend reports by throwing
 * {@link IllegalStateException} with their names. Use after close is an {@link IllegalStateException} that names the thing.
 *
 * <p>Threading: as {@link #threading()} declares.
 *
 * @since 1.0
 */
public interface Backend extends AutoCloseable {

    /** Returns the device, with facts that are known only once it is open. */
    DeviceInfo device();

    /** Returns how this device rounds; the conformance suite tries to refute it. */
    NumericsProfile numerics();

    /** Returns which threads may call. */
    Threading threading();

    /** Returns the memory of the device as it stands, for admission decisions and leak tests. */
    MemoryInfo memory();

    /**
     * Answers whether this device can execute {@code node} itself.
     *
     * <p>Declining is legal and reported. Throwing "unsupported" from {@link #compile} for a node that was supported under the same options is
     * a fault, and so is executing anywhere else than on this device.
     *
     * @param node a node of any graph; its operands carry the types
     * @param options the bounds under which it would be compiled
     */
    Support supports(Node node, CompileOptions options);

    /**
     * Allocates a buffer; the caller closes it. Fresh memory is not initialised.
     *
     * @throws BackendException with {@link BackendException.Code#OUT_OF_MEMORY} if it does not fit; the backend stays usable
     */
    Buffer allocate(BufferRequest request);

    /**
     * Compiles a graph: uploads its weights, may repack them, fuse chains, pick layouts and capture device graphs.
     *
     * @param graph every node of which is supported under {@code options}
     * @param weights the bytes of each weight; asked during this call only, and the segments stay valid until the program is closed
     * @param options bounds of the runs to come, and settings
     * @return a program that the caller closes
     * @throws BackendException with {@link BackendException.Code#DECLINED} naming the first node that is not supported, or
     *     {@link BackendException.Code#OUT_OF_MEMORY} after which nothing stays allocated and the backend is usable
     */
    Program compile(Graph graph, WeightSource weights, CompileOptions options);

    /**
     * Makes the id of a new group of devices, which the caller carries to all ranks; asked of rank 0's backend alone. The default implementation declines.
     *
     * @throws BackendException with {@link BackendException.Code#DECLINED} if this backend has no communication library
     */
    default byte[] newGroupId() {
        throw BackendException.of(
                BackendException.Code.DECLINED,
                "backend '" + device().backend() + "' cannot make a group of devices",
                "use a single device, or a backend with a communication library");
    }

    /**
     * Joins a group of devices, and returns when all of its ranks have. The default implementation declines.
     *
     * <p>Joining changes nothing about {@link #supports} and {@link #compile}: the runtime executes a graph's collectives through the communicator, between programs
     * of what lies between them.
     *
     * @param group the group and this device's place in it
     * @throws BackendException with {@link BackendException.Code#DECLINED} if this backend has no communication library
     */
    default Communicator join(Communicator.Group group) {
        throw BackendException.of(
                BackendException.Code.DECLINED,
                "backend '" + device().backend() + "' cannot join a group of " + group.size() + " ranks",
                "use a single device, or a backend with a communication library");
    }

    /**
     * Measures what this device does at most, now and with the threads or units that run programs: {@code heng bench} asks for it between measurements, because a
     * machine that is shared drifts. Takes about a second, and memory that is given back before it returns. Nothing is estimated: what cannot be measured, also for
     * lack of memory, is left out. The default implementation measures nothing.
     *
     * @return at most one of each kind
     * @throws BackendException if the device fails
     */
    default List<Ceiling> measureCeilings() {
        return List.of();
    }

    /** Waits for queued work and releases the device. Idempotent. */
    @Override
    void close();

    /** Which threads may call a backend and what it made. */
    enum Threading {
        /** Any thread at any time. */
        CONCURRENT,
        /** Any thread, one at a time. */
        SERIAL,
        /** Only the thread that opened it. */
        CONFINED
    }

    /**
     * Device memory in bytes.
     *
     * @param totalBytes all of it
     * @param freeBytes what can still be allocated, as far as the device can tell
     */
    record MemoryInfo(long totalBytes, long freeBytes) {}
}
