package dev.heng.runtime.registry;

import java.util.function.Supplier;

/**
 * Runs code with a class loader as the thread's context class loader: libraries inside a plug-in (ServiceLoader without a loader, JAXP, some
 * native loaders) look there, and would find the runtime's classes otherwise.
 */
final class ContextClassLoader {

    private ContextClassLoader() {}

    static <T> T call(ClassLoader loader, Supplier<T> code) {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            return code.get();
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    static void run(ClassLoader loader, Runnable code) {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            code.run();
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}
