package dev.heng.runtime.config;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What {@code quantization_config} says of a checkpoint's weights; which of them are quantised, their storage says. */
public sealed interface QuantizationConfig {

    /** Nothing is quantised. */
    record Unquantized() implements QuantizationConfig {}

    /**
     * DeepSeek's block-wise E4M3 ({@code quant_method} "fp8"). Source: DeepSeek-V3 README_WEIGHTS.md.
     *
     * @param blockRows rows of one block [weight_block_size]
     * @param blockColumns columns of one block
     * @param powerOfTwoScales whether activations are scaled by powers of two [scale_fmt "ue8m0"]
     */
    record Fp8Blocks(int blockRows, int blockColumns, boolean powerOfTwoScales) implements QuantizationConfig {}

    /**
     * compressed-tensors.
     *
     * @param groups the schemes and what each is for
     * @param ignore names of modules that no scheme is for, whatever its targets say
     */
    record CompressedTensors(List<Group> groups, List<ModulePattern> ignore) implements QuantizationConfig {

        public CompressedTensors {
            groups = List.copyOf(groups);
            ignore = List.copyOf(ignore);
        }

        /**
         * Returns the scheme of a linear module, or null if it is not quantised. A scheme that targets the module by name goes before one
         * that targets the class "Linear".
         *
         * @throws IllegalArgumentException if two schemes target it by name, or two by class
         */
        public @Nullable Scheme scheme(String module) {
            if (ignore.stream().anyMatch(pattern -> pattern.matches(module))) {
                return null;
            }
            Scheme named = null;
            Scheme classed = null;
            for (Group group : groups) {
                if (group.targets().stream().anyMatch(pattern -> pattern.matches(module))) {
                    if (named != null && !named.equals(group.scheme())) {
                        throw new IllegalArgumentException(
                                "two config_groups with different schemes target module '" + module + "'");
                    }
                    named = group.scheme();
                }
                if (group.linear()) {
                    if (classed != null && !classed.equals(group.scheme())) {
                        throw new IllegalArgumentException("two config_groups with different schemes target 'Linear'");
                    }
                    classed = group.scheme();
                }
            }
            return named != null ? named : classed;
        }
    }

    /**
     * One entry of {@code config_groups}.
     *
     * @param scheme how its modules are quantised
     * @param linear whether the targets name the class "Linear"
     * @param targets the targets that name modules
     */
    record Group(Scheme scheme, boolean linear, List<ModulePattern> targets) {
        public Group {
            targets = List.copyOf(targets);
        }
    }

    /** How compressed-tensors stores the weights of a module. */
    sealed interface Scheme {}

    /**
     * Format "int-quantized": symmetric int8 with a scale for each output channel.
     *
     * @param int8Activations whether activations are rounded to int8 for each token
     */
    record Int8Channels(boolean int8Activations) implements Scheme {}

    /**
     * Format "pack-quantized": 4-bit codes in int32 words.
     *
     * @param groupSize columns that share a scale, or null where a whole row does [strategy "channel"]
     * @param zeroPoints whether zero points are stored [symmetric false]
     */
    record Int4Groups(@Nullable Integer groupSize, boolean zeroPoints) implements Scheme {}
}
