package dev.heng.backend.cuda.lowering;

import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One kernel's argument block while it is written. Every field must be set exactly once: a forgotten one is found here and not on the device. */
final class Arguments {

    private final ArgumentBlocks.Block block;
    private final MemorySegment memory;
    private final Set<String> set = new HashSet<>();
    private final List<MatrixMap> maps = new ArrayList<>();

    Arguments(ArgumentBlocks.Block block, Arena arena) {
        this.block = block;
        this.memory = arena.allocate(block.bytes(), Math.max(16, block.alignment()));
    }

    Arguments set(String field, long value) {
        ArgumentBlocks.Field at = claim(field);
        switch (at.kind()) {
            case POINTER, LONG -> memory.set(ValueLayout.JAVA_LONG, at.offset(), value);
            case INT -> memory.set(ValueLayout.JAVA_INT, at.offset(), Math.toIntExact(value));
            case FLOAT, DOUBLE -> throw new IllegalArgumentException(block.name() + "." + field + " is a real number");
        }
        return this;
    }

    Arguments set(String field, boolean value) {
        return set(field, value ? 1 : 0);
    }

    Arguments real(String field, double value) {
        ArgumentBlocks.Field at = claim(field);
        switch (at.kind()) {
            case DOUBLE -> memory.set(ValueLayout.JAVA_DOUBLE, at.offset(), value);
            case FLOAT -> memory.set(ValueLayout.JAVA_FLOAT, at.offset(), (float) value);
            case POINTER, LONG, INT ->
                throw new IllegalArgumentException(block.name() + "." + field + " is an integer");
        }
        return this;
    }

    /** Writes a {@code Rows}; null is "none". */
    Arguments rows(String field, @Nullable Located rows) {
        set(field + ".data", rows == null ? 0 : rows.address());
        set(field + ".stride", rows == null ? 0 : rows.stride());
        set(field + ".type", rows == null ? 0 : typeOf(rows.type()));
        return set(field + ".columns", rows == null ? 0 : rows.columns());
    }

    /** Writes a {@code Weight}; null is "none". */
    Arguments weight(String field, @Nullable StoredWeight weight) {
        set(field + ".data", weight == null ? 0 : weight.elements());
        set(field + ".scales", weight == null ? 0 : weight.scales());
        set(field + ".zeros", weight == null ? 0 : weight.zeros());
        set(field + ".expert_bytes", weight == null ? 0 : weight.expertBytes());
        set(field + ".expert_scale_bytes", weight == null ? 0 : weight.expertScaleBytes());
        set(field + ".expert_zero_bytes", weight == null ? 0 : weight.expertZeroBytes());
        set(
                field + ".row_bytes",
                weight == null ? 0 : WeightSizes.rowBytes(weight.value().type()));
        set(
                field + ".format",
                weight == null ? 0 : formatOf(weight.value().type().dtype()));
        set(field + ".rows", weight == null ? 0 : weight.rows());
        set(field + ".columns", weight == null ? 0 : weight.columns());
        Quantization quantization =
                weight == null ? Quantization.NONE : weight.value().type().quantization();
        return switch (quantization) {
            case Quantization.None _ -> scale(field, DType.F32, 1, 1);
            case Quantization.Fp8Blocks blocks ->
                scale(field, blocks.scaleType(), blocks.blockRows(), blocks.blockColumns());
            case Quantization.Int8Channels channels -> scale(field, channels.scaleType(), 1, 1);
            case Quantization.Int4Groups groups -> scale(field, groups.scaleType(), 1, groups.groupSize());
        };
    }

    private Arguments scale(String field, DType type, long blockRows, long blockColumns) {
        set(field + ".scale_type", typeOf(type));
        set(field + ".block_rows", blockRows);
        return set(field + ".block_columns", blockColumns);
    }

    /** Leaves room for a {@code TensorMap}, which the driver writes. */
    Arguments map(String field, MatrixMap map) {
        int offset = claim(field + ".word0").offset();
        for (int word = 1; word < MatrixMap.BYTES / Long.BYTES; word++) {
            claim(field + ".word" + word);
        }
        maps.add(map.at(offset));
        return this;
    }

    /** Returns what the driver must write. */
    List<MatrixMap> maps() {
        return maps;
    }

    private ArgumentBlocks.Field claim(String field) {
        ArgumentBlocks.Field at = block.fields().get(field);
        if (at == null || !set.add(field)) {
            throw new IllegalArgumentException(block.name() + " has no field '" + field + "' left to set");
        }
        return at;
    }

    /** Returns the finished block. */
    MemorySegment finished() {
        if (set.size() != block.fields().size()) {
            Set<String> missing = new HashSet<>(block.fields().keySet());
            missing.removeAll(set);
            throw new IllegalStateException(block.name() + ": not set: " + missing);
        }
        return memory;
    }

    /** Returns the number by which kernels know an element type. Source: enum Type of types.cuh. */
    static int typeOf(DType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 2;
            case F8_E8M0 -> 3;
            case I32 -> 4;
            case I64 -> 5;
            case F64, F8_E4M3, I8, I4 -> throw new IllegalArgumentException("kernels have no rows of type " + type);
        };
    }

    /** Returns the number by which kernels know a weight's format. Source: enum Format of types.cuh. */
    static int formatOf(DType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 2;
            case F8_E4M3 -> 3;
            case I8 -> 4;
            case I4 -> 5;
            case F64, F8_E8M0, I32, I64 ->
                throw new IllegalArgumentException("kernels have no weights of type " + type);
        };
    }

    /** Returns the ending of kernels that are compiled for a weight's format. */
    static String suffixOf(DType type) {
        return SUFFIXES[formatOf(type)];
    }

    private static final String[] SUFFIXES = {"f32", "f16", "bf16", "e4m3", "i8", "i4"};
}
