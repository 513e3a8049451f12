package dev.heng.runtime.checkpoint;

import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.TensorType;
import java.util.HashMap;
import java.util.Map;

/**
 * The part of a model's weights that one rank holds. It is asked for whole weights, as {@link ModelWeights} says; which part the graph has of one, a value's type tells:
 * fewer experts, rows or columns than the whole are those of the rank's {@link Share}.
 *
 * <p>Rows and experts are slices of what is behind; columns are copied. Copies live as long as this object.
 */
public final class SharedWeights implements ModelWeights {

    private final ModelWeights whole;
    private final Share share;
    private final Map<String, TensorType> types = new HashMap<>();
    private final Map<String, WeightSource.WeightData> slices = new HashMap<>();

    /** Takes a share of weights. */
    public SharedWeights(ModelWeights whole, Share share) {
        this.whole = whole;
        this.share = share;
    }

    @Override
    public TensorType linear(String module, long rows, long columns) {
        return noted(module + ".weight", whole.linear(module, rows, columns));
    }

    @Override
    public TensorType experts(String prefix, String projection, int experts, long rows, long columns) {
        return noted(prefix + "." + projection + ".weight", whole.experts(prefix, projection, experts, rows, columns));
    }

    @Override
    public TensorType vector(String name, long length) {
        return noted(name, whole.vector(name, length));
    }

    private TensorType noted(String name, TensorType type) {
        types.put(name, type);
        return type;
    }

    @Override
    public ActivationFormat activation(String module) {
        return whole.activation(module);
    }

    @Override
    public void requireAllUsed() {
        whole.requireAllUsed();
    }

    @Override
    public WeightSource source() {
        WeightSource behind = whole.source();
        return weight -> data(weight, behind);
    }

    private synchronized WeightSource.WeightData data(Value weight, WeightSource behind) {
        TensorType type = types.get(weight.name());
        if (type == null || type.equals(weight.type())) {
            return behind.data(weight);
        }
        return slices.computeIfAbsent(
                weight.name(),
                name -> new WeightSlice(name, type, weight.type(), share.rank())
                        .of(behind.data(new GraphBuilder("whole").weight(name, type))));
    }
}
