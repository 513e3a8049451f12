package dev.heng.conformance.suite;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.probe.InconclusiveProbeException;
import dev.heng.conformance.probe.MeasuredUnit;
import dev.heng.conformance.probe.Refuter;
import dev.heng.conformance.probe.UnitProbe;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Backend;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.tensor.DType;
import java.util.List;

/**
 * Experiments that measure what a device's products keep and refute a profile that promises more (NUM-001), through Linear alone. They stand
 * before all other cases, since every bound follows from the profile. {@link ProfileExperiments} refute one that promises less.
 */
final class ProbeExperiments {

    /** Products of so many rows, since devices choose their kernels by them: decode, a few rows, a tile. */
    private static final int[] BATCHES = {1, 5, 32};

    private static final int LENGTH = 384;

    private ProbeExperiments() {}

    static void addTo(CaseList cases) {
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            String name = Tensors.name(dtype);
            cases.experiment(
                    Level.REQUIRED,
                    "Linear",
                    name,
                    List.of("NUM-001"),
                    "isAUnitAsDeclared",
                    name,
                    (_, _, bench) -> measured(bench.device(), dtype));
        }
        for (LinearProduct.Kind kind : LinearProduct.KINDS) {
            for (int batch : BATCHES) {
                cases.experiment(
                        kind.level(),
                        "Linear",
                        Tensors.name(kind.activations()),
                        List.of("NUM-001"),
                        "keepsWhatTheProfileDeclares",
                        kind.name() + "/rows=" + batch,
                        (id, seed, bench) -> keeps(id, seed, bench.device(), kind, batch));
            }
        }
    }

    private static Experiment.Finding keeps(String id, long seed, Backend device, LinearProduct.Kind kind, int batch) {
        LinearProduct product = new LinearProduct(device, kind);
        String refusal = product.refusal(batch, Refuter.COLUMNS, LENGTH);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Accumulation declared = MatrixUnits.declared(device.numerics(), product.kind());
        Refuter.Found found = Refuter.refute(product, declared, batch, LENGTH, RandomStream.of(id, seed, "places"));
        return Experiment.Finding.of(
                List.of("sums keep " + found.keptBits() + " bits, activations " + found.activationBits() + ", weights "
                        + found.weightBits() + "; declared " + declared),
                found.refutations());
    }

    /** The declared unit with its operands' bits; how they are cut is not declared. */
    private static AccumulationProfile withOperands(Accumulation declared, MeasuredUnit measured) {
        AccumulationProfile unit = MatrixUnits.unit(declared);
        int bits = Math.min(declared.activationBits(), declared.weightBits());
        return new AccumulationProfile(
                Math.min(unit.inputBits(), bits),
                measured.profile().inputRounding(),
                unit.blockLength(),
                unit.alignBits(),
                unit.alignRounding(),
                unit.fused(),
                unit.sumBits(),
                unit.sumRounding(),
                unit.halfRange(),
                unit.promotionInterval());
    }

    private static Experiment.Finding measured(Backend device, DType dtype) {
        LinearProduct product = new LinearProduct(device, LinearProduct.Kind.plain(dtype));
        int batch = 32;
        String refusal = product.refusal(batch, batch, LENGTH);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Accumulation declared = MatrixUnits.declared(device.numerics(), product.kind());
        try {
            MeasuredUnit unit = UnitProbe.measure(product, batch);
            return Experiment.Finding.of(
                    List.of("measured " + unit.profile() + ", left open: " + unit.undetermined()),
                    unit.refute(withOperands(declared, unit)));
        } catch (InconclusiveProbeException open) {
            // An order that fits no known unit is legal; what can be refuted in any order is the smoke level's.
            return Experiment.Finding.of(List.of("the structure stays open: " + open.getMessage()), List.of());
        }
    }
}
