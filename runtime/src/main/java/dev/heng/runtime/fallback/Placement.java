package dev.heng.runtime.fallback;

import dev.heng.runtime.HengException;
import dev.heng.runtime.partition.Partition;
import dev.heng.runtime.partition.Side;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Decides which device executes which node of a graph. */
public final class Placement {

    private static final int SHOWN = 8;

    private Placement() {}

    /**
     * Checks that a device executes every node itself.
     *
     * @throws HengException listing the nodes that it declines with its reasons
     */
    public static void requireSupported(Graph graph, Backend backend, CompileOptions options) {
        Map<String, List<Node>> byReason = new LinkedHashMap<>();
        int declined = 0;
        for (Node node : graph.nodes()) {
            Optional<String> reason = reason(backend, node, options);
            if (reason.isPresent()) {
                declined++;
                byReason.computeIfAbsent(node.op().name() + ": " + reason.get(), _ -> new ArrayList<>())
                        .add(node);
            }
        }
        if (declined > 0) {
            throw new HengException(
                    "device " + backend.device().address() + " declines " + declined + " of "
                            + graph.nodes().size() + " nodes: " + describe(byReason),
                    "let the processor execute them (--fallback cpu), or choose a device that executes them all");
        }
    }

    private static String describe(Map<String, List<Node>> byReason) {
        List<String> lines = new ArrayList<>();
        for (Map.Entry<String, List<Node>> entry : byReason.entrySet()) {
            if (lines.size() == SHOWN) {
                lines.add("and " + (byReason.size() - SHOWN) + " more reasons");
                break;
            }
            int others = entry.getValue().size() - 1;
            lines.add("'" + entry.getValue().getFirst().name() + "'" + (others == 0 ? "" : " and " + others + " others")
                    + " (" + entry.getKey() + ")");
        }
        return String.join("; ", lines);
    }

    /**
     * Returns who executes each node: the primary device what it supports, the fallback the rest. Nodes that touch one cache stay together, because the layout of a
     * cache is its device's own.
     *
     * @throws BackendException with {@link BackendException.Code#DECLINED} naming the first node that has to be on the fallback and is declined there too
     */
    static Map<Node, Side> sides(Graph graph, Backend primary, Backend fallback, CompileOptions options) {
        Map<Node, String> declined = new HashMap<>();
        StateGroups groups = new StateGroups(graph);
        for (Node node : graph.nodes()) {
            reason(primary, node, options).ifPresent(reason -> {
                declined.put(node, reason);
                groups.mark(node);
            });
        }
        Map<Node, Side> sides = new LinkedHashMap<>();
        for (Node node : graph.nodes()) {
            boolean moved = declined.containsKey(node) || groups.marked(node);
            sides.put(node, moved ? Side.SECOND : Side.FIRST);
            if (moved) {
                requireFallback(node, fallback, options, primary, declined.get(node));
            }
        }
        return sides;
    }

    private static void requireFallback(
            Node node, Backend fallback, CompileOptions options, Backend primary, @Nullable String primaryReason) {
        reason(fallback, node, options).ifPresent(reason -> {
            String why = primaryReason == null
                    ? "another node of its cache is declined by "
                            + primary.device().address()
                    : primary.device().address() + " declines it (" + primaryReason + ")";
            throw BackendException.of(
                    BackendException.Code.DECLINED,
                    "node '" + node.name() + "' (" + node.op().name() + ") can run nowhere: " + why + ", and "
                            + fallback.device().address() + " declines it (" + reason + ")",
                    "choose another device or another activation type");
        });
    }

    private static Optional<String> reason(Backend backend, Node node, CompileOptions options) {
        return switch (backend.supports(node, options)) {
            case Support.Supported _ -> Optional.empty();
            case Support.Declined no -> Optional.of(no.code() + ": " + no.text());
        };
    }

    /** Caches that some node touches together, and whether any node of theirs was declined. */
    private static final class StateGroups {

        private final Graph graph;
        private final Map<Value, Value> parents = new HashMap<>();
        private final Map<Value, Boolean> marks = new HashMap<>();

        StateGroups(Graph graph) {
            this.graph = graph;
            for (Node node : graph.nodes()) {
                List<Value> states = Partition.states(graph, node);
                for (Value state : states) {
                    parents.put(root(state), root(states.getFirst()));
                }
            }
        }

        void mark(Node node) {
            for (Value state : Partition.states(graph, node)) {
                marks.put(root(state), true);
            }
        }

        boolean marked(Node node) {
            return Partition.states(graph, node).stream().anyMatch(state -> marks.containsKey(root(state)));
        }

        private Value root(Value state) {
            Value parent = parents.getOrDefault(state, state);
            return parent.equals(state) ? state : root(parent);
        }
    }
}
