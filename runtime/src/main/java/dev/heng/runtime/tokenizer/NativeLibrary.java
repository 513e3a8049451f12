package dev.heng.runtime.tokenizer;

import static java.lang.classfile.ClassFile.ACC_FINAL;
import static java.lang.classfile.ClassFile.ACC_NATIVE;
import static java.lang.classfile.ClassFile.ACC_PUBLIC;
import static java.lang.classfile.ClassFile.ACC_STATIC;
import static java.lang.classfile.ClassFile.ACC_SUPER;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Loads the native tokenizer library out of its jar, and nothing else of that jar.
 *
 * <p>The jar's own Java classes find out about CUDA devices, keep a cache in the home directory, need a logging facade and may download. JNI
 * binds native methods by class and method name only, so a class with the expected name and nothing but native methods does: it is made here
 * from {@link TokenizersNative}, in a class loader of its own, where it cannot meet the jar's class of that name.
 *
 * <p>The library is copied to a fresh directory under {@code java.io.tmpdir}, loaded and deleted at once (on Windows at exit, since a loaded
 * library cannot be deleted there), so that nothing stays behind. {@code -Dheng.tokenizers.library=FILE} names a copy to load instead, for
 * systems whose temporary directory forbids execution.
 */
final class NativeLibrary {

    /** Names a copy of the native library to load instead of the one in the jar. */
    static final String LIBRARY_PROPERTY = "heng.tokenizers.library";

    /** The class whose name the library's symbols carry. */
    static final String JNI_CLASS = "ai.djl.huggingface.tokenizers.jni.TokenizersLibrary";

    private NativeLibrary() {}

    /** Returns the entry points; the first call loads the library. */
    static TokenizersNative entryPoints() {
        return Holder.ENTRY_POINTS;
    }

    private static final class Holder {
        static final TokenizersNative ENTRY_POINTS = load();
    }

    private static TokenizersNative load() {
        String given = System.getProperty(LIBRARY_PROPERTY);
        if (given != null) {
            return bind(
                    Path.of(given).toAbsolutePath(),
                    "pass an existing native tokenizer library in " + LIBRARY_PROPERTY);
        }
        Platform platform = Platform.current();
        Path directory = null;
        try {
            directory = Files.createTempDirectory("heng-tokenizers-");
            for (String file : platform.files()) {
                copyFromJar(platform.resource(file), directory.resolve(file));
            }
            return bind(
                    directory.resolve(platform.files().getLast()),
                    "allow execution in " + directory.getParent()
                            + ", set -Djava.io.tmpdir to a directory that allows it, or unpack "
                            + "the library and pass -D" + LIBRARY_PROPERTY + "=FILE");
        } catch (IOException failure) {
            throw new HengException(
                    "the native tokenizer library cannot be unpacked to " + System.getProperty("java.io.tmpdir") + ": "
                            + failure.getMessage(),
                    "free 16 MB there or set -Djava.io.tmpdir to a writable directory",
                    failure);
        } finally {
            if (directory != null) {
                delete(directory);
            }
        }
    }

    private static void copyFromJar(String resource, Path target) throws IOException {
        try (InputStream in = NativeLibrary.class.getClassLoader().getResourceAsStream(resource)) {
            if (in == null) {
                throw new HengException(
                        "the native tokenizer library " + resource + " is not on the class path",
                        "put ai.djl.huggingface:tokenizers beside heng-runtime, or pass -D" + LIBRARY_PROPERTY
                                + "=FILE");
            }
            Files.copy(in, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    static TokenizersNative bind(Path library, String remedy) {
        byte[] classFile = classFile(library);
        try {
            return (TokenizersNative) new BindingLoader(NativeLibrary.class.getClassLoader())
                    .define(classFile)
                    .getDeclaredConstructor()
                    .newInstance();
        } catch (LinkageError failure) {
            throw new HengException(
                    "the native tokenizer library " + library + " cannot be loaded: " + failure.getMessage(),
                    remedy,
                    failure);
        } catch (ReflectiveOperationException failure) {
            throw new IllegalStateException(
                    "the generated class of the native tokenizer library cannot be made", failure);
        }
    }

    /** Makes the class: loads the library when initialized, and implements every entry point as a native method. */
    private static byte[] classFile(Path library) {
        MethodTypeDesc loadType = MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_String);
        return ClassFile.of().build(ClassDesc.of(JNI_CLASS), type -> {
            type.withFlags(ACC_PUBLIC | ACC_FINAL | ACC_SUPER)
                    .withInterfaceSymbols(ClassDesc.of(TokenizersNative.class.getName()));
            type.withMethodBody(
                    ConstantDescs.CLASS_INIT_NAME,
                    ConstantDescs.MTD_void,
                    ACC_STATIC,
                    code -> code.ldc(library.toString())
                            .invokestatic(ClassDesc.of(System.class.getName()), "load", loadType)
                            .return_());
            type.withMethodBody(
                    ConstantDescs.INIT_NAME,
                    ConstantDescs.MTD_void,
                    ACC_PUBLIC,
                    code -> code.aload(0)
                            .invokespecial(ConstantDescs.CD_Object, ConstantDescs.INIT_NAME, ConstantDescs.MTD_void)
                            .return_());
            for (Method entryPoint : TokenizersNative.class.getMethods()) {
                MethodTypeDesc methodType = MethodType.methodType(
                                entryPoint.getReturnType(), entryPoint.getParameterTypes())
                        .describeConstable()
                        .orElseThrow();
                type.withMethod(entryPoint.getName(), methodType, ACC_PUBLIC | ACC_NATIVE, _ -> {});
            }
        });
    }

    private static void delete(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : Stream.concat(files, Stream.of(directory)).toList()) {
                if (!file.toFile().delete()) {
                    file.toFile().deleteOnExit();
                }
            }
        } catch (IOException _) {
            directory.toFile().deleteOnExit();
        }
    }

    private static final class BindingLoader extends ClassLoader {
        BindingLoader(ClassLoader parent) {
            super("heng-tokenizers", parent);
        }

        Class<?> define(byte[] classFile) {
            return defineClass(JNI_CLASS, classFile, 0, classFile.length);
        }
    }

    /** A platform the jar carries a library for; the last file is the one to load, the others stand beside it. */
    private record Platform(String name, List<String> files) {

        static Platform current() {
            String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
            String machine = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
            boolean arm = machine.equals("aarch64");
            boolean x86 = machine.equals("amd64") || machine.equals("x86_64");
            if (system.startsWith("linux") && (arm || x86)) {
                return new Platform(arm ? "linux-aarch64" : "linux-x86_64", List.of("libtokenizers.so"));
            }
            if (system.startsWith("mac") && arm) {
                return new Platform("osx-aarch64", List.of("libtokenizers.dylib"));
            }
            if (system.startsWith("windows") && x86) {
                return new Platform(
                        "win-x86_64",
                        List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", "tokenizers.dll"));
            }
            throw new HengException(
                    "there is no native tokenizer library for " + system + " on " + machine,
                    "use linux on x86_64 or aarch64, macOS on aarch64 or Windows on x86_64, or build the library and pass -D"
                            + LIBRARY_PROPERTY + "=FILE");
        }

        String resource(String file) {
            return "native/lib/" + name + "/cpu/" + file;
        }
    }
}
