package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.Stage;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What the units of one run work on: where values lie, and what the host knows of them. */
public final class Run {

    /** A dispatch as the operators that follow it take it: for each token and slot its row, and the rows of each expert. */
    record Routed(TensorView gather, TensorView counts) {}

    private final Basics basics;
    private final String device;
    private final WeightViews weights;
    private final Map<Value, TensorView> views = new HashMap<>();
    private final Map<Value, Routed> routed = new HashMap<>();
    private final Map<Value, TensorView> widened = new HashMap<>();

    /**
     * Begins a run without any values.
     *
     * @param device how messages call the device
     */
    public Run(Basics basics, String device, WeightViews weights) {
        this.basics = basics;
        this.device = device;
        this.weights = weights;
    }

    /** Says where a value lies in this run. */
    public void put(Value value, TensorView view) {
        views.put(value, view);
    }

    /** Returns where a value lies. */
    public TensorView view(Value value) {
        TensorView view = views.get(value);
        if (view == null) {
            throw new IllegalStateException("value '" + value.name() + "' has no memory in this run");
        }
        return view;
    }

    /** Returns an operand of a node: a value of the run, or a weight in the form that the node takes. */
    TensorView in(Node node, int operand) {
        Value value = node.operand(operand);
        return value.role() == Value.Role.WEIGHT ? weights.of(node, value).elements() : view(value);
    }

    /** Returns a weight in the form that a node takes. */
    DeviceWeight weight(Node node, int operand) {
        return weights.of(node, node.operand(operand));
    }

    TensorView out(Node node) {
        return view(node.result());
    }

    WeightViews weights() {
        return weights;
    }

    Basics basics() {
        return basics;
    }

    Operators operators() {
        return basics.operators();
    }

    Stage stage() {
        return basics.stage();
    }

    String device() {
        return device;
    }

    /** Says that the numbers of a value lie in F32 too. */
    void widened(Value value, TensorView wide) {
        widened.put(value, wide);
    }

    /** Returns an operand in F32: as it was left by whoever made it, or converted. */
    TensorView wide(Node node, int operand) {
        TensorView known = widened.get(node.operand(operand));
        return known == null ? basics.in(DType.F32, in(node, operand)) : known;
    }

    void route(Value of, Routed how) {
        routed.put(of, how);
    }

    /** Returns the dispatch that made an offsets or origins value, or null if that lies in memory as the graph says. */
    @Nullable
    Routed routed(Value value) {
        return routed.get(value);
    }

    /**
     * Returns an integer operand as the host knows it. One that a node of this run made is read back, which waits for the device and is different in every run: units that
     * do so are not repeatable.
     */
    int[] integers(Value value) {
        if (value.role() == Value.Role.INPUT) {
            return stage().inputs().integers(value);
        }
        int[] copy = new int[Math.toIntExact(view(value).elements())];
        stage().read(view(value).address(), MemorySegment.ofArray(copy));
        return copy;
    }

    /** Looks at an integer operand of this run, and of every replay if it is an input. */
    void check(Value value, HostInputs.Check check) {
        if (value.role() == Value.Role.INPUT) {
            stage().check(check);
        } else {
            int[] now = integers(value);
            check.check(new Known(now));
        }
    }

    /** Integers that were read back. */
    private record Known(Function<Value, int[]> known) implements HostInputs {
        Known(int[] values) {
            this(_ -> values);
        }

        @Override
        public int[] integers(Value value) {
            return known.apply(value);
        }
    }

    /** Requires every element to be within {@code from}..{@code to - 1}. */
    void requireRange(Node node, int operand, int from, long to) {
        Value value = node.operand(operand);
        check(value, inputs -> {
            long most = inputs.bound(value);
            if (from <= 0 && most >= 0 && most <= to) {
                return;
            }
            for (int element : inputs.integers(value)) {
                if (element < from || element >= to) {
                    throw invalid(
                            node, "'" + value.name() + "' holds " + element + ", not within " + from + ".." + (to - 1));
                }
            }
        });
    }

    BackendException invalid(Node node, String what) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA,
                device + ": node " + node.name() + ": " + what,
                "correct the data that the run was given");
    }
}
