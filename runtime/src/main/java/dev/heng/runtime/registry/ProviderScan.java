package dev.heng.runtime.registry;

import dev.heng.spi.BackendProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One pass of ServiceLoader over one class loader.
 *
 * <p>On JDK 25 a missing class, a failing static initialiser or a failing constructor surface as ServiceConfigurationError from next(), while a
 * missing superclass or a class file of a newer Java surface as a bare LinkageError from hasNext(). The iteration goes on after either, so both
 * calls are guarded, each on its own.
 *
 * @param accepted providers that were loaded and met, in order
 * @param rejected the others
 */
record ProviderScan(List<Candidate> accepted, List<Verdict.Rejected> rejected) {

    /** An iterator that fails this often in a row is stuck on one entry. */
    static final int MAX_CONSECUTIVE_FAILURES = 64;

    /** Scans what {@code loader} sees; {@code plugin} says whether that is a class loader of a plug-in's own. */
    static ProviderScan of(ClassLoader loader, boolean plugin) {
        return ContextClassLoader.call(
                loader,
                () -> of(
                        ServiceLoader.load(BackendProvider.class, loader).iterator(),
                        ServicesFiles.of(loader),
                        plugin));
    }

    static ProviderScan of(Iterator<BackendProvider> providers, ServicesFiles files, boolean plugin) {
        ProviderScan scan = new ProviderScan(new ArrayList<>(), new ArrayList<>());
        int failures = 0;
        while (failures < MAX_CONSECUTIVE_FAILURES) {
            try {
                if (!providers.hasNext()) {
                    return scan;
                }
            } catch (ServiceConfigurationError | LinkageError e) {
                failures++;
                scan.reject(e, files);
                continue;
            }
            BackendProvider provider;
            try {
                provider = providers.next();
            } catch (ServiceConfigurationError | LinkageError e) {
                failures++;
                scan.reject(e, files);
                continue;
            }
            failures = 0;
            scan.meet(provider, files, plugin);
        }
        scan.rejected.add(new Verdict.Rejected(
                null,
                "(the rest)",
                "the services files",
                null,
                MAX_CONSECUTIVE_FAILURES + " entries in a row could not be loaded, so the search stopped",
                "repair or remove the entries rejected before this one",
                null));
        return scan;
    }

    private void meet(BackendProvider provider, ServicesFiles files, boolean plugin) {
        String origin = files.attribute(provider.getClass());
        switch (Candidate.meet(provider, origin, plugin)) {
            case Candidate.Meeting.Accepted(Candidate candidate) -> accepted.add(candidate);
            case Candidate.Meeting.Refused(Verdict.Rejected verdict) -> rejected.add(verdict);
        }
    }

    private void reject(Error failure, ServicesFiles files) {
        Failures.rethrowIfFatal(failure);
        String name = providerName(failure, files);
        String origin = name == null ? "a services file" : files.attribute(name);
        // ServiceLoader's own message says more than the cause only where there is no cause: a class that is missing or
        // is not a provider.
        boolean loaderSpeaks = failure instanceof ServiceConfigurationError && failure.getCause() == null;
        String reason = loaderSpeaks
                ? String.valueOf(failure.getMessage())
                        .replaceFirst("^" + Pattern.quote(BackendProvider.class.getName()) + ": ", "")
                : "it could not be loaded: " + Failures.describe(failure);
        String remedy = loaderSpeaks
                ? "fix the entry in the services file of " + origin + ", or put the jar that holds the class beside it"
                : Failures.remedy(failure, origin);
        rejected.add(new Verdict.Rejected(
                null, name == null ? "(unnamed)" : name, origin, null, Failures.oneLine(reason), remedy, failure));
    }

    /** ServiceLoader's messages name the class in several forms; LinkageErrors name only what is missing. */
    private static @Nullable String providerName(Error failure, ServicesFiles files) {
        return failure instanceof ServiceConfigurationError
                ? files.listedNameIn(String.valueOf(failure.getMessage()))
                : files.firstThatDoesNotLink();
    }
}
