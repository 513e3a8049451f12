package dev.heng.runtime.registry;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.Enumeration;
import java.util.List;

/**
 * The class loader of one plug-in: its own jars first, then the platform. Of Heng it sees the contract alone, {@code dev.heng.spi}, so that a
 * plug-in brings the libraries and versions that it likes.
 *
 * <p>Native code is not isolated: what a plug-in loads with dlopen is the process's, and one library file cannot be loaded by two plug-ins
 * through System.load.
 */
final class PluginClassLoader extends URLClassLoader {

    private static final String CONTRACT = "dev.heng.spi.";

    private final ClassLoader contract;

    static {
        registerAsParallelCapable();
    }

    PluginClassLoader(String name, List<URL> jars, ClassLoader contract) {
        super(name, jars.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
        this.contract = contract;
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (name.startsWith(CONTRACT)) {
            // Even if the plug-in carries a copy of the contract: a second BackendProvider would be another type.
            return contract.loadClass(name);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            if (loaded == null && !name.startsWith("java.")) {
                try {
                    loaded = findClass(name);
                } catch (ClassNotFoundException notOurs) {
                    // The platform may have it; if not, it says so below.
                    loaded = null;
                }
            }
            if (loaded == null) {
                loaded = getParent().loadClass(name);
            }
            if (resolve) {
                resolveClass(loaded);
            }
            return loaded;
        }
    }

    @Override
    public URL getResource(String name) {
        URL own = findResource(name);
        return own == null ? super.getResource(name) : own;
    }

    @Override
    public Enumeration<URL> getResources(String name) throws IOException {
        // The platform's resources would come first; services that the platform lists are never ours.
        Enumeration<URL> own = findResources(name);
        return own.hasMoreElements() ? own : super.getResources(name);
    }
}
