package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.DeviceInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Runs cases one after another in this process, on a thread of their own, which opens the backends too, so that confined backends are
 * legal. A case that does not end is left behind with its thread, and the rest goes on with a fresh backend; a native crash ends everything,
 * which {@code dev.heng.conformance.shard} survives.
 */
public final class ParityRun {

    private final Suite suite;
    private final RunRequest request;
    private final BackendOpener device;
    private final BackendOpener oracle;
    private final List<CaseResult> results = new ArrayList<>();
    private @Nullable Worker worker;
    private @Nullable DeviceInfo info;
    private String profile = "";
    private String obstacle = "";

    private ParityRun(Suite suite, RunRequest request, BackendOpener device, BackendOpener oracle) {
        this.suite = suite;
        this.request = request;
        this.device = device;
        this.oracle = oracle;
    }

    /**
     * Runs.
     *
     * @param device opens the backend under test
     * @param oracle opens the backend {@code reference}
     * @return what was found; never throws for what a backend does
     */
    public static RunReport run(Suite suite, RunRequest request, BackendOpener device, BackendOpener oracle) {
        return new ParityRun(suite, request, device, oracle).run();
    }

    private RunReport run() {
        request.select(suite.cases()).forEach(one -> results.add(execute(one)));
        List<CaseResult> shrunk = Shrinker.all(List.copyOf(results), request.shrinking(), this::execute);
        results.clear();
        results.addAll(shrunk);
        dismiss();
        return RunReport.of(suite, request, info, profile, results, obstacle);
    }

    /** Runs one case on the worker that is there, or on a fresh one; UNTESTED once a worker could not open the backends. */
    private CaseResult execute(ConformanceCase one) {
        Worker current = worker;
        if (current == null && obstacle.isEmpty()) {
            current = new Worker();
            worker = current;
            obstacle = current.open();
        }
        if (current == null || !obstacle.isEmpty()) {
            return new CaseResult(one, CaseState.UNTESTED, obstacle, List.of(), 0, request.replay(one));
        }
        CaseResult result = current.execute(one);
        if (current.hung) {
            dismiss();
        }
        return result;
    }

    private void dismiss() {
        if (worker != null) {
            worker.close();
            worker = null;
        }
    }

    /** The thread that owns both backends. */
    private final class Worker {
        private final ExecutorService thread = Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name("parity").factory());
        private @Nullable Backend opened;
        private @Nullable Backend truth;
        private boolean hung;

        /** Returns why a backend cannot be opened, or nothing. */
        String open() {
            Answer<String> answer = call(() -> {
                try {
                    Backend backend = device.open();
                    opened = backend;
                    info = backend.device();
                    profile = backend.numerics().toString();
                    truth = oracle.open();
                    return "";
                } catch (BackendException failure) {
                    return "cannot open the backend: " + failure.getMessage() + " (" + failure.remedy() + ")";
                }
            });
            return answer.value() != null ? answer.value() : "cannot open the backend: " + answer.trouble();
        }

        CaseResult execute(ConformanceCase one) {
            Backend under = opened;
            Backend against = truth;
            if (under == null || against == null) {
                throw new IllegalStateException("a worker that did not open its backends");
            }
            Answer<CaseResult> answer = call(() -> CaseExecutor.execute(one, request, under, against, device));
            if (answer.value() != null) {
                return answer.value();
            }
            CaseState state = hung ? CaseState.TIMEOUT : CaseState.ERROR;
            long milliseconds = hung ? request.limit().toMillis() : 0;
            return new CaseResult(one, state, answer.trouble(), List.of(), milliseconds, request.replay(one));
        }

        private <T> Answer<T> call(Callable<T> work) {
            try {
                return new Answer<>(thread.submit(work).get(request.limit().toMillis(), TimeUnit.MILLISECONDS), "");
            } catch (TimeoutException late) {
                hung = true;
                return new Answer<>(null, "not done within " + request.limit().toMillis() + " ms");
            } catch (ExecutionException failure) {
                return new Answer<>(null, "" + failure.getCause());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                hung = true;
                return new Answer<>(null, "interrupted");
            }
        }

        /** Closes both backends, unless a case still holds the thread. */
        void close() {
            if (!hung) {
                Answer<String> closed = call(() -> {
                    List<Backend> both = new ArrayList<>();
                    if (truth != null) {
                        both.add(truth);
                    }
                    if (opened != null) {
                        both.add(opened);
                    }
                    both.forEach(Backend::close);
                    return "";
                });
                if (closed.value() == null && !results.isEmpty()) {
                    results.add(results.removeLast()
                            .as(
                                    CaseState.ERROR,
                                    "the backend could not be closed after its cases: " + closed.trouble()));
                }
            }
            thread.shutdownNow();
        }
    }

    /** What a call gave, or why it gave nothing. */
    private record Answer<T>(@Nullable T value, String trouble) {}
}
