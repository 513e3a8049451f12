package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.backend.cuda.lowering.MatrixUnit;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.Rounding;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/** What products of many rows run on, by the option {@value #OPTION}, and what that declares of their arithmetic. */
enum LinearChoice {
    /** Hopper's warpgroup instruction and copy engine. */
    WGMMA(MatrixUnit.Kind.WGMMA),
    /** The warp instruction of every GPU from compute capability 8.0 on. */
    MMA(MatrixUnit.Kind.MMA),
    /** The ordinary units, in float32. */
    FLOAT32(MatrixUnit.Kind.NONE),
    /** cuBLASLt for dense products of plain bfloat16 and float16, for the others the best that the device has. */
    CUBLASLT(MatrixUnit.Kind.WGMMA),
    /** The same, and float32 products in TF32. */
    CUBLASLT_TF32(MatrixUnit.Kind.WGMMA);

    /** Option of {@code open}: "auto" (the default) takes the best that the device has. */
    static final String OPTION = "linear";

    /** System property: the choice where the option is not given. */
    static final String PROPERTY = "heng.cuda.linear";

    private final MatrixUnit.Kind kind;

    LinearChoice(MatrixUnit.Kind kind) {
        this.kind = kind;
    }

    /**
     * Reads the option.
     *
     * @throws BackendException with INVALID_OPTION if there is no such choice, or the device does not have it
     */
    static LinearChoice of(BackendOptions options, DeviceInfo device) {
        boolean hopper = isHopper(device);
        String text = options.settings().getOrDefault(OPTION, System.getProperty(PROPERTY, "auto"));
        return switch (text) {
            case "auto" -> hopper ? WGMMA : MMA;
            case "wgmma" -> {
                if (!hopper) {
                    throw refused(text, "needs compute capability 9.0", "mma");
                }
                yield WGMMA;
            }
            case "mma" -> MMA;
            case "float32" -> FLOAT32;
            case "cublaslt" -> CUBLASLT;
            case "cublaslt-tf32" -> CUBLASLT_TF32;
            default -> throw refused(text, "is not known", "auto, wgmma, mma, float32, cublaslt or cublaslt-tf32");
        };
    }

    private static BackendException refused(String text, String why, String remedy) {
        return BackendException.of(
                BackendException.Code.INVALID_OPTION,
                "backend '" + CudaBackendProvider.ID + "': option '" + OPTION + "' is '" + text + "', which " + why,
                "give " + remedy);
    }

    /** Describes the unit to the lowering. */
    MatrixUnit unit(CudaDevice device, DeviceInfo info) {
        Map<String, MatrixUnit.Shape> shapes = new HashMap<>();
        MatrixUnit.Kind present = kindOn(info);
        if (present == MatrixUnit.Kind.WGMMA) {
            Function<String, MatrixUnit.Shape> read =
                    kernel -> MatrixUnit.Shape.of(device.constants(kernel + "_shape", MatrixUnit.Shape.WORDS));
            for (String kernel : MatrixUnit.WARPGROUP_KERNELS) {
                shapes.put(kernel, read.apply(kernel));
            }
        }
        MatrixUnit.Library library = switch (this) {
            case WGMMA, MMA, FLOAT32 -> MatrixUnit.Library.NONE;
            case CUBLASLT -> MatrixUnit.Library.HALVES;
            case CUBLASLT_TF32 -> MatrixUnit.Library.HALVES_AND_TF32;
        };
        int multiprocessors = Integer.parseInt(info.facts().getOrDefault("multiprocessors", "1"));
        return new MatrixUnit(present, multiprocessors, shapes, library);
    }

    private static boolean isHopper(DeviceInfo device) {
        return "9.0".equals(device.facts().get("computeCapability"));
    }

    /** What a choice means on a device: warpgroups are Hopper's alone. */
    private MatrixUnit.Kind kindOn(DeviceInfo device) {
        return kind == MatrixUnit.Kind.WGMMA && !isHopper(device) ? MatrixUnit.Kind.MMA : kind;
    }

    /** Returns whether cuBLASLt is needed. */
    boolean usesLibrary() {
        return this == CUBLASLT || this == CUBLASLT_TF32;
    }

    /**
     * What products keep. Few rows, float32 and float16 activations and odd shapes are computed on the ordinary units in every choice; the profile knows one promise for a
     * kind of product, so that it states what the weakest of its kernels keeps.
     */
    NumericsProfile profile(NumericsProfile ordinary, DeviceInfo device) {
        if (this == FLOAT32) {
            return ordinary;
        }
        // Of architectures before Hopper the block's length is assumed: nobody has probed one here.
        int block = isHopper(device) ? 16 : 8;
        Map<Product, Accumulation> products = new EnumMap<>(ordinary.products());
        products.put(Product.BF16, unit(8, block));
        // Keys and values are rounded to bf16 where they are expanded, and probabilities before they weigh values.
        products.put(Product.LATENT_ATTENTION_BF16, unit(8, block));
        if (kindOn(device) == MatrixUnit.Kind.WGMMA) {
            // Weights reach the unit exactly; factors multiply float32 sums.
            products.put(Product.FP8_WEIGHT, unit(24, block));
            products.put(Product.INT8_WEIGHT, unit(24, block));
            products.put(Product.INT4_WEIGHT, unit(24, block));
            products.put(
                    Product.FP8, new Accumulation(24, 24, 32, 14, Rounding.TOWARD_ZERO, 14, Rounding.TOWARD_ZERO, 128));
        }
        if (usesLibrary()) {
            products.put(Product.F16, unit(11, block));
        }
        if (this == CUBLASLT_TF32) {
            products.put(Product.F32, unit(11, block / 2));
        }
        return new NumericsProfile(
                products,
                ordinary.scalarUlp(),
                ordinary.attentionProbability(),
                ordinary.flushesSubnormals(),
                ordinary.determinism());
    }

    /** A unit that keeps 26 bits of each product and a running sum of 24, all cut toward zero: measured on an H200 (docs/numerics.md, section 6). */
    private static Accumulation unit(int factorBits, int block) {
        return Accumulation.matrixUnit(factorBits, block, 26, 24, Rounding.TOWARD_ZERO);
    }
}
