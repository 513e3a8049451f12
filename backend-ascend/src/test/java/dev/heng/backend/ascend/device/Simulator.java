package dev.heng.backend.ascend.device;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;

/** The simulator's own levers and counters, which are not part of the vendor's interface. */
public final class Simulator {

    private final Function set;
    private final Function counter;
    private final Function executors;

    /** Reaches the simulator of a release. */
    public Simulator(Release release) {
        NativeLibrary library = NativeLibrary.getInstance(
                SimulatedCann.folder(release).resolve("libascendcl.so").toString());
        set = library.getFunction("heng_sim_set");
        counter = library.getFunction("heng_sim_counter");
        executors = library.getFunction("heng_sim_live_executors");
    }

    /** Sets one of the simulator's variables, and counts tasks and allocations from 0 again. */
    public void set(String name, String value) {
        set.invokeVoid(new Object[] {name, value});
    }

    /** Returns the executors that were neither consumed nor destroyed. */
    public long liveExecutors() {
        return executors.invokeLong(new Object[0]);
    }

    /** Returns a counter, -1 if there is none of this name. */
    public long counter(String name) {
        return counter.invokeLong(new Object[] {name});
    }
}
