package dev.heng.conformance.suite;

import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.probe.InconclusiveProbeException;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.probe.MeasuredUnit;
import dev.heng.conformance.probe.Refuter;
import dev.heng.conformance.probe.UnitProbe;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Backend;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Experiments that measure what a device's products keep and hold its numerics profile against it (NUM), through Linear alone. They stand
 * before all other cases, since every bound follows from the profile.
 */
final class ProbeExperiments {

    /** Products of so many rows and columns, since devices choose their kernels by them: decode, a few rows, a tile. */
    private static final int[] BATCHES = {1, 5, 32};

    private static final int LENGTH = 384;

    /** How many bits more than declared a unit may keep before its profile counts as understated: one, as of a fused multiply-add. */
    private static final int MODESTY = 1;

    private ProbeExperiments() {}

    static void addTo(CaseList cases) {
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            String name = Tensors.name(dtype);
            for (int batch : BATCHES) {
                cases.experiment(
                        Level.SMOKE,
                        "Linear",
                        name,
                        List.of("NUM-001", "NUM-002"),
                        "keepsWhatTheProfileDeclares",
                        name + "/rows=" + batch,
                        (id, seed, bench) -> keeps(id, seed, bench.device(), dtype, batch));
            }
            cases.experiment(
                    Level.REQUIRED,
                    "Linear",
                    name,
                    List.of("NUM-001"),
                    "isAUnitAsDeclared",
                    name,
                    (_, _, bench) -> measured(bench.device(), dtype));
        }
    }

    private static Experiment.Finding keeps(String id, long seed, Backend device, DType dtype, int batch) {
        Linear product = new Linear(device, dtype);
        String refusal = product.refusal(batch, batch, LENGTH);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Accumulation declared = MatrixUnits.declared(device.numerics(), kind(dtype));
        List<String> breaches = new ArrayList<>();
        List<String> observed = new ArrayList<>();
        Refuter.Found found = Refuter.refute(product, declared, batch, LENGTH, RandomStream.of(id, seed, "places"));
        breaches.addAll(found.refutations());
        int declaredBits =
                declared.blockLength() == 1 ? declared.sumBits() : Math.min(declared.sumBits(), declared.alignBits());
        if (found.keptBits() > declaredBits + MODESTY) {
            breaches.add("sums keep " + found.keptBits() + " bits at every place and the profile declares "
                    + declaredBits + ": bounds would be looser than the unit needs (NUM-002)");
        }
        observed.add("sums keep " + found.keptBits() + " bits, activations " + found.activationBits() + ", weights "
                + found.weightBits() + "; declared " + declared);
        return Experiment.Finding.of(observed, breaches);
    }

    private static Experiment.Finding measured(Backend device, DType dtype) {
        Linear product = new Linear(device, dtype);
        int batch = 32;
        String refusal = product.refusal(batch, batch, LENGTH);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Accumulation declared = MatrixUnits.declared(device.numerics(), kind(dtype));
        try {
            MeasuredUnit unit = UnitProbe.measure(product, batch);
            return Experiment.Finding.of(
                    List.of("measured " + unit.profile() + ", left open: " + unit.undetermined()),
                    unit.refute(MatrixUnits.unit(declared)));
        } catch (InconclusiveProbeException open) {
            // An order that fits no known unit is legal; what can be refuted in any order is the smoke level's.
            return Experiment.Finding.of(List.of("the structure stays open: " + open.getMessage()), List.of());
        }
    }

    private static Product kind(DType dtype) {
        return MatrixUnits.product(dtype, TensorType.of(dtype, Shape.of(1, 1)), ActivationFormat.FLOAT);
    }

    /** Products of a device, asked through Linear with a result in F32, or in the activations' type where F32 is declined. */
    private static final class Linear implements MatrixProduct {
        private final Backend device;
        private final DType dtype;
        private DType out = DType.F32;

        Linear(Backend device, DType dtype) {
            this.device = device;
            this.dtype = dtype;
        }

        /** Returns why the device says no, or nothing. */
        String refusal(int m, int n, int k) {
            String refusal = Session.refusal(device, scenario(new double[m * k], new double[n * k], m, n, k));
            if (!refusal.isEmpty() && out != dtype) {
                out = dtype;
                return refusal(m, n, k);
            }
            return refusal;
        }

        @Override
        public FloatFormat inputFormat() {
            return HostTensor.format(dtype);
        }

        @Override
        public FloatFormat outputFormat() {
            return HostTensor.format(out);
        }

        @Override
        public double[] multiply(double[] a, double[] b, int m, int n, int k) {
            try (Session session = Session.open(device, scenario(a, b, m, n, k))) {
                session.write(0);
                session.run(0);
                return Checks.output(session.read(0), "y").doubles();
            }
        }

        private Scenario scenario(double[] a, double[] b, int m, int n, int k) {
            GraphBuilder builder = new GraphBuilder("probe");
            Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(k)));
            TensorType type = TensorType.of(dtype, Shape.of(n, k));
            Value weight = builder.weight("weight", type);
            builder.output("y", builder.linear("linear", x, weight, ActivationFormat.FLOAT, out));
            return Scenario.of(
                    builder.build(),
                    Map.of("weight", StoredWeight.plain(type, b)),
                    Map.of(Dim.TOKENS, (long) m),
                    Map.of("x", HostTensor.floats(dtype, new int[] {m, k}, a)),
                    (_, _, _) -> List.of());
        }
    }
}
