package dev.heng.backend.ascend.device;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;

/** The simulator's own levers and counters, which are not part of the vendor's interface. */
final class Simulator {

    private final Function set;
    private final Function counter;

    Simulator(Release release) {
        NativeLibrary library = NativeLibrary.getInstance(
                SimulatedCann.folder(release).resolve("libascendcl.so").toString());
        set = library.getFunction("heng_sim_set");
        counter = library.getFunction("heng_sim_counter");
    }

    void set(String name, String value) {
        set.invokeVoid(new Object[] {name, value});
    }

    long counter(String name) {
        return counter.invokeLong(new Object[] {name});
    }
}
