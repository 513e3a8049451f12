package dev.heng.spi.graph;

import java.util.Locale;
import java.util.Map;

/**
 * Prints graphs for people: one line for each value and node, or the same as Graphviz.
 *
 * @since 1.0
 */
public final class GraphText {

    private GraphText() {}

    /** Returns the graph as text: inputs, states, weights, nodes in order with the types of their results, outputs. */
    public static String of(Graph graph) {
        StringBuilder text = new StringBuilder();
        text.append("graph ").append(graph.name()).append('\n');
        for (Value.Role role : new Value.Role[] {Value.Role.INPUT, Value.Role.STATE, Value.Role.WEIGHT}) {
            for (Value value : graph.values()) {
                if (value.role() == role && graph.producer(value).isEmpty()) {
                    text.append("  ")
                            .append(role.name().toLowerCase(Locale.ROOT))
                            .append(' ')
                            .append(value)
                            .append('\n');
                }
            }
        }
        for (Node node : graph.nodes()) {
            text.append("  ").append(node);
            String separator = "  -> ";
            for (Value result : node.results()) {
                text.append(separator).append(result.type());
                separator = ", ";
            }
            text.append('\n');
        }
        for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
            text.append("  output ")
                    .append(output.getKey())
                    .append(" = %")
                    .append(output.getValue().name())
                    .append('\n');
        }
        return text.toString();
    }

    /** Returns the graph in Graphviz's dot language; weights are listed in their node's label and states drawn as cylinders. */
    public static String dot(Graph graph) {
        StringBuilder text = new StringBuilder();
        text.append("digraph ").append(quoted(graph.name())).append(" {\n");
        text.append("  rankdir=TB;\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n");
        for (Value value : graph.values()) {
            if (graph.producer(value).isPresent() || value.role() == Value.Role.WEIGHT) {
                continue;
            }
            String shape = value.role() == Value.Role.STATE ? "cylinder" : "ellipse";
            text.append("  ")
                    .append(quoted("v." + value.name()))
                    .append(" [shape=" + shape + ", label=")
                    .append(quoted(value.name() + "\n" + value.type()))
                    .append("];\n");
        }
        for (Node node : graph.nodes()) {
            StringBuilder label =
                    new StringBuilder(node.name() + "\n" + node.op().name());
            for (Value operand : node.operands()) {
                if (operand.role() == Value.Role.WEIGHT) {
                    label.append('\n').append(operand.type());
                }
            }
            text.append("  ")
                    .append(quoted("n." + node.name()))
                    .append(" [label=")
                    .append(quoted(label.toString()))
                    .append("];\n");
            for (Value operand : node.operands()) {
                if (operand.role() == Value.Role.WEIGHT) {
                    continue;
                }
                String source = graph.producer(operand)
                        .map(producer -> "n." + producer.name())
                        .orElse("v." + operand.name());
                text.append("  ")
                        .append(quoted(source))
                        .append(" -> ")
                        .append(quoted("n." + node.name()))
                        .append(";\n");
            }
        }
        for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
            String source = graph.producer(output.getValue())
                    .map(producer -> "n." + producer.name())
                    .orElse("v." + output.getValue().name());
            text.append("  ")
                    .append(quoted("o." + output.getKey()))
                    .append(" [shape=ellipse, style=bold, label=")
                    .append(quoted(output.getKey()))
                    .append("];\n");
            text.append("  ")
                    .append(quoted(source))
                    .append(" -> ")
                    .append(quoted("o." + output.getKey()))
                    .append(";\n");
        }
        return text.append("}\n").toString();
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }
}
