package dev.heng.conformance.faulty;

import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.Rounding;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Devices that compute rightly and declare numerics by which wrong results would pass too. */
final class ProfileFaults {

    private ProfileFaults() {}

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        for (Product product : Product.values()) {
            // F64 is the oracle's own, and no bound follows from what is declared of int8 by int8, whose sums are exact
            // (QUANT-042).
            // What is declared of latent attention apart is believed: no probe asks it yet.
            if (product != Product.F64 && product != Product.INT8 && product != Product.LATENT_ATTENTION_BF16) {
                faults.add(accumulation(
                        "sums-of-11-bits",
                        "Sums are declared to keep 11 bits.",
                        product,
                        _ -> Accumulation.matrixUnit(24, 4, 11, 11, Rounding.TOWARD_ZERO)));
            }
        }
        for (Product product : List.of(Product.F32, Product.FP8_WEIGHT, Product.INT8_WEIGHT, Product.INT4_WEIGHT)) {
            faults.add(accumulation(
                    "activations-of-8-bits",
                    "Activations are declared to be cut to 8 bits.",
                    product,
                    real -> operands(real, 8, real.weightBits())));
        }
        faults.add(accumulation(
                "weights-of-8-bits",
                "Weights are declared to be cut to 8 bits.",
                Product.F32,
                real -> operands(real, real.activationBits(), 8)));
        faults.add(fault(
                "probabilities-in-bfloat16",
                "Attention's probabilities are declared to be rounded to BF16.",
                "NUM-002",
                real -> probabilities(real, DType.BF16)));
        faults.add(fault(
                "probabilities-in-float8",
                "Attention's probabilities are declared to be rounded to E4M3.",
                "NUM-004",
                real -> probabilities(real, DType.F8_E4M3)));
        for (ScalarFunction function : ScalarFunction.values()) {
            faults.add(fault(
                    name(function) + "-errs-by-a-hundred",
                    "The function is declared to err by 100 units in the last place.",
                    "NUM-004",
                    real -> scalar(real, function)));
        }
        return faults;
    }

    private static Fault accumulation(
            String name, String description, Product product, UnaryOperator<Accumulation> change) {
        return fault(name(product) + "-" + name, description, "NUM-002", real -> {
            Map<Product, Accumulation> products = new EnumMap<>(real.products());
            products.computeIfPresent(product, (_, declared) -> change.apply(declared));
            return new NumericsProfile(
                    products,
                    real.scalarUlp(),
                    real.attentionProbability(),
                    real.flushesSubnormals(),
                    real.determinism());
        });
    }

    private static Accumulation operands(Accumulation real, int activationBits, int weightBits) {
        return new Accumulation(
                activationBits,
                weightBits,
                real.blockLength(),
                real.alignBits(),
                real.alignRounding(),
                real.sumBits(),
                real.sumRounding(),
                real.promotionInterval());
    }

    private static NumericsProfile probabilities(NumericsProfile real, DType dtype) {
        return new NumericsProfile(
                real.products(), real.scalarUlp(), dtype, real.flushesSubnormals(), real.determinism());
    }

    private static NumericsProfile scalar(NumericsProfile real, ScalarFunction function) {
        Map<ScalarFunction, Double> ulp = new EnumMap<>(real.scalarUlp());
        ulp.put(function, 100.0);
        return new NumericsProfile(
                real.products(), ulp, real.attentionProbability(), real.flushesSubnormals(), real.determinism());
    }

    private static String name(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static Fault fault(
            String name, String description, String rule, UnaryOperator<NumericsProfile> declaration) {
        return new RunFault("profile/" + name, description, rule) {
            @Override
            protected NumericsProfile profile(NumericsProfile real) {
                return declaration.apply(real);
            }
        };
    }
}
