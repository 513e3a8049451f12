package dev.heng.backend.cuda.binding;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.io.File;

/** NVRTC's functions, the same in CUDA 12 and 13. All return an nvrtcResult. Pointers to results are addresses of host memory. Source: nvrtc.h. */
public final class Nvrtc {

    private static final String BUILTINS = "libnvrtc-builtins.so.";

    private Nvrtc() {}

    /**
     * Binds every function of this class. The library loads its builtins by name when it first compiles; where they lie beside it, and not on the loader's path, they are loaded
     * here, so that it finds them.
     *
     * @param name a path, or a name for the system's loader
     * @throws UnsatisfiedLinkError if the library or one of its functions is missing; the message names it
     */
    public static void register(String name) {
        File[] builtins =
                new File(name).getAbsoluteFile().getParentFile().listFiles((_, file) -> file.startsWith(BUILTINS));
        if (new File(name).isAbsolute() && builtins != null) {
            for (File file : builtins) {
                NativeLibrary.getInstance(file.getPath());
            }
        }
        Native.register(Nvrtc.class, NativeLibrary.getInstance(name));
    }

    public static native int nvrtcVersion(long major, long minor);

    public static native int nvrtcCreateProgram(
            long program, long source, long name, int headers, long headerTexts, long headerNames);

    public static native int nvrtcDestroyProgram(long program);

    public static native int nvrtcCompileProgram(long program, int options, long optionTexts);

    public static native int nvrtcGetProgramLogSize(long program, long bytes);

    public static native int nvrtcGetProgramLog(long program, long log);

    public static native int nvrtcGetCUBINSize(long program, long bytes);

    public static native int nvrtcGetCUBIN(long program, long code);
}
