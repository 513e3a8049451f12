package dev.heng.runtime.bench;

import dev.heng.runtime.checkpoint.ModelWeights;
import dev.heng.spi.WeightSource;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.WeightSource.WeightData;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Weights that are random numbers: a model of any shape and format without a checkpoint, for measurements. Activations stay finite; the text means nothing.
 *
 * <p>The bytes are cut from pools that several weights share ({@link NoisePools}). A backend that copies weights has them in full; for one that reads them where they
 * are handed out, caches would help more than with a real model.
 *
 * <p>Threading: one thread asks for types; the source may be used by several after {@link #generate}. Ownership: whoever made it closes it, after every program that was
 * compiled from it.
 */
public final class RandomWeights implements ModelWeights, AutoCloseable {

    private static final String EMBEDDING = "model.embed_tokens";
    private static final String HEAD = "lm_head";
    private static final String ROUTER = ".mlp.gate";
    private static final String ABSORBED = ".kv_b_proj";
    private static final String NORM = "norm.weight";
    private static final String CHOICE_BIAS = ".e_score_correction_bias";

    private final WeightFormats formats;
    private final NoisePools pools;
    private final Map<String, TensorType> types = new LinkedHashMap<>();

    /**
     * Makes weights.
     *
     * @param formats which are stored how
     * @param seed the same seed gives the same bytes
     */
    public RandomWeights(WeightFormats formats, long seed) {
        this.formats = formats;
        this.pools = new NoisePools(seed);
    }

    @Override
    public TensorType linear(String module, long rows, long columns) {
        Shape shape = Shape.of(rows, columns);
        boolean plain = module.equals(EMBEDDING) || module.endsWith(ROUTER);
        return declare(
                module + ".weight",
                plain
                        ? TensorType.of(formats.body().plain(), shape)
                        : format(module).matrix(shape));
    }

    @Override
    public TensorType experts(String prefix, String projection, int experts, long rows, long columns) {
        return declare(
                prefix + "." + projection + ".weight", formats.experts().matrix(Shape.of(experts, rows, columns)));
    }

    @Override
    public TensorType vector(String name, long length) {
        DType dtype = name.endsWith(CHOICE_BIAS) ? DType.F32 : formats.body().plain();
        return declare(name, TensorType.of(dtype, Shape.of(length)));
    }

    @Override
    public ActivationFormat activation(String module) {
        TensorType type = types.get(module + ".weight");
        if (type == null) {
            throw new IllegalArgumentException("the weight of module '" + module + "' was not asked for");
        }
        // As in a catalogue: plain weights round nothing, and attention may absorb kv_b_proj.
        if (type.isPlain() || module.endsWith(ABSORBED)) {
            return ActivationFormat.FLOAT;
        }
        return type.shape().rank() == 3
                ? formats.experts().activation()
                : format(module).activation();
    }

    private WeightFormat format(String module) {
        return module.equals(HEAD) ? formats.head() : formats.body();
    }

    private TensorType declare(String name, TensorType type) {
        TensorType known = types.putIfAbsent(name, type);
        if (known != null) {
            if (!known.shape().equals(type.shape())) {
                throw new IllegalArgumentException(
                        "weight '" + name + "' is asked for as " + type.shape() + " and was as " + known.shape());
            }
            return known;
        }
        Storage storage = Storage.of(name, type);
        pools.announce(storage.elements(), storage.elementBytes());
        if (storage.scales() != null) {
            pools.announce(storage.scales(), storage.scaleBytes());
        }
        return type;
    }

    /**
     * Fills the memory that weights are cut from, for all that were asked for; may be called again after more were.
     *
     * @throws dev.heng.runtime.HengException if it does not fit
     */
    public void generate() {
        pools.generate();
    }

    /** Returns the bytes of host memory that the random numbers take. */
    public long poolBytes() {
        return pools.bytes();
    }

    @Override
    public WeightSource source() {
        return this::data;
    }

    /** Does nothing: nothing is stored that could be left over. */
    @Override
    public void requireAllUsed() {}

    private WeightData data(Value weight) {
        TensorType type = types.get(weight.name());
        if (type == null || !weight.type().equals(type)) {
            throw new IllegalArgumentException(
                    "weight '" + weight.name() + "' was never asked for as " + weight.type());
        }
        Storage storage = Storage.of(weight.name(), type);
        List<Part> parts = new ArrayList<>();
        for (int part = 0; part < storage.parts(); part++) {
            MemorySegment scales = storage.scales() == null
                    ? null
                    : pools.slice(storage.scales(), storage.scaleBytes(), weight.name(), part);
            parts.add(new Part(
                    pools.slice(storage.elements(), storage.elementBytes(), weight.name(), part), scales, null));
        }
        return new WeightData(parts);
    }

    @Override
    public void close() {
        pools.close();
    }

    /** What one part of a weight is cut from. */
    private record Storage(
            int parts,
            Noise elements,
            long elementBytes,
            @Nullable Noise scales,
            long scaleBytes) {

        static Storage of(String name, TensorType type) {
            Shape shape = type.shape();
            int parts = shape.rank() == 3 ? Math.toIntExact(shape.dim(0).size()) : 1;
            long bytes = type.bytes(Map.of()) / parts;
            if (shape.rank() == 1) {
                Noise noise = name.endsWith(NORM) ? Noise.norm(type.dtype()) : Noise.weight(type.dtype());
                return new Storage(1, noise, bytes, null, 0);
            }
            long rows = shape.dim(-2).size();
            long columns = shape.dim(-1).size();
            Noise elements = Noise.weight(type.dtype());
            return switch (type.quantization()) {
                case Quantization.None _ -> new Storage(parts, elements, bytes, null, 0);
                case Quantization.Fp8Blocks blocks ->
                    new Storage(
                            parts,
                            elements,
                            bytes,
                            Noise.F32_SCALE_OF_FP8,
                            Math.ceilDiv(rows, (long) blocks.blockRows())
                                    * Math.ceilDiv(columns, (long) blocks.blockColumns())
                                    * Float.BYTES);
                case Quantization.Int8Channels _ ->
                    new Storage(parts, elements, bytes, Noise.F32_SCALE_OF_INT8, rows * Float.BYTES);
                case Quantization.Int4Groups groups ->
                    new Storage(
                            parts,
                            elements,
                            bytes,
                            Noise.BF16_SCALE_OF_INT4,
                            rows * Math.ceilDiv(columns, (long) groups.groupSize()) * Short.BYTES);
            };
        }
    }
}
