package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import dev.heng.spi.Backend;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.util.Locale;
import java.util.Map;

/**
 * What a program and one session of it will take of a device, in bytes. A device may need more, for repacked weights and workspaces: this is the part that no
 * device can do without.
 *
 * @param weights elements and scales as stored
 * @param caches all pages
 * @param bindings inputs and outputs
 * @param activations what the largest node reads and writes besides
 */
public record MemoryEstimate(long weights, long caches, long bindings, long activations) {

    /** Adds up what {@code graph} needs for runs within {@code maxima}. */
    public static MemoryEstimate of(Graph graph, Map<String, Long> maxima) {
        long weights = 0;
        for (Value weight : graph.weights()) {
            weights = Math.addExact(weights, storedBytes(weight.type()));
        }
        long caches = 0;
        for (Value state : graph.states()) {
            caches = Math.addExact(caches, state.type().bytes(maxima));
        }
        long bindings = 0;
        for (Value input : graph.inputs()) {
            bindings = Math.addExact(bindings, input.type().bytes(maxima));
        }
        for (Value output : graph.outputs().values()) {
            bindings = Math.addExact(bindings, output.type().bytes(maxima));
        }
        long activations = 0;
        for (Node node : graph.nodes()) {
            activations = Math.max(activations, activationBytes(node, maxima));
        }
        return new MemoryEstimate(weights, caches, bindings, activations);
    }

    /** Returns the sum. */
    public long total() {
        return Math.addExact(Math.addExact(weights, caches), Math.addExact(bindings, activations));
    }

    /**
     * Checks that it fits into what {@code backend} has free; a backend that cannot tell (a negative number) is not asked.
     *
     * @throws HengException with the arithmetic if it does not fit
     */
    public void requireFits(Backend backend) {
        long free = backend.memory().freeBytes();
        if (free >= 0 && total() > free) {
            throw new HengException(
                    "device " + backend.device().address() + " has " + readable(free) + " free of "
                            + readable(backend.memory().totalBytes()) + ", but the model needs " + readable(total())
                            + ": " + this,
                    "use a shorter context, a smaller or quantised model, or a device with more memory");
        }
    }

    /** Returns the bytes that a weight takes as stored: its elements, scales and zero points. */
    public static long storedBytes(TensorType type) {
        long elements = type.bytes(Map.of());
        return switch (type.quantization()) {
            case Quantization.None _ -> elements;
            case Quantization.Fp8Blocks blocks ->
                Math.addExact(
                        elements,
                        scaleBytes(
                                type,
                                Math.ceilDiv(rows(type), (long) blocks.blockRows()),
                                Math.ceilDiv(columns(type), (long) blocks.blockColumns()),
                                blocks.scaleType()));
            case Quantization.Int8Channels channels ->
                Math.addExact(elements, scaleBytes(type, rows(type), 1, channels.scaleType()));
            case Quantization.Int4Groups groups -> {
                long perRow = Math.ceilDiv(columns(type), (long) groups.groupSize());
                long zeroPoints =
                        groups.zeroPoints() ? scaleBytes(type, Math.ceilDiv(rows(type), 8L), perRow, DType.I32) : 0;
                yield Math.addExact(
                        Math.addExact(elements, zeroPoints), scaleBytes(type, rows(type), perRow, groups.scaleType()));
            }
        };
    }

    private static long scaleBytes(TensorType type, long scaleRows, long scaleColumns, DType scaleType) {
        long matrices = type.shape().rank() == 3 ? type.shape().dim(0).size() : 1;
        return scaleType.bytes(Math.multiplyExact(matrices, Math.multiplyExact(scaleRows, scaleColumns)));
    }

    private static long rows(TensorType type) {
        return type.shape().dim(-2).size();
    }

    private static long columns(TensorType type) {
        return type.shape().dim(-1).size();
    }

    private static long activationBytes(Node node, Map<String, Long> maxima) {
        long bytes = 0;
        for (Value operand : node.operands()) {
            if (operand.role() == Value.Role.RESULT) {
                bytes = Math.addExact(bytes, operand.type().bytes(maxima));
            }
        }
        for (Value result : node.results()) {
            if (result.role() == Value.Role.RESULT) {
                bytes = Math.addExact(bytes, result.type().bytes(maxima));
            }
        }
        return bytes;
    }

    @Override
    public String toString() {
        return "weights " + readable(weights) + " + caches " + readable(caches) + " + inputs and outputs "
                + readable(bindings) + " + activations of the largest step " + readable(activations);
    }

    private static String readable(long bytes) {
        if (bytes < 1L << 20) {
            return bytes + " B";
        }
        if (bytes < 10L << 30) {
            return String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1L << 20));
        }
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }
}
