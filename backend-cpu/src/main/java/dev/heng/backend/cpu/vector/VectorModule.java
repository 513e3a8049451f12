package dev.heng.backend.cpu.vector;

/** Whether this process was started with the Vector API, an incubator module that the JVM adds only when asked. */
public final class VectorModule {

    /** The module's name. */
    public static final String NAME = "jdk.incubator.vector";

    /** What the operator can do where it is absent. */
    public static final String REMEDY =
            "start Java with --add-modules " + NAME + " (for the command heng: in HENG_JAVA_OPTS)";

    private VectorModule() {}

    /** Returns whether the classes of this package can be used. */
    public static boolean isPresent() {
        return ModuleLayer.boot().findModule(NAME).isPresent();
    }
}
