package dev.heng.conformance.suite;

import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.probe.Refuter;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Backend;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Experiments that refute a numerics profile which promises less than the device does, and so would loosen the bounds that it is judged by:
 * sums and operands that keep more bits than declared (NUM-002), and errors that no sound evaluation needs (NUM-004).
 */
final class ProfileExperiments {

    /**
     * Rows of the products asked. A declaration speaks for all kernels that a device chooses among by them, and may be as modest as the worst, which is often that for many
     * rows: it is asked first.
     */
    private static final int[] ROWS = {64, 32, 5, 1};

    private static final int LENGTH = 384;

    /** Rows of attention: of a prompt, and a step of decoding. */
    private static final int[] ATTENTION_ROWS = {32, 1};

    private static final int SLOTS = 512;

    /** How many bits more than declared a unit may keep: one, as of a fused multiply-add. */
    private static final int MODESTY = 1;

    /** Probabilities asked for. One that is rounded comes out right to a quarter of a place in a quarter of all cases. */
    private static final int PROBABILITIES = 24;

    /**
     * Units in the last place of F32 that a profile may declare at most. exp, 1/sqrt(x), x/y, sin and cos: OpenCL C 3.0, "ULP values for single precision built-in
     * math functions"; the others follow from them (F9, {@link dev.heng.conformance.bound.ScalarFunction}).
     */
    private static final Map<ScalarFunction, Double> LARGEST_ULP = Map.of(
            ScalarFunction.EXP, ulp(dev.heng.conformance.bound.ScalarFunction.EXP),
            ScalarFunction.SIGMOID, ulp(dev.heng.conformance.bound.ScalarFunction.SIGMOID),
            ScalarFunction.SILU, ulp(dev.heng.conformance.bound.ScalarFunction.SILU),
            ScalarFunction.SOFTPLUS, ulp(dev.heng.conformance.bound.ScalarFunction.SOFTPLUS),
            ScalarFunction.RSQRT, ulp(dev.heng.conformance.bound.ScalarFunction.RSQRT),
            ScalarFunction.DIVIDE, ulp(dev.heng.conformance.bound.ScalarFunction.RECIPROCAL),
            ScalarFunction.SINCOS, 4.0);

    private ProfileExperiments() {}

    private static double ulp(dev.heng.conformance.bound.ScalarFunction function) {
        return function.units() / 2.0;
    }

    static void addTo(CaseList cases) {
        for (LinearProduct.Kind kind : LinearProduct.KINDS) {
            cases.experiment(
                    Level.SMOKE,
                    "Linear",
                    Tensors.name(kind.activations()),
                    List.of("NUM-002"),
                    "declaresWhatItKeeps",
                    kind.name(),
                    (id, seed, bench) -> products(id, seed, bench.device(), kind));
        }
        cases.experiment(
                Level.SMOKE,
                "GroupedQueryAttention",
                "any",
                List.of("NUM-002"),
                "declaresWhatItKeeps",
                "sums",
                (id, seed, bench) -> attention(id, seed, bench.device()));
        cases.experiment(
                Level.SMOKE,
                "GroupedQueryAttention",
                "any",
                List.of("NUM-002"),
                "declaresWhatItKeeps",
                "probabilities",
                (id, seed, bench) -> probabilities(RandomStream.of(id, seed, "scores"), bench.device()));
        cases.experiment(
                Level.SMOKE,
                "Profile",
                "any",
                List.of("NUM-004"),
                "declaresNoMoreThanSoundEvaluationsErr",
                "all",
                (_, _, bench) -> limits(bench.device().numerics()));
    }

    private static Experiment.Finding products(String id, long seed, Backend device, LinearProduct.Kind kind) {
        LinearProduct product = new LinearProduct(device, kind);
        for (int rows : ROWS) {
            String refusal = product.refusal(rows, Refuter.COLUMNS, LENGTH);
            if (!refusal.isEmpty()) {
                return Experiment.Finding.declined(refusal);
            }
        }
        Accumulation declared = MatrixUnits.declared(device.numerics(), product.kind());
        return compare(declared, ROWS, rows -> ask(product, declared, rows, LENGTH, id, seed));
    }

