package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.Recording;
import dev.heng.backend.ascend.lowering.History;
import dev.heng.backend.ascend.lowering.Unit;
import dev.heng.spi.Bindings;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Runs of one shape that come again are recorded the second time and replayed from then on: what a decoding step is. Prompts, whose shapes differ, are not.
 *
 * <p>Runs share a recording if they agree in the sizes of symbols, in the caches that they are bound to, and in how long a history unfused attention gathers. A run with
 * rows of padding is queued as it is. Sampled tokens are drawn on the host after all of a replay was queued, so a graph that goes on with them is not replayed.
 */
final class Replays implements AutoCloseable {

    /** Rows above which a run counts as a prompt. */
    private static final long MOST_ROWS = 64;

    private static final int MOST_RECORDINGS = 8;

    /** How operators are launched; each falls back to the one before it where a library cannot. */
    enum Launch {
        /** Both phases, operator by operator. */
        EAGER,
        /** The second phases of kept executors. */
        REPEATED,
        /** One captured graph. */
        CAPTURED
    }

    /**
     * What runs have in common that share a recording, and where this one's other buffers lie.
     *
     * @param key what they have in common
     * @param addresses of input buffers, in the order of the graph
     */
    record Shape(List<Object> key, List<Long> addresses) {}

    private final AscendDevice device;
    private final Graph graph;
    private final boolean enabled;
    private final boolean capture;
    /** Positions that appends and attention take, and whether a history as long as the largest is gathered. */
    private final Map<Value, Boolean> positions = new LinkedHashMap<>();

    private final Map<List<Object>, Recording> recordings = new LinkedHashMap<>();
    private final Set<List<Object>> seen = new HashSet<>();

    Replays(AscendDevice device, Graph graph, List<Unit> units, Launch launch) {
        this.device = device;
        this.graph = graph;
        this.enabled =
                launch != Launch.EAGER && units.stream().allMatch(Unit::isRepeatable) && !goesOnWithSampled(units);
        this.capture = launch == Launch.CAPTURED
                && device.runtime().canCapture()
                && device.runtime().canUpdateTasks();
        for (Unit unit : units) {
            for (Node node : unit.nodes()) {
                if (node.op() instanceof Op.KvAppend append) {
                    positions.merge(node.operand(1 + append.parts()), false, Boolean::logicalOr);
                } else if (node.op() instanceof Op.MlaAttention || node.op() instanceof Op.GroupedQueryAttention) {
                    positions.merge(node.operand(3), unit.gathersHistory(), Boolean::logicalOr);
                }
            }
        }
    }

    private static boolean goesOnWithSampled(List<Unit> units) {
        Set<Value> sampled = new HashSet<>();
        for (Unit unit : units) {
            unit.nodes().stream()
                    .filter(node -> node.op() instanceof Op.Sample)
                    .forEach(node -> sampled.addAll(node.results()));
        }
        return units.stream().anyMatch(unit -> unit.operands().stream().anyMatch(sampled::contains));
    }

    /** Returns the shape of a run that may be replayed, or null. */
    @Nullable
    Shape shape(Bindings bindings, HostInputs inputs) {
        if (!enabled || bindings.dims().values().stream().anyMatch(size -> size == 0)) {
            return null;
        }
        List<Object> key = new ArrayList<>();
        key.add(bindings.dims());
        for (Value state : graph.states()) {
            key.add(address(bindings, state.name()));
        }
        for (Map.Entry<Value, Boolean> entry : positions.entrySet()) {
            int[] rows = inputs.integers(entry.getKey());
            if (rows.length > MOST_ROWS || Arrays.stream(rows).anyMatch(position -> position < 0)) {
                return null;
            }
            if (entry.getValue()) {
                key.add(History.slots(Arrays.stream(rows).max().orElse(0)));
            }
        }
        List<Long> addresses = new ArrayList<>();
        for (Value input : graph.inputs()) {
            addresses.add(address(bindings, input.name()));
        }
        return new Shape(key, addresses);
    }

    private static long address(Bindings bindings, String name) {
        return ((AscendBuffer) bindings.buffer(name)).view(DType.I8, 1).address();
    }

    /** Returns the recording of a shape, if there is one that these buffers fit. */
    @Nullable
    Recording known(Shape shape) {
        Recording recording = recordings.get(shape.key());
        if (recording != null && !recording.fits(shape.addresses())) {
            recordings.remove(shape.key());
            recording.close();
            return null;
        }
        return recording;
    }

    /** Returns an empty recording for a run whose shape was seen before, or null for the first of its kind. */
    @Nullable
    Recording begin(Shape shape, Bindings bindings) {
        if (seen.add(shape.key())) {
            return null;
        }
        if (recordings.size() == MOST_RECORDINGS) {
            Map.Entry<List<Object>, Recording> oldest =
                    recordings.entrySet().iterator().next();
            recordings.remove(oldest.getKey());
            oldest.getValue().close();
        }
        List<Recording.Bound> bound = new ArrayList<>();
        for (int i = 0; i < graph.inputs().size(); i++) {
            bound.add(new Recording.Bound(
                    shape.addresses().get(i),
                    ((AscendBuffer) bindings.buffer(graph.inputs().get(i).name())).sizeBytes()));
        }
        return new Recording(device.operators(), device.runtime(), device.stage(), device.stream(), capture, bound);
    }

    /** Keeps a recording that is complete. */
    void keep(Shape shape, Recording recording) {
        recordings.put(shape.key(), recording);
    }

    @Override
    public void close() {
        recordings.values().forEach(Recording::close);
        recordings.clear();
    }
}
