package dev.heng.conformance.shard;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import dev.heng.conformance.faulty.FaultyBackend;
import dev.heng.conformance.faulty.RunAccess;
import dev.heng.conformance.faulty.RunFault;
import dev.heng.conformance.run.Backends;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** The oracle with manners that end processes: each device has its own, shown when a run has one row. */
public final class MisbehavingProvider implements BackendProvider {

    enum Manner {
        /** Writes to address zero. */
        NULL_WRITE(0),
        /** Sends itself SIGKILL, as the system does when memory runs out. */
        KILLED(1),
        /** Never returns. */
        HANGS(2),
        /** Calls System.exit(0). */
        EXITS(3),
        /** Prints what looks like a protocol on standard output, and goes on. */
        NOISY(4),
        /** Dies when it is opened. */
        DIES_AT_OPEN(5);

        private final int device;

        Manner(int device) {
            this.device = device;
        }

        /** Returns how the command line names it. */
        String address() {
            return "misbehaving:" + device;
        }
    }

    @Override
    public String id() {
        return "misbehaving";
    }

    @Override
    public String spiVersion() {
        return Spi.VERSION;
    }

    @Override
    public String description() {
        return "The oracle with bad manners, for tests";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Availability probe() {
        List<DeviceInfo> devices = new ArrayList<>();
        for (Manner manner : Manner.values()) {
            devices.add(new DeviceInfo(id(), manner.device, manner.name(), -1, true, Map.of()));
        }
        return new Availability.Available(devices);
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        Manner manner = Manner.values()[device.ordinal()];
        if (manner == Manner.DIES_AT_OPEN) {
            Runtime.getRuntime().halt(42);
        }
        return new FaultyBackend(Backends.reference(), new RunFault("test/misbehaves", "For tests only.", "RUN-001") {
            @Override
            protected void beforeRun(RunAccess run) {
                if (run.input("a").shape()[0] == 1) {
                    show(manner);
                }
            }
        });
    }

    private static void show(Manner manner) {
        switch (manner) {
            case NULL_WRITE -> new Pointer(8).setInt(0, 1);
            case KILLED -> {
                Function kill = NativeLibrary.getInstance("c").getFunction("kill");
                kill.invokeInt(new Object[] {(int) ProcessHandle.current().pid(), 9});
            }
            case HANGS -> {
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
            case EXITS -> System.exit(0);
            case NOISY -> System.out.println("{\"kind\":\"RESULT\"}\nnoise \u0001");
            case DIES_AT_OPEN -> throw new IllegalStateException("it was opened");
        }
    }
}
