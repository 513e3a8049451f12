package dev.heng.conformance.faulty;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.fault.ProductFault;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Op;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Products of plain matrices on an emulated unit, right or with one {@link ProductFault}. The profile declares the unit as it is, so
 * that nothing but the fault is at fault.
 */
final class FaultyUnit extends RunFault {

    /** The smallest product in which every {@link ProductFault} has a place. */
    private static final int LEAST_ROWS = 8;

    private static final int LEAST_COLUMNS = 18;
    private static final int LEAST_LENGTH = 9;

    /** Units that faults are planted in. */
    @SuppressWarnings("ImmutableEnumChecker") // Profiles and orders are records of primitives and enums.
    enum Unit {
        /** F32 multiply-adds, 32 along K at a time, whose sums are added up. */
        FLOAT32(AccumulationProfile.FLOAT32_MULTIPLY_ADD, new SummationOrder.Chunked(32), Accumulation.f32()),
        /** A matrix unit that adds 16 products at a time and truncates, as tensor cores do. */
        TRUNCATING(
                AccumulationProfile.matrixUnit(16, 24, Rounding.TOWARD_ZERO),
                new SummationOrder.Sequential(),
                Accumulation.matrixUnit(24, 16, 24, 24, NumericsProfile.Rounding.TOWARD_ZERO));

        private final AccumulationProfile profile;
        private final SummationOrder order;
        private final Accumulation declared;

        Unit(AccumulationProfile profile, SummationOrder order, Accumulation declared) {
            this.profile = profile;
            this.order = order;
            this.declared = declared;
        }
    }

    private final Unit unit;
    private final Optional<ProductFault> fault;

    FaultyUnit(Unit unit, Optional<ProductFault> fault) {
        super(
                (fault.isEmpty() ? "harmless/" : "product/")
                        + name(unit)
                        + fault.map(present -> "-unit/" + name(present)).orElse("-unit"),
                fault.map(ProductFault::description).orElse("Multiplies as its profile says."),
                fault.map(FaultyUnit::rule).orElse("LINEAR-001"),
                List.of(Op.Linear.class));
        this.unit = unit;
        this.fault = fault;
    }

    private static String name(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static String rule(ProductFault fault) {
        return switch (fault) {
            case TF32_INPUTS, BFLOAT16_INPUTS, HALF_INPUTS -> "QUANT-040";
            case TRUNCATED_OUTPUT, TWICE_ROUNDED_OUTPUT -> "FORMAT-002";
            case DROP_LAST_K,
                    DROP_LAST_K_OF_LAST_ROW,
                    DROP_LAST_8_OF_K,
                    ZERO_ELEMENT,
                    STALE_ROW,
                    SWAPPED_COLUMNS,
                    HALF_ACCUMULATOR,
                    BFLOAT16_ACCUMULATOR,
                    SCALED_BY_1_01,
                    SCALED_BY_1_001 -> "LINEAR-001";
        };
    }

    @Override
    protected NumericsProfile profile(NumericsProfile real) {
        Map<Product, Accumulation> products = new EnumMap<>(real.products());
        for (Product product : List.of(Product.F32, Product.F16, Product.BF16)) {
            products.put(product, unit.declared);
        }
        return new NumericsProfile(
                products, real.scalarUlp(), real.attentionProbability(), real.flushesSubnormals(), real.determinism());
    }

    @Override
    protected void afterRun(RunAccess run) {
        run.graph()
                .nodes()
                .forEach(node -> OperatorRun.of(run, node, Op.Linear.class).ifPresent(this::multiply));
    }

    private void multiply(OperatorRun<Op.Linear> run) {
        if (run.operands() != 2 || run.op().activation() != ActivationFormat.FLOAT || !run.isPlain(1)) {
            return;
        }
        HostTensor x = run.operand(0);
        HostTensor w = run.operand(1);
        int t = x.shape()[0];
        int k = x.shape()[1];
        int n = w.shape()[0];
        FloatFormat format = HostTensor.format(x.dtype());
        FloatFormat output = HostTensor.format(run.op().out());
        boolean large = t >= LEAST_ROWS && n >= LEAST_COLUMNS && k >= LEAST_LENGTH;
        boolean fits = fault.isEmpty() || (large && fault.get().appliesTo(format, output));
        if (x.dtype() != w.dtype() || format == FloatFormat.F64 || !fits) {
            return;
        }
        MatrixUnit emulated = new MatrixUnit(unit.profile);
        double[] a = x.doubles();
        double[] b = w.doubles();
        run.write(
                0,
                fault.isEmpty()
                        ? emulated.multiply(a, b, t, n, k, unit.order)
                        : fault.get().multiply(emulated, a, b, t, n, k, unit.order, output));
    }
}
