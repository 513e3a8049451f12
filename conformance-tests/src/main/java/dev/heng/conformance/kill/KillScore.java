package dev.heng.conformance.kill;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.run.BackendOpener;
import dev.heng.conformance.run.CaseExecutor;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.run.Shrinker;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import dev.heng.spi.Backend;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Plants every fault in a real backend and looks for it with the suite, until the first case finds it. The cases that can see a fault
 * come first: those of its operators that cite the broken rule, then the others of its operators, then the others that cite the
 * rule, then all the rest; the quickest of each group first.
 */
public final class KillScore {

    private final KillRequest request;
    private final RunRequest cases;
    private final BackendOpener real;
    private final BackendOpener oracle;
    private final Map<ConformanceCase, CaseResult> sound = new ConcurrentHashMap<>();

    private KillScore(KillRequest request, BackendOpener real, BackendOpener oracle) {
        this.request = request;
        this.cases = new RunRequest(
                request.backend(), Level.SMOKE, request.pattern(), request.seed(), RunRequest.DEFAULT_LIMIT);
        this.real = real;
        this.oracle = oracle;
    }

    /**
     * Looks for faults.
     *
     * @param suite the suite
     * @param faults the faults, in the order of the report
     * @param request which cases to look with
     * @param real opens the backend that faults are planted in
     * @param oracle opens the backend {@code reference}
     * @throws HengException if no case passes on the backend without a fault
     */
    public static KillReport run(
            Suite suite, List<Fault> faults, KillRequest request, BackendOpener real, BackendOpener oracle) {
        return new KillScore(request, real, oracle).run(suite, faults);
    }

    private KillReport run(Suite suite, List<Fault> faults) {
        long start = System.nanoTime();
        List<ConformanceCase> selected = cases.select(suite.cases());
        try (ExecutorService workers = Executors.newFixedThreadPool(request.workers())) {
            measure(selected, workers);
            if (sound.isEmpty()) {
                throw new HengException(
                        "no case passes on backend '" + request.backend() + "' without a fault",
                        "judge it first with 'heng parity --backend " + request.backend() + "'");
            }
            List<Future<Kill>> running = new ArrayList<>();
            for (Fault fault : faults) {
                running.add(workers.submit(() -> look(fault)));
            }
            List<Kill> kills = new ArrayList<>();
            for (Future<Kill> one : running) {
                kills.add(result(one));
            }
            long milliseconds = (System.nanoTime() - start) / 1_000_000;
            return new KillReport(request, kills, sound.size(), selected.size(), milliseconds);
        }
    }

    /** Runs all cases without a fault: what does not pass finds nothing, and what passes shows how long it takes. */
    private void measure(List<ConformanceCase> selected, ExecutorService workers) {
        List<Future<?>> parts = new ArrayList<>();
        for (int part = 0; part < request.workers(); part++) {
            int first = part;
            parts.add(workers.submit(() -> {
                try (Backend device = real.open();
                        Backend truth = oracle.open()) {
                    for (int index = first; index < selected.size(); index += request.workers()) {
                        ConformanceCase one = selected.get(index);
                        CaseResult result = CaseExecutor.execute(one, cases, device, truth, real);
                        if (result.state() == CaseState.PASS) {
                            sound.put(one, result);
                        }
                    }
                }
            }));
        }
        parts.forEach(KillScore::result);
    }

    private List<ConformanceCase> ordered(Fault fault) {
        Comparator<ConformanceCase> nearest = Comparator.comparingInt(one -> distance(fault, one));
        return sound.entrySet().stream()
                .sorted(Map.Entry.<ConformanceCase, CaseResult>comparingByKey(nearest)
                        .thenComparing(Map.Entry.comparingByValue(Comparator.comparingLong(CaseResult::milliseconds)))
                        .thenComparing(Map.Entry.comparingByKey(Comparator.comparing(ConformanceCase::id))))
                .map(Map.Entry::getKey)
                .toList();
    }

