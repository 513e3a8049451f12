package dev.heng.runtime.checkpoint;

import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.QuantizationConfig;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What the stored tensors of a checkpoint are as weights: a family asks by module and shape and gets the type for its graph; a backend asks by the graph's
 * value and gets the bytes.
 *
 * <p>A weight's value in the graph is called as the checkpoint calls it: {@code MODULE.weight}; stacked experts
 * {@code PREFIX.PROJECTION.weight}, the expert's number left out; a vector by its own name. How a weight is quantised shows in its storage and must agree with
 * config.json:
 *
 * <ul>
 *   <li>F32, F16, BF16 {@code weight} without scales: plain;
 *   <li>F8_E4M3 {@code weight} with {@code weight_scale_inv} (F32, BF16 or F8_E8M0) or {@code scale} (F8_E8M0), one for each block, in any shard;
 *   <li>I8 {@code weight} with {@code weight_scale} [N, 1]: compressed-tensors int-quantized;
 *   <li>I32 {@code weight_packed} with {@code weight_scale}, {@code weight_shape} and, if asymmetric, {@code weight_zero_point}: pack-quantized.
 * </ul>
 *
 * <p>Shapes and types are checked when a weight is asked for. Values of scales and vectors are checked when their bytes are handed out, because a backend then
 * reads them anyway: a scale must be finite and not negative, a vector finite. The elements of matrices are not read.
 *
 * <p>Asking twice for one weight is the same as asking once. Threading: one thread asks; {@link #source} may be used by several afterwards.
 */
public final class WeightCatalog implements ModelWeights {

    private static final String TIED_HEAD = "lm_head";
    private static final String EMBEDDING = "model.embed_tokens";
    private static final String CHOICE_BIAS = ".e_score_correction_bias";
    private static final List<String> SCALE_SUFFIXES =
            List.of(".weight_scale_inv", ".weight_scale", ".scale", ".weight_zero_point", ".weight_shape");
    private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d{1,6})\\..*");
    private static final String MIXED = "use the checkpoint that config.json belongs to";

    private final Checkpoint checkpoint;
    private final ModelConfig config;
    private final ActivationRounding rounding;
    private final Map<String, Weight> weights = new LinkedHashMap<>();
    private final Set<String> used = new HashSet<>();
    private final Set<String> checked = ConcurrentHashMap.newKeySet();
    private final Map<String, MemorySegment> widened = new ConcurrentHashMap<>();

    /**
     * Makes the catalogue of a checkpoint.
     *
     * @param checkpoint the stored tensors; must stay open as long as anything reads the source
     * @param config the config that belongs to them
     * @param rounding whether {@link #activation} says what config.json states, or nothing is rounded
     */
    public WeightCatalog(Checkpoint checkpoint, ModelConfig config, ActivationRounding rounding) {
        this.checkpoint = checkpoint;
        this.config = config;
        this.rounding = rounding;
    }

    /** Returns whether a tensor of this name is stored; does not count as use. */
    public boolean has(String name) {
        return checkpoint.find(name) != null;
    }

    /**
     * Returns the type of W[rows, columns] of a linear module or an embedding. With tied embeddings "lm_head" has the bytes of the embedding; a graph may as well
     * use the embedding's value in both places, so that a device holds it once.
     *
     * @param module the module's name, for example "model.layers.0.self_attn.o_proj"
     * @throws HengException if it is not stored, or not as it must be
     */
    @Override
    public TensorType linear(String module, long rows, long columns) {
        return weight(module + ".weight", Shape.of(rows, columns), () -> {
            Stored matrix = matrix(stored(module), rows, columns);
            return new Weight(matrix.type, List.of(matrix), module.endsWith(".kv_b_proj"));
        });
    }

    /**
     * Returns the type of the stacked W[experts, rows, columns] of all routed experts of a layer.
     *
     * @param prefix for example "model.layers.3.mlp.experts"
     * @param projection "gate_proj", "up_proj" or "down_proj"
     * @throws HengException if one is not stored, not as it must be, or not as the first
     */
    @Override
    public TensorType experts(String prefix, String projection, int experts, long rows, long columns) {
        Shape shape = Shape.of(experts, rows, columns);
        return weight(prefix + "." + projection + ".weight", shape, () -> {
            refuseFused(prefix);
            List<Stored> parts = new ArrayList<>();
            for (int expert = 0; expert < experts; expert++) {
                Stored part = matrix(prefix + "." + expert + "." + projection, rows, columns);
                Stored first = parts.isEmpty() ? part : parts.getFirst();
                if (!part.type.equals(first.type) || part.int8Activations != first.int8Activations) {
                    throw new HengException(
                            part.elements.describe() + " is " + part.type + ", but expert 0 of its layer is "
                                    + first.type,
                            "use a checkpoint whose experts are all stored alike");
                }
                parts.add(part);
            }
            TensorType one = parts.getFirst().type;
            return new Weight(new TensorType(one.dtype(), shape, one.quantization()), parts, false);
        });
    }

    /**
     * Returns the type of a plain vector: a norm, a bias. A router's e_score_correction_bias is F32 whatever it is stored as; F16 and BF16 are widened, which is
     * exact.
     *
     * @param name the tensor's whole name
     * @throws HengException if it is not stored, or not as F32, F16 or BF16 of this length
     */
    @Override
    public TensorType vector(String name, long length) {
        return weight(name, Shape.of(length), () -> {
            StoredTensor tensor = take(name, Shape.of(length));
            DType dtype = plain(tensor);
            boolean widened = name.endsWith(CHOICE_BIAS) && dtype != DType.F32;
            TensorType type = TensorType.of(widened ? DType.F32 : dtype, tensor.shape());
            return new Weight(type, List.of(new Stored(type, tensor, null, null, false)), false);
        });
    }

    /**
     * Returns how the products with a weight that was asked for round their activations. Always {@link ActivationFormat#FLOAT} for plain and 4-bit weights, and for
     * kv_b_proj: attention may absorb it into the query, and then there is no product with it whose activations could be rounded.
     *
     * @param module as given to {@link #linear}, or {@code PREFIX.PROJECTION} of {@link #experts}
     * @throws IllegalArgumentException if it was not asked for
     */
    @Override
    public ActivationFormat activation(String module) {
        Weight weight = weights.get(module + ".weight");
        if (weight == null) {
            throw new IllegalArgumentException("the weight of module '" + module + "' was not asked for");
        }
        if (rounding == ActivationRounding.NONE || weight.absorbed) {
            return ActivationFormat.FLOAT;
        }
        return switch (weight.type.quantization()) {
            case Quantization.None _, Quantization.Int4Groups _ -> ActivationFormat.FLOAT;
            case Quantization.Int8Channels _ ->
                weight.parts.getFirst().int8Activations ? ActivationFormat.INT8_PER_TOKEN : ActivationFormat.FLOAT;
            case Quantization.Fp8Blocks blocks -> fp8Activation(blocks);
        };
    }

    private ActivationFormat fp8Activation(Quantization.Fp8Blocks blocks) {
        if (blocks.blockColumns() != 128) {
            throw new HengException(
                    config.file()
                            + ": field 'quantization_config.weight_block_size' makes activations round in runs of "
                            + blocks.blockColumns() + " columns; Heng knows runs of 128",
                    "run without the rounding of activations");
        }
        boolean powers = config.quantization() instanceof QuantizationConfig.Fp8Blocks fp8 && fp8.powerOfTwoScales();
        return powers ? ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO : ActivationFormat.FP8_PER_TOKEN_128;
    }

    /**
     * Returns the bytes behind the weights, mapped slices but for widened vectors. Valid while the checkpoint is open.
     *
     * <p>Its {@code data} throws a HengException for a scale that is NaN, infinite or negative and for a vector that is not finite, and an
     * IllegalArgumentException for a value that is not a weight of this catalogue.
     */
    @Override
    public WeightSource source() {
        return this::data;
    }

    /**
     * Checks that nothing stored was left unasked for, which would mean a model of another architecture.
     *
     * <p>Excepted are the layers that predict further tokens (MTP), numbered from num_hidden_layers, and the buffers of {@code rotary_emb} that older checkpoints
     * carry.
     *
     * @throws HengException naming the first unused tensors
     */
    @Override
    public void requireAllUsed() {
        List<String> unused = new ArrayList<>();
        for (String name : checkpoint.names()) {
            if (!used.contains(name) && !skipped(name)) {
                unused.add(name);
            }
        }
        if (unused.isEmpty()) {
            return;
        }
        for (String name : unused) {
            refuseOrphan(name);
        }
        StoredTensor first = checkpoint.require(unused.getFirst());
        throw new HengException(
                first.describe() + " has no place in a model of type "
                        + config.family().modelType()
                        + (unused.size() == 1 ? "" : ", nor have " + (unused.size() - 1) + " others"),
                "check that config.json belongs to these weights; Heng does not ignore weights that it does not know");
    }

    private boolean skipped(String name) {
        if (name.contains(".rotary_emb.")) {
            return true;
        }
        Matcher matcher = LAYER.matcher(name);
        if (!matcher.matches()) {
            return false;
        }
        int layer = Integer.parseInt(matcher.group(1));
        return layer >= config.layers() && layer < config.layers() + config.predictionLayers();
    }

    /** Names a scale whose weight is not there or not quantised, which is worse than a tensor that is merely unknown. */
    private void refuseOrphan(String name) {
        for (String suffix : SCALE_SUFFIXES) {
            if (name.endsWith(suffix)) {
                String module = name.substring(0, name.length() - suffix.length());
                throw new HengException(
                        checkpoint.require(name).describe() + " belongs to no quantised weight '" + module + ".weight'",
                        MIXED);
            }
        }
    }

    private interface Lookup {
        Weight find();
    }

    private TensorType weight(String value, Shape shape, Lookup lookup) {
        Weight known = weights.get(value);
        if (known == null) {
            known = lookup.find();
            weights.put(value, known);
        } else if (!known.type.shape().equals(shape)) {
            throw new IllegalArgumentException(
                    "weight '" + value + "' is asked for as " + shape + " and was as " + known.type.shape());
        }
        return known.type;
    }

    /** Returns the module whose tensors are those of {@code module}, which differ for the head of a model with tied embeddings only. */
    private String stored(String module) {
        if (!module.equals(TIED_HEAD) || !config.tiedEmbeddings()) {
            return module;
        }
        StoredTensor head = checkpoint.find(TIED_HEAD + ".weight");
        if (head != null) {
            StoredTensor embedding = checkpoint.require(EMBEDDING + ".weight");
            if (head.type() != embedding.type()
                    || !head.shape().equals(embedding.shape())
                    || head.data().mismatch(embedding.data()) >= 0) {
                throw new HengException(
                        head.describe() + " differs from '" + EMBEDDING + ".weight', but tie_word_embeddings in "
                                + config.file() + " is true",
                        "set it to false if the head is a matrix of its own");
            }
            used.add(head.name());
        }
        return EMBEDDING;
    }

    private void refuseFused(String prefix) {
        for (String fused : List.of(prefix + ".gate_up_proj", prefix + ".gate_up_proj.weight")) {
            StoredTensor tensor = checkpoint.find(fused);
            if (tensor != null) {
                throw new HengException(
                        tensor.describe() + " holds the experts fused in one tensor, which is not the published layout",
                        "save the checkpoint with one tensor for each expert");
            }
        }
    }

    private Stored matrix(String module, long rows, long columns) {
        if (has(module + ".weight_packed")) {
            return packed(module, rows, columns);
        }
        StoredTensor elements = take(module + ".weight", Shape.of(rows, columns));
        if (elements.type() == StoredType.F8_E4M3) {
            return fp8(module, elements, rows, columns);
        }
        if (elements.type() == StoredType.I8) {
            return int8(module, elements, rows);
        }
        DType dtype = plain(elements);
        for (String suffix : SCALE_SUFFIXES) {
            StoredTensor scale = checkpoint.find(module + suffix);
            if (scale != null) {
                throw new HengException(
                        scale.describe() + " belongs to a quantised weight, but '" + elements.name() + "' is "
                                + elements.type(),
                        MIXED);
            }
        }
        return new Stored(TensorType.of(dtype, elements.shape()), elements, null, null, false);
    }

    private Stored fp8(String module, StoredTensor elements, long rows, long columns) {
        if (!(config.quantization() instanceof QuantizationConfig.Fp8Blocks blocks)) {
            throw new HengException(
                    elements.describe() + " is F8_E4M3, but quantization_config of " + config.file()
                            + " does not say 'fp8' with weight_block_size",
                    MIXED);
        }
        String inverse = module + ".weight_scale_inv";
        String scale = module + ".scale";
        if (has(inverse) && has(scale)) {
            throw new HengException(
                    elements.describe() + " has two scales, '" + inverse + "' and '" + scale + "'", MIXED);
        }
        if (!has(inverse) && !has(scale)) {
            throw new HengException(
                    elements.describe() + " is F8_E4M3 and has no scale: neither '" + inverse + "' nor '" + scale
                            + "' is stored",
                    "download the checkpoint again, with all its shards; without scales the weights mean nothing");
        }
        StoredTensor scales = take(
                has(inverse) ? inverse : scale,
                Shape.of(Math.ceilDiv(rows, (long) blocks.blockRows()), Math.ceilDiv(columns, (long)
                        blocks.blockColumns())));
        // DeepSeek-V4's name is certain with its own type only.
        requireType(
                scales,
                has(inverse)
                        ? List.of(StoredType.F32, StoredType.BF16, StoredType.F8_E8M0)
                        : List.of(StoredType.F8_E8M0));
        Quantization quantization =
                new Quantization.Fp8Blocks(blocks.blockRows(), blocks.blockColumns(), dtype(scales));
        return new Stored(new TensorType(DType.F8_E4M3, elements.shape(), quantization), elements, scales, null, false);
    }

    private Stored int8(String module, StoredTensor elements, long rows) {
        if (!(scheme(module) instanceof QuantizationConfig.Int8Channels channels)) {
            throw undeclared(elements, "int-quantized");
        }
        StoredTensor scales = requireScale(elements, module + ".weight_scale");
        if (!scales.shape().equals(Shape.of(rows, 1)) && !scales.shape().equals(Shape.of(rows))) {
            throw wrongShape(scales, Shape.of(rows, 1));
        }
        requireType(scales, List.of(StoredType.F32, StoredType.F16, StoredType.BF16));
        return new Stored(
                new TensorType(DType.I8, elements.shape(), new Quantization.Int8Channels(dtype(scales))),
                elements,
                scales,
                null,
                channels.int8Activations());
    }

    private Stored packed(String module, long rows, long columns) {
        StoredTensor elements = take(module + ".weight_packed", Shape.of(rows, Math.ceilDiv(columns, 8L)));
        if (!(scheme(module) instanceof QuantizationConfig.Int4Groups int4)) {
            throw undeclared(elements, "pack-quantized");
        }
        if (has(module + ".weight_g_idx")) {
            throw new HengException(
                    elements.describe() + " has permuted columns ('weight_g_idx')",
                    "use a checkpoint quantised without activation ordering by group");
        }
        requireType(elements, List.of(StoredType.I32));
        long groupSize = int4.groupSize() == null ? columns : int4.groupSize();
        long groups = Math.ceilDiv(columns, groupSize);
        StoredTensor scales = requireScale(elements, module + ".weight_scale");
        requireShape(scales, Shape.of(rows, groups));
        requireType(scales, List.of(StoredType.F32, StoredType.F16, StoredType.BF16));
        requireStoredShape(module, rows, columns);
        StoredTensor zeroPoints = null;
        if (int4.zeroPoints()) {
            zeroPoints = take(module + ".weight_zero_point", Shape.of(Math.ceilDiv(rows, 8L), groups));
            requireType(zeroPoints, List.of(StoredType.I32));
        }
        Quantization quantization =
                new Quantization.Int4Groups(Math.toIntExact(groupSize), dtype(scales), int4.zeroPoints());
        return new Stored(
                new TensorType(DType.I4, Shape.of(rows, columns), quantization), elements, scales, zeroPoints, false);
    }

    private void requireStoredShape(String module, long rows, long columns) {
        StoredTensor shape = take(module + ".weight_shape", Shape.of(2));
        requireType(shape, List.of(StoredType.I64, StoredType.I32));
        if (shape.integer(0) != rows || shape.integer(1) != columns) {
            throw new HengException(
                    shape.describe() + " says [" + shape.integer(0) + ", " + shape.integer(1) + "], but "
                            + config.file() + " makes it [" + rows + ", " + columns + "]",
                    MIXED);
        }
    }

    private QuantizationConfig.@Nullable Scheme scheme(String module) {
        if (!(config.quantization() instanceof QuantizationConfig.CompressedTensors compressed)) {
            return null;
        }
        try {
            return compressed.scheme(module);
        } catch (IllegalArgumentException e) {
            throw new HengException(
                    config.file() + ": field 'quantization_config': " + e.getMessage(), "correct the patterns", e);
        }
    }

    private HengException undeclared(StoredTensor elements, String format) {
        return new HengException(
                elements.describe() + " is quantised, but quantization_config of " + config.file() + " does not say '"
                        + format + "' for it",
                MIXED);
    }

    private StoredTensor requireScale(StoredTensor elements, String name) {
        StoredTensor scale = checkpoint.find(name);
        if (scale == null) {
            throw new HengException(
                    elements.describe() + " is quantised and has no scale: '" + name + "' is not stored",
                    "download the checkpoint again, with all its shards; without scales the weights mean nothing");
        }
        used.add(name);
        return scale;
    }

    private StoredTensor take(String name, Shape shape) {
        StoredTensor tensor = checkpoint.require(name);
        requireShape(tensor, shape);
        used.add(name);
        return tensor;
    }

    private void requireShape(StoredTensor tensor, Shape shape) {
        if (!tensor.shape().equals(shape)) {
            throw wrongShape(tensor, shape);
        }
    }

    private HengException wrongShape(StoredTensor tensor, Shape shape) {
        return new HengException(
                tensor.describe() + " has the shape " + tensor.shape() + ", but " + config.file() + " makes it "
                        + shape,
                MIXED);
    }

    private static void requireType(StoredTensor tensor, List<StoredType> allowed) {
        if (!allowed.contains(tensor.type())) {
            throw new HengException(
                    tensor.describe() + " holds " + tensor.type() + "; Heng knows "
                            + String.join(
                                    ", ", allowed.stream().map(StoredType::name).toList()) + " here",
                    "convert the checkpoint");
        }
    }

    private static DType plain(StoredTensor tensor) {
        requireType(tensor, List.of(StoredType.F32, StoredType.F16, StoredType.BF16));
        return dtype(tensor);
    }

    private static DType dtype(StoredTensor tensor) {
        DType dtype = tensor.type().dtype();
        if (dtype == null) {
            throw new IllegalStateException(tensor.type() + " passed a check that it must not");
        }
        return dtype;
    }

    private WeightSource.WeightData data(Value value) {
        Weight weight = weights.get(value.name());
        if (weight == null) {
            throw new IllegalArgumentException("weight '" + value.name() + "' was never asked of the catalogue");
        }
        if (!weight.type.equals(value.type())) {
            throw new IllegalArgumentException(
                    "weight '" + value.name() + "' is " + weight.type + ", not " + value.type());
        }
        boolean vector = weight.type.shape().rank() == 1;
        List<WeightSource.Part> parts = new ArrayList<>();
        for (Stored stored : weight.parts) {
            if (vector) {
                requireSound(stored.elements, false);
            }
            if (stored.scales != null) {
                requireSound(stored.scales, true);
            }
            parts.add(new WeightSource.Part(
                    vector && stored.type.dtype() != stored.elements.type().dtype()
                            ? widened(stored.elements)
                            : stored.elements.data(),
                    stored.scales == null ? null : stored.scales.data(),
                    stored.zeroPoints == null ? null : stored.zeroPoints.data()));
        }
        return new WeightSource.WeightData(parts);
    }

    /** Checks that all elements are finite and, for scales, not negative; once for each tensor. */
    private void requireSound(StoredTensor tensor, boolean scale) {
        if (checked.contains(tensor.name())) {
            return;
        }
        long elements = tensor.elements();
        for (long index = 0; index < elements; index++) {
            double number = tensor.real(index);
            if (!Double.isFinite(number) || (scale && number < 0)) {
                throw new HengException(
                        tensor.describe() + " holds " + number + " at element " + index + ", which no "
                                + (scale ? "scale" : "norm or bias") + " can be",
                        "download the file again; if it stays, the checkpoint was damaged when it was made");
            }
        }
        checked.add(tensor.name());
    }

    /** Returns a tensor's elements as F32, in memory that lives as long as the checkpoint; once for each tensor. */
    private MemorySegment widened(StoredTensor tensor) {
        return widened.computeIfAbsent(tensor.name(), _ -> widen(tensor));
    }

    private MemorySegment widen(StoredTensor tensor) {
        long elements = tensor.elements();
        MemorySegment floats = checkpoint.allocate(elements * Float.BYTES);
        for (long index = 0; index < elements; index++) {
            floats.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), index * Float.BYTES, (float)
                    tensor.real(index));
        }
        return floats.asReadOnly();
    }

    /** One stored matrix or vector and its type as a weight of its own. */
    private record Stored(
            TensorType type,
            StoredTensor elements,
            @Nullable StoredTensor scales,
            @Nullable StoredTensor zeroPoints,
            boolean int8Activations) {}

    private record Weight(TensorType type, List<Stored> parts, boolean absorbed) {
        Weight {
            parts = List.copyOf(parts);
        }
    }
}
