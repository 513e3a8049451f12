package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.device.Operators.Handle;
import dev.heng.backend.ascend.device.Operators.Prepared;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A run of a program whose operators are kept: the first phases are done once, and a replay is one call for each operator, or one call for all of them where the library
 * can capture a stream's work.
 *
 * <p>What differs between replays: parameters, which are copied to where they were before; addresses of buffers that the caller bound, which repeatable executors take
 * anew ({@code aclSetTensorAddr}) and for which a graph of its own is captured; and host arrays. Those are frozen in a captured operator (vllm-project/vllm-ascend#4649),
 * so an operator with one is prepared anew for each replay, and within a graph is updated as a task group of its own, on the stream that runs the graph.
 * Sources: hicann/opbase@aa3cd74b7f6d src/nnopbase/common/api/acl_op_api.cpp; hicann/runtime@681ef7610df1 docs/zh/dev_guide/04-03_task_update.md.
 *
 * <p>Threading: as {@link Operators}. Ownership: closed before the device's memory goes.
 */
public final class Recording implements AutoCloseable {

    private static final int MOST_GRAPHS = 4;

    private sealed interface Step {}

    /** Kept: its executor is repeatable. */
    private record Kept(Prepared prepared) implements Step {}

    /** Prepared anew for each replay, because a host array changes or the operator's executor is not repeatable. */
    private record Anew(Prepared first, List<@Nullable Object> arguments, boolean changing) implements Step {}

    /** A captured graph and what it is bound to. */
    private record Graph(long handle, long workspace, List<Long> groups) {}

    /** A buffer of the caller that operators may read. */
    public record Bound(long address, long bytes) {
        boolean holds(TensorView view) {
            return view.address() >= address && view.address() < address + bytes;
        }
    }

    private final Operators operators;
    private final AclRuntime runtime;
    private final Stage stage;
    private final long stream;
    private final boolean capture;
    private final List<Step> steps = new ArrayList<>();
    private List<Stage.Parameter> parameters = List.of();
    private List<HostInputs.Check> checks = List.of();
    private List<HostInputs.Tail> tails = List.of();
    private final List<Bound> bound;
    private final List<Long> first;
    private boolean movable;
    private List<Long> addresses;
    private final Map<List<Long>, Graph> graphs = new LinkedHashMap<>();

    /**
     * Makes an empty recording.
     *
     * @param capture whether to capture the work where the library can
     * @param bound the caller's buffers that operators may read, in an order that stays
     */
    public Recording(
            Operators operators, AclRuntime runtime, Stage stage, long stream, boolean capture, List<Bound> bound) {
        this.operators = operators;
        this.runtime = runtime;
        this.stage = stage;
        this.stream = stream;
        this.capture = capture;
        this.bound = List.copyOf(bound);
        this.first = bound.stream().map(Bound::address).toList();
        this.addresses = first;
        this.movable = Set.copyOf(first).size() == first.size();
    }

    /** Runs {@code work} on the device and keeps its operators. */
    public void record(Runnable work) {
        operators.listen(this);
        try {
            work.run();
        } finally {
            operators.listen(null);
        }
        parameters = List.copyOf(stage.sent());
        checks = List.copyOf(stage.checks());
        tails = List.copyOf(stage.tails());
    }

    void add(Prepared prepared, @Nullable Object[] arguments) {
        boolean changing = false;
        for (Object argument : arguments) {
            changing |= argument instanceof HostInputs.Lengths;
            if (argument instanceof Operators.Listed(TensorView listed)) {
                movable &= bound.stream().noneMatch(buffer -> buffer.holds(listed));
            } else if (argument instanceof TensorView view) {
                movable &= bound.stream().noneMatch(buffer -> buffer.holds(view)) || first.contains(view.address());
            }
        }
        if (!changing && operators.repeatable(prepared)) {
            steps.add(new Kept(prepared));
            operators.launch(prepared, stream);
            return;
        }
        for (Handle handle : prepared.tensors()) {
            movable &= bound.stream().noneMatch(buffer -> buffer.holds(handle.view()));
        }
        steps.add(new Anew(prepared, copy(arguments), changing));
        operators.launch(prepared, stream);
    }

    private static List<@Nullable Object> copy(@Nullable Object[] arguments) {
        List<@Nullable Object> copy = new ArrayList<>();
        for (Object argument : arguments) {
            copy.add(argument);
        }
        return copy;
    }

    /** Returns the operators that a replay queues. */
    public int size() {
        return steps.size();
    }

    /** Answers whether it can be replayed with the caller's buffers at these addresses. */
    public boolean fits(List<Long> newAddresses) {
        return movable || newAddresses.equals(addresses);
    }

    /**
     * Queues the run once more.
     *
     * @param inputs the integers of this run
     * @param newAddresses of the caller's buffers, in the order of the constructor
     */
    public void replay(HostInputs inputs, List<Long> newAddresses) {
        checks.forEach(check -> check.check(inputs));
        stage.replay(inputs);
        stage.send(parameters, inputs);
        refresh(newAddresses);
        if (capture) {
            Graph graph = graph();
            update(graph);
            runtime.execute(graph.handle(), stream);
        } else {
            steps.forEach(step -> launch(step, stream));
        }
        tails.forEach(tail -> tail.run(inputs));
    }

    private void launch(Step step, long onto) {
        switch (step) {
            case Kept(Prepared prepared) -> operators.launch(prepared, onto);
            case Anew anew -> {
                Prepared prepared = operators.again(anew.first(), anew.arguments());
                try {
                    operators.launch(prepared, onto);
                } finally {
                    prepared.close();
                }
            }
        }
    }

    private void refresh(List<Long> newAddresses) {
        if (newAddresses.equals(addresses)) {
            return;
        }
        for (Step step : steps) {
            if (step instanceof Kept(Prepared prepared)) {
                for (Handle handle : prepared.tensors()) {
                    // What the executor was made with: refreshed handles keep their view.
                    int which = first.indexOf(handle.view().address());
                    if (which >= 0) {
                        operators.refresh(prepared, handle, newAddresses.get(which));
                    }
                }
            }
        }
        addresses = List.copyOf(newAddresses);
    }

    private Graph graph() {
        Graph known = graphs.get(addresses);
        if (known != null && known.workspace() == operators.workspace()) {
            return known;
        }
        if (known != null || graphs.size() == MOST_GRAPHS) {
            // A graph is destroyed when it is not running.
            runtime.synchronise(stream);
            graphs.values().forEach(graph -> runtime.destroyGraph(graph.handle()));
            graphs.clear();
        }
        Graph made = captured();
        graphs.put(addresses, made);
        return made;
    }

    private Graph captured() {
        List<Long> groups = new ArrayList<>();
        runtime.beginCapture(stream);
        boolean complete = false;
        long handle;
        try {
            for (Step step : steps) {
                if (step instanceof Anew anew && anew.changing()) {
                    runtime.beginTaskGroup(stream);
                    launch(step, stream);
                    groups.add(runtime.endTaskGroup(stream));
                } else {
                    launch(step, stream);
                }
            }
            complete = true;
        } finally {
            handle = runtime.endCapture(stream);
            if (!complete) {
                runtime.destroyGraph(handle);
            }
        }
        return new Graph(handle, operators.workspace(), groups);
    }

    /** Gives frozen host arrays their numbers of this run: on the graph's own stream, so after its last run and before its next. */
    private void update(Graph graph) {
        int at = 0;
        for (Step step : steps) {
            if (step instanceof Anew anew && anew.changing()) {
                runtime.beginTaskUpdate(stream, graph.groups().get(at));
                launch(step, stream);
                runtime.endTaskUpdate(stream);
                at++;
            }
        }
    }

    /** Waits for the stream and gives everything back. */
    @Override
    public void close() {
        runtime.synchronise(stream);
        graphs.values().forEach(graph -> runtime.destroyGraph(graph.handle()));
        graphs.clear();
        for (Step step : steps) {
            switch (step) {
                case Kept(Prepared prepared) -> {
                    operators.abandon(prepared.executor());
                    prepared.close();
                }
                case Anew anew -> anew.first().close();
            }
        }
        steps.clear();
    }
}
