package dev.heng.backend.cuda.lowering;

import java.util.List;
import java.util.Map;

/**
 * What large products run on.
 *
 * @param kind the kernels
 * @param multiprocessors of the device
 * @param shapes of the kernels by warpgroups, by name; copied
 * @param library which dense products cuBLASLt takes
 */
public record MatrixUnit(Kind kind, int multiprocessors, Map<String, Shape> shapes, Library library) {

    /** Kernels that describe themselves: their shapes must be given where they are used. */
    public static final List<String> WARPGROUP_KERNELS = List.of(
            "heng_grouped_bf16_wide",
            "heng_grouped_bf16_wide_swiglu",
            "heng_grouped_bf16_narrow",
            "heng_grouped_bf16_narrow_swiglu",
            "heng_grouped_bf16_narrow_f32",
            "heng_grouped_scaled_wide",
            "heng_grouped_scaled_wide_swiglu",
            "heng_grouped_scaled_narrow",
            "heng_grouped_scaled_narrow_swiglu",
            "heng_grouped_scaled_narrow_f32",
            "heng_grouped_e4m3_wide",
            "heng_grouped_e4m3_wide_swiglu",
            "heng_grouped_e4m3_narrow",
            "heng_grouped_e4m3_narrow_swiglu",
            "heng_grouped_e4m3_narrow_f32");

    /** No matrix unit: everything on the ordinary units. */
    public static final MatrixUnit NONE = new MatrixUnit(Kind.NONE, 1, Map.of(), Library.NONE);

    public MatrixUnit {
        shapes = Map.copyOf(shapes);
    }

    /** Dense products that cuBLASLt takes. */
    public enum Library {
        /** None. */
        NONE,
        /** Those of bfloat16 and of float16. */
        HALVES,
        /** Those of float32 besides, whose operands it cuts to TF32. */
        HALVES_AND_TF32
    }

    /** Kernels of products. */
    public enum Kind {
        /** Ordinary units. */
        NONE,
        /** The warp instruction of compute capability 8.0 and later. */
        MMA,
        /** The warpgroup instruction and the copy engine of Hopper. */
        WGMMA
    }

    /**
     * A grouped product by warpgroups, as its kernel describes itself (kernels/cuda/prefill/entry.cuh).
     *
     * @param sharedBytes dynamic shared memory of a block
     * @param columns of the widest tile
     * @param box rows of a box of tokens
     * @param cluster blocks of a cluster
     * @param features of a block
     * @param elementBytes of a weight's element
     */
    public record Shape(int sharedBytes, int columns, int box, int cluster, int features, int elementBytes) {

        /** Integers of a kernel's description. */
        public static final int WORDS = 8;

        /** Reads a kernel's description. */
        public static Shape of(int[] words) {
            return new Shape(words[0], words[1], words[2], words[3], words[4], words[6]);
        }
    }

    /** Returns a kernel's shape. */
    Shape shape(String kernel) {
        Shape found = shapes.get(kernel);
        if (found == null) {
            throw new IllegalStateException("no shape of '" + kernel + "' is known");
        }
        return found;
    }
}
