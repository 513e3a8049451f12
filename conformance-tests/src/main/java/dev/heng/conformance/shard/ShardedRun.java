package dev.heng.conformance.shard;

import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.run.Shrinker;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.DeviceInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs cases one after another in child JVMs. A shard is a run of cases that share one; a death, a hang or the end of a shard's share
 * starts a fresh one at the next case.
 */
public final class ShardedRun {

    /** Cases of one JVM: few enough that leaks and left-over state of one case meet few others, and a start costs about a second. */
    static final int CASES_PER_SHARD = 250;

    /** How long a child may take to start and to open both backends. */
    private static final Duration TO_OPEN = Duration.ofMinutes(2);

    private final Suite suite;
    private final RunRequest request;
    private final ShardOrder order;
    private final int perShard;
    private final List<CaseResult> results = new ArrayList<>();
    private @Nullable ShardProcess shard;
    private int executed;
    private @Nullable DeviceInfo device;
    private String profile = "";
    private String obstacle = "";

    private ShardedRun(Suite suite, RunRequest request, List<Path> plugins, int perShard) {
        this.suite = suite;
        this.request = request;
        this.order = ShardOrder.of(request, plugins);
        this.perShard = perShard;
    }

    /**
     * Runs; the oracle is the backend {@code reference}.
     *
     * @param plugins plug-in paths in which the children look for backends, as the command line names them
     * @return what was found; never throws for what a backend does
     * @throws IOException if no child process can be started
     * @throws InterruptedException if the calling thread is interrupted; the child is killed
     */
    public static RunReport run(Suite suite, RunRequest request, List<Path> plugins)
            throws IOException, InterruptedException {
        return run(suite, request, plugins, CASES_PER_SHARD);
    }

    static RunReport run(Suite suite, RunRequest request, List<Path> plugins, int perShard)
            throws IOException, InterruptedException {
        return new ShardedRun(suite, request, plugins, perShard).run();
    }

    private RunReport run() throws IOException, InterruptedException {
        try {
            for (ConformanceCase one : request.select(suite.cases())) {
                results.add(execute(one));
            }
            // What the cases' last child says when it ends is about them: shrinking begins with a fresh one.
            dismiss();
            List<CaseResult> shrunk = Shrinker.all(List.copyOf(results), request.shrinking(), this::executeUnchecked);
            results.clear();
            results.addAll(shrunk);
            dismiss();
        } finally {
            abandon();
        }
        return RunReport.of(suite, request, device, profile, results, obstacle);
    }

    /** As {@link #execute}; what ends the run while shapes are shrunk leaves shapes as they are, and the reports whole. */
    private CaseResult executeUnchecked(ConformanceCase one) {
        try {
            return execute(one);
        } catch (IOException failure) {
            return result(one, CaseState.UNTESTED, "no process can be started: " + failure.getMessage(), 0);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return result(one, CaseState.UNTESTED, "interrupted", 0);
        }
    }

    /** Runs one case in the child that is there, or in a fresh one; UNTESTED once a child could not open the backends. */
    private CaseResult execute(ConformanceCase one) throws IOException, InterruptedException {
        if (executed == perShard) {
            dismiss();
        }
        ShardProcess current = shard;
        if (current == null && obstacle.isEmpty()) {
            current = ShardProcess.start(order);
            shard = current;
            obstacle = open(current);
        }
        if (current == null || !obstacle.isEmpty()) {
            return result(one, CaseState.UNTESTED, obstacle, 0);
        }
        executed++;
        return execute(current, one);
    }

    private CaseResult result(ConformanceCase one, CaseState state, String reason, long milliseconds) {
        return new CaseResult(one, state, reason, List.of(), milliseconds, request.replay(one));
    }

    /** Returns why the child could not open the backends, or nothing. */
    private String open(ShardProcess shard) throws InterruptedException {
        return switch (shard.await(TO_OPEN)) {
            case ShardProcess.Answer.Given(ShardReply reply) -> {
                if (reply.kind() == ShardReply.Kind.OPENED) {
                    device = reply.device();
                    profile = reply.profile();
                }
                yield reply.trouble();
            }
            case ShardProcess.Answer.Dead(String how) -> "cannot open the backend: " + how;
            case ShardProcess.Answer.Late() -> "cannot open the backend: not done within " + TO_OPEN.toSeconds() + " s";
        };
    }

    private CaseResult execute(ShardProcess current, ConformanceCase one) throws InterruptedException {
        long start = System.nanoTime();
        current.order(one.id());
        ShardProcess.Answer answer = current.await(request.limit());
        long milliseconds = (System.nanoTime() - start) / 1_000_000;
        return switch (answer) {
            case ShardProcess.Answer.Given(ShardReply reply) -> {
                ShardReply.Outcome outcome = reply.outcome();
                if (outcome == null || !outcome.id().equals(one.id())) {
                    throw new IllegalStateException("asked for " + one.id() + ", the child answered " + reply);
                }
                yield new CaseResult(
                        one,
                        outcome.state(),
                        outcome.reason(),
                        outcome.checks(),
                        outcome.milliseconds(),
                        outcome.replay());
            }
            case ShardProcess.Answer.Dead(String how) -> {
                abandon();
                yield result(one, CaseState.CRASH, how, milliseconds);
            }
            case ShardProcess.Answer.Late() -> {
                abandon();
                yield result(
                        one,
                        CaseState.TIMEOUT,
                        "not done within " + request.limit().toMillis() + " ms; the process was killed",
                        milliseconds);
            }
        };
    }

    /** Lets the child, if there is one, close its backends and end; trouble there is an error of the last case. */
    private void dismiss() throws InterruptedException {
        ShardProcess current = shard;
        if (current == null || !obstacle.isEmpty()) {
            return;
        }
        current.finish();
        String trouble = switch (current.await(request.limit())) {
            case ShardProcess.Answer.Given(ShardReply reply) ->
                reply.trouble().isEmpty() ? current.end() : reply.trouble();
            case ShardProcess.Answer.Dead(String how) -> "died while closing the backends: " + how;
            case ShardProcess.Answer.Late() ->
                "the backends were not closed within " + request.limit().toMillis() + " ms";
        };
        abandon();
        if (!trouble.isEmpty()) {
            CaseResult last = results.removeLast();
            results.add(last.as(CaseState.ERROR, "after its cases: " + trouble));
        }
    }

    /** Ends the child, if there is one. */
    private void abandon() {
        if (shard != null) {
            shard.close();
            shard = null;
        }
        executed = 0;
    }
}
