package dev.heng.backend.ascend;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.backend.ascend.device.AclRuntime;
import dev.heng.backend.ascend.device.Hccl;
import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.Stage;
import dev.heng.backend.ascend.lowering.Basics;
import dev.heng.backend.ascend.lowering.ChipTable;
import dev.heng.spi.BackendException;

/**
 * One opened device: its stream, on which everything happens in order, and the memory of the runs.
 *
 * <p>Threading: the runtime keeps a context for each thread, and both phases of an operator run in one; the backend is confined to the thread that opened it.
 */
final class AscendDevice implements AutoCloseable {

    private final CannLibraries libraries;
    private final AclRuntime runtime;
    private final int ordinal;
    private final String address;
    private final long stream;
    private final Operators operators;
    private final Stage stage;
    private final Basics basics;

    private final ChipTable chips;

    AscendDevice(CannLibraries libraries, int ordinal, String address, String socName) {
        this.chips = ChipTable.of(socName);
        this.libraries = libraries;
        this.runtime = new AclRuntime(libraries, address);
        this.ordinal = ordinal;
        this.address = address;
        runtime.initialise();
        runtime.setDevice(ordinal);
        this.stream = runtime.createStream();
        this.stage = new Stage(runtime, stream);
        this.operators = new Operators(libraries, runtime, address, stream, stage);
        this.basics = new Basics(operators, stage);
    }

    byte[] newGroupId() {
        return Hccl.rootInfo(libraries, runtime, address);
    }

    Hccl join(byte[] id, int rank, int size) {
        return Hccl.join(libraries, runtime, address, stream, id, rank, size);
    }

    ChipTable chips() {
        return chips;
    }

    AclRuntime runtime() {
        return runtime;
    }

    String address() {
        return address;
    }

    long stream() {
        return stream;
    }

    Operators operators() {
        return operators;
    }

    Stage stage() {
        return stage;
    }

    Basics basics() {
        return basics;
    }

    /**
     * Allocates device memory.
     *
     * @param what for the message
     */
    long allocate(String what, long bytes) {
        try {
            return runtime.allocate(Math.max(1, bytes));
        } catch (BackendException e) {
            if (e.code() != BackendException.Code.OUT_OF_MEMORY) {
                throw e;
            }
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    "no memory for " + what + ": " + e.getMessage(),
                    e.remedy(),
                    e);
        }
    }

    @Override
    public void close() {
        operators.close();
        stage.close();
        runtime.destroyStream(stream);
        runtime.resetDevice(ordinal);
    }
}
