package dev.heng.runtime.config;

import java.util.ArrayList;
import java.util.List;

/** Reads {@code quantization_config}. */
final class QuantizationReader {

    private static final int MAXIMUM_BLOCK = 1 << 16;

    private final Fields config;

    QuantizationReader(Fields config) {
        this.config = config;
    }

    QuantizationConfig read() {
        Fields fields = config.objectOrNull("quantization_config");
        if (config.has("compression_config")) {
            throw config.fault(
                    "compression_config",
                    "is the old place of compressed-tensors' settings",
                    "convert the checkpoint with a current compressed-tensors");
        }
        if (fields == null) {
            return new QuantizationConfig.Unquantized();
        }
        String method = fields.requireString("quant_method");
        return switch (method) {
            case "fp8" -> fp8(fields);
            case "compressed-tensors" -> compressedTensors(fields);
            default -> throw fields.unknown("quant_method", method, List.of("fp8", "compressed-tensors"));
        };
    }

    private static QuantizationConfig fp8(Fields fields) {
        fields.choiceOrNull("fmt", List.of("e4m3", "float8_e4m3fn"));
        fields.choiceOrNull("activation_scheme", List.of("dynamic"));
        String scale = fields.choiceOrNull("scale_fmt", List.of("float", "ue8m0"));
        // Which weights were not converted shows in their type; the list only has to be one.
        fields.strings("modules_to_not_convert");
        List<Integer> block = fields.ints("weight_block_size", 1, MAXIMUM_BLOCK);
        if (block.size() != 2) {
            throw fields.fault(
                    "weight_block_size",
                    block.isEmpty() ? "is missing" : "has " + block.size() + " entries, not 2",
                    "use a checkpoint quantised in blocks, such as [128, 128]");
        }
        return new QuantizationConfig.Fp8Blocks(block.get(0), block.get(1), "ue8m0".equals(scale));
    }

    private static QuantizationConfig compressedTensors(Fields fields) {
        List<String> formats = List.of("int-quantized", "pack-quantized");
        String format = fields.requireString("format");
        if (!formats.contains(format)) {
            throw fields.unknown("format", format, formats);
        }
        fields.choiceOrNull("quantization_status", List.of("compressed", "frozen"));
        if (fields.has("kv_cache_scheme")) {
            throw fields.fault(
                    "kv_cache_scheme",
                    "asks for a quantised cache, which Heng does not keep",
                    "use a checkpoint where it is null");
        }
        refuseFilled(fields, "sparsity_config");
        refuseFilled(fields, "transform_config");
        Fields groups = fields.requireObject("config_groups");
        List<QuantizationConfig.Group> read = new ArrayList<>();
        for (String name : groups.names()) {
            Fields group = groups.requireObject(name);
            String own = group.choiceOrNull("format", formats);
            read.add(group(group, own == null ? format : own));
        }
        if (read.isEmpty()) {
            throw fields.fault("config_groups", "is empty", "use a checkpoint whose quantisation is stated");
        }
        return new QuantizationConfig.CompressedTensors(read, patterns(fields, "ignore"));
    }

    private static void refuseFilled(Fields fields, String name) {
        Fields object = fields.objectOrNull(name);
        if (object == null) {
            return;
        }
        boolean dense = "dense".equals(object.stringOrNull("format"));
        if (!object.names().isEmpty() && !dense) {
            throw fields.fault(name, "asks for a computation that Heng does not do", "use a checkpoint without it");
        }
    }

    private static QuantizationConfig.Group group(Fields group, String format) {
        if (group.has("output_activations")) {
            throw group.fault("output_activations", "is set", "use a checkpoint where it is null");
        }
        QuantizationConfig.Scheme scheme = format.equals("int-quantized") ? int8(group) : int4(group);
        boolean linear = false;
        List<ModulePattern> targets = new ArrayList<>();
        for (String target : group.strings("targets")) {
            if (target.equals("Linear")) {
                linear = true;
            } else {
                targets.add(pattern(group, "targets", target));
            }
        }
        if (!linear && targets.isEmpty()) {
            throw group.fault("targets", "names nothing", "use a checkpoint whose quantisation is stated");
        }
        return new QuantizationConfig.Group(scheme, linear, targets);
    }

    private static QuantizationConfig.Scheme int8(Fields group) {
        Fields weights = weights(group, 8);
        if (!weights.booleanOr("symmetric", true)) {
            throw weights.fault("symmetric", "is false for int8 weights", "use symmetric int8 weights");
        }
        requireString(weights, "strategy", List.of("channel"));
        Fields activations = group.objectOrNull("input_activations");
        if (activations == null) {
            return new QuantizationConfig.Int8Channels(false);
        }
        requireBits(activations, 8);
        requireString(activations, "strategy", List.of("token"));
        if (!activations.booleanOr("dynamic", false)) {
            throw activations.fault(
                    "dynamic", "is not true: scales measured in advance are not supported", "use dynamic activations");
        }
        if (!activations.booleanOr("symmetric", true)) {
            throw activations.fault("symmetric", "is false for activations", "use symmetric activations");
        }
        return new QuantizationConfig.Int8Channels(true);
    }

    private static QuantizationConfig.Scheme int4(Fields group) {
        Fields weights = weights(group, 4);
        if (group.has("input_activations")) {
            throw group.fault("input_activations", "is set beside 4-bit weights", "use weight-only 4-bit quantisation");
        }
        String strategy = requireString(weights, "strategy", List.of("group", "channel"));
        boolean zeroPoints = !weights.booleanOr("symmetric", true);
        if (strategy.equals("group")) {
            return new QuantizationConfig.Int4Groups(weights.requireInt("group_size", 1, Limits.WIDTH), zeroPoints);
        }
        return new QuantizationConfig.Int4Groups(null, zeroPoints);
    }

    private static Fields weights(Fields group, int bits) {
        Fields weights = group.requireObject("weights");
        requireBits(weights, bits);
        if (weights.booleanOr("dynamic", false)) {
            throw weights.fault("dynamic", "is true for weights", "use a checkpoint with stored scales");
        }
        // "weight" and its other name only change how the quantiser rounded; "group" permutes columns.
        weights.choiceOrNull("actorder", List.of("weight", "static"));
        return weights;
    }

    private static void requireBits(Fields fields, int bits) {
        int stated = fields.requireInt("num_bits", 1, 64);
        if (stated != bits) {
            throw fields.unknown("num_bits", Integer.toString(stated), List.of(Integer.toString(bits)));
        }
        fields.choiceOrNull("type", List.of("int"));
        if (!fields.has("type")) {
            throw fields.missing("type");
        }
    }

    private static String requireString(Fields fields, String name, List<String> allowed) {
        String value = fields.requireString(name);
        if (!allowed.contains(value)) {
            throw fields.unknown(name, value, allowed);
        }
        return value;
    }

    private static List<ModulePattern> patterns(Fields fields, String name) {
        List<ModulePattern> patterns = new ArrayList<>();
        for (String text : fields.strings(name)) {
            patterns.add(pattern(fields, name, text));
        }
        return patterns;
    }

    private static ModulePattern pattern(Fields fields, String name, String text) {
        try {
            return ModulePattern.of(text);
        } catch (IllegalArgumentException e) {
            throw fields.fault(name, "holds what cannot be used: " + e.getMessage(), "correct the pattern");
        }
    }
}