    /**
     * Of attention only this direction can be refuted in any order: a device may divide parts of a sum by their own share of the probabilities before it adds them, each
     * with a rounding that is none of the sum's.
     */
    private static Experiment.Finding attention(String id, long seed, Backend device) {
        String refusal = "";
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            refusal = new AttentionProduct(device, dtype, 1).refusal(SLOTS);
            if (refusal.isEmpty()) {
                Accumulation declared = MatrixUnits.declared(device.numerics(), Product.ATTENTION);
                return compare(declared, ATTENTION_ROWS, rows -> {
                    AttentionProduct product = new AttentionProduct(device, dtype, rows);
                    return ask(product, declared, 1, SLOTS, id, seed);
                });
            }
        }
        return Experiment.Finding.declined(refusal);
    }

    private static Refuter.Found ask(
            MatrixProduct product, Accumulation declared, int rows, int length, String id, long seed) {
        return Refuter.refute(product, declared, rows, length, RandomStream.of(id, seed, "places"));
    }

    /** Takes the least of what is kept over numbers of rows, and asks no further once it is what was declared. */
    private static Experiment.Finding compare(Accumulation declared, int[] rows, IntFunction<Refuter.Found> asked) {
        int sums =
                declared.blockLength() == 1 ? declared.sumBits() : Math.min(declared.sumBits(), declared.alignBits());
        int kept = Integer.MAX_VALUE;
        int activations = Integer.MAX_VALUE;
        int weights = Integer.MAX_VALUE;
        List<String> breaches = new ArrayList<>();
        for (int index = 0; index < rows.length && (index == 0 || !breaches.isEmpty()); index++) {
            Refuter.Found found = asked.apply(rows[index]);
            kept = Math.min(kept, found.keptBits());
            activations = Math.min(activations, found.activationBits());
            weights = Math.min(weights, found.weightBits());
            breaches.clear();
            addBreach(breaches, "sums", kept, sums);
            addBreach(breaches, "activations", activations, declared.activationBits());
            addBreach(breaches, "weights", weights, declared.weightBits());
        }
        return Experiment.Finding.of(
                List.of("sums keep " + kept + " bits, activations " + activations + ", weights " + weights
                        + "; declared " + declared),
                breaches);
    }

    private static void addBreach(List<String> breaches, String what, int kept, int declared) {
        if (kept > declared + MODESTY) {
            breaches.add(what + " keep " + kept + " bits in every number of rows asked and the profile declares "
                    + declared + ": bounds would be looser than the unit needs (NUM-002)");
        }
    }

    /**
     * Asks whether probabilities are as coarse as declared. Of two slots the second's exponential is e, and the first's value takes away e as the declared type has it: what
     * is left is the rounding of that type. A device that rounds e gives nothing, one that rounds both shares gives chance, and one that keeps e gives it
     * every time.
     */
    private static Experiment.Finding probabilities(RandomStream stream, Backend device) {
        DType declared = device.numerics().attentionProbability();
        if (declared.significandBits() >= DType.F32.significandBits()) {
            return Experiment.Finding.of(List.of("probabilities are declared whole"), List.of());
        }
        String refusal = "";
        for (DType dtype : List.of(DType.F32, DType.F16, DType.BF16)) {
            AttentionProduct product = new AttentionProduct(device, dtype, 1);
            if (dtype.significandBits() >= declared.significandBits()) {
                refusal = product.refusal(2);
                if (refusal.isEmpty()) {
                    return probabilities(stream, product, declared);
                }
            }
        }
        return Experiment.Finding.declined(refusal);
    }

    private static Experiment.Finding probabilities(RandomStream stream, AttentionProduct product, DType declared) {
        int whole = 0;
        for (int asked = 0; asked < PROBABILITIES; ) {
            double score = product.inputFormat().round(-3 * stream.uniform());
            double exponential = StrictMath.exp(score);
            double taken = HostTensor.format(declared).round(exponential);
            if (Math.abs(exponential - taken) < HostTensor.format(declared).ulp(exponential) / 4) {
                continue;
            }
            asked++;
            double[] values = new double[2 * AttentionProduct.WIDTH];
            values[0] = -taken;
            values[AttentionProduct.WIDTH] = 1;
            double left = (exponential - taken) / (1 + exponential);
            double got = product.attend(new double[] {0, score}, values)[0];
            whole += Math.abs(got - left) < Math.abs(left) / 4 ? 1 : 0;
        }
        String seen = whole + " of " + PROBABILITIES + " probabilities keep more than " + declared + " has";
        List<String> breaches = whole < PROBABILITIES
                ? List.of()
                : List.of(
                        seen
                                + ", which is what the profile declares: bounds would be looser than the device needs (NUM-002)");
        return Experiment.Finding.of(List.of(seen), breaches);
    }

    private static Experiment.Finding limits(NumericsProfile profile) {
        List<String> breaches = new ArrayList<>();
        profile.scalarUlp().forEach((function, declared) -> {
            double largest = LARGEST_ULP.getOrDefault(function, 0.0);
            // The negation catches a NaN.
            if (!(declared >= 0 && declared <= largest)) {
                breaches.add(
                        function + " is declared to err by " + declared + " units in the last place, more than the "
                                + largest + " that a sound evaluation in F32 needs");
            }
        });
        if (!List.of(DType.F64, DType.F32, DType.F16, DType.BF16).contains(profile.attentionProbability())) {
            breaches.add("attention's probabilities are declared to be rounded to " + profile.attentionProbability());
        }
        return Experiment.Finding.of(List.of("declared " + profile.scalarUlp()), breaches);
    }
}