    private static int distance(Fault fault, ConformanceCase one) {
        boolean sameOperator = fault.ops().isEmpty() || fault.ops().contains(one.op());
        boolean sameRule = one.rules().contains(fault.rule());
        if (sameOperator && sameRule) {
            return 0;
        }
        if (fault.ops().isEmpty()) {
            return 3;
        }
        return sameOperator ? 1 : sameRule ? 2 : 3;
    }

    private Kill look(Fault fault) {
        long start = System.nanoTime();
        // A thread of its own, so that confined devices are legal and a fault that hangs is left behind with it.
        ExecutorService own = Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name("fault").factory());
        int tried = 0;
        @Nullable CaseResult killer = null;
        Attempt attempt = new Attempt(() -> fault.plant(real.open()));
        for (ConformanceCase one : ordered(fault)) {
            tried++;
            CaseResult result = within(own, one, attempt);
            if (result.state() != CaseState.PASS && result.state() != CaseState.DECLINED) {
                killer = result;
                break;
            }
        }
        if (killer != null && request.shrinking().isPositive()) {
            Attempt control = new Attempt(real);
            killer = Shrinker.one(killer, request.shrinking(), one -> smaller(own, one, attempt, control));
            own.execute(control::close);
        }
        own.execute(attempt::close);
        own.shutdown();
        long milliseconds = (System.nanoTime() - start) / 1_000_000;
        String replay =
                killer == null ? "" : request.replay(fault, killer.subject().id());
        return new Kill(fault, killer, tried, milliseconds, replay);
    }

    /** Runs a case in a smaller shape; only one that passes without the fault may find it. */
    private CaseResult smaller(ExecutorService own, ConformanceCase one, Attempt attempt, Attempt control) {
        CaseResult found = within(own, one, attempt);
        if (found.state() == CaseState.PASS) {
            return found;
        }
        CaseResult without = within(own, one, control);
        return without.state() == CaseState.PASS
                ? found
                : without.as(CaseState.UNTRUSTED, "does not pass without the fault: " + without.reason());
    }

    private CaseResult within(ExecutorService own, ConformanceCase one, Attempt attempt) {
        Future<CaseResult> running = own.submit(() -> attempt.execute(one));
        try {
            return running.get(cases.limit().toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException late) {
            return new CaseResult(
                    one,
                    CaseState.TIMEOUT,
                    "not done in time",
                    List.of(),
                    cases.limit().toMillis(),
                    cases.replay(one));
        } catch (ExecutionException failure) {
            String reason = "outside of any case: " + failure.getCause();
            return new CaseResult(one, CaseState.ERROR, reason, List.of(), 0, cases.replay(one));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return new CaseResult(one, CaseState.UNTESTED, "interrupted", List.of(), 0, cases.replay(one));
        }
    }

    /**
     * The backends of one fault, or of none for control; used by one thread only. A device is opened for each case, since a fault that
     * counts calls would show where the cases before have brought it, and not where the case alone does that replays it.
     */
    private final class Attempt {
        private final BackendOpener opener;
        private @Nullable Backend truth;

        Attempt(BackendOpener opener) {
            this.opener = opener;
        }

        CaseResult execute(ConformanceCase one) {
            Backend against = truth == null ? oracle.open() : truth;
            truth = against;
            Backend faulty = opener.open();
            try {
                return CaseExecutor.execute(one, cases, faulty, against, opener);
            } finally {
                release(faulty);
            }
        }

        private void close() {
            if (truth != null) {
                release(truth);
            }
        }

        private static void release(Backend device) {
            try {
                device.close();
            } catch (RuntimeException broken) {
                // A fault may leave buffers open or make a close throw; its verdict has been spoken, and nobody uses
                // the device again.
            }
        }
    }

    private static <T> T result(Future<T> running) {
        try {
            return running.get();
        } catch (ExecutionException failure) {
            throw new IllegalStateException("looking for faults failed", failure.getCause());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while looking for faults", interrupted);
        }
    }
}
