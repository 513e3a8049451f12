package dev.heng.conformance.evidence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.compare.Outcome;
import dev.heng.conformance.fault.ProductFault;
import dev.heng.conformance.fault.RoutingFault;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.RoutingFill;
import dev.heng.conformance.format.FloatFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** The quick part of the evidence; {@link EvidenceTablesTest} has the whole. */
final class EvidenceTest {

    @Test
    void legalProductsRaiseNoAlarm() {
        FalseAlarms.Tally total = new FalseAlarms.Tally();
        for (FloatFormat format : FalseAlarms.FORMATS) {
            for (int k : new int[] {64, 256, 2048}) {
                // Small products of many units: the nightly tables have large ones, and longer sums.
                total.add(FalseAlarms.study(new FalseAlarms.Grid(
                        format, k, new int[] {11, 12, 14, 18, 24, 25}, new int[] {4, 16, 128}, 8, 16)));
            }
        }
        assertEquals(List.of(), total.alarms);
        assertTrue(total.products >= 2000, total.products + " products");
    }

    static List<MatrixFill> signedFills() {
        List<MatrixFill> fills = new ArrayList<>();
        for (MatrixFill fill : MatrixFill.values()) {
            if (fill.isSignedIndependent() && fill != MatrixFill.NON_FINITE_ROWS) {
                fills.add(fill);
            }
        }
        return fills;
    }

    @Test
    void everyProductFaultIsKilledUnderEveryProfile() {
        List<String> alarms = new ArrayList<>();
        for (FloatFormat format : new FloatFormat[] {FloatFormat.F32, FloatFormat.BF16, FloatFormat.F16}) {
            for (int k : new int[] {64, 256}) {
                Map<ProductFault, ProductKills.Tally> tallies = ProductKills.study(
                        format, k, ProductKills.profiles(new int[] {11, 12, 25}, new int[] {4, 128}), true, alarms);
                tallies.forEach((fault, tally) -> assertEquals(List.of(), tally.survivors, fault.toString()));
            }
        }
        assertEquals(List.of(), alarms);
    }

    @Test
    void everyRoutingFaultIsKilledBySomeFillAndCorrectRoutingByNone() {
        Set<RoutingFault> killed = new TreeSet<>();
        for (RoutingFill fill : RoutingFill.values()) {
            assertEquals(
                    Outcome.PASS,
                    RoutingKills.judge(fill, Optional.empty(), 7).outcome(),
                    () -> RoutingKills.judge(fill, Optional.empty(), 7).toString());
            for (RoutingFault fault : RoutingFault.values()) {
                if (RoutingKills.judge(fill, Optional.of(fault), 7).outcome() == Outcome.FAIL) {
                    killed.add(fault);
                }
            }
        }
        assertEquals(Set.of(RoutingFault.values()), killed);
        // These die under one fill only, which therefore must stay.
        assertFalse(RoutingKills.judge(RoutingFill.NEGATIVE_BIAS, Optional.of(RoutingFault.MASKED_AS_ZERO), 7)
                .passed());
        assertFalse(RoutingKills.judge(RoutingFill.VANISHING_SCORES, Optional.of(RoutingFault.NO_EPSILON), 7)
                .passed());
        assertFalse(
                RoutingKills.judge(RoutingFill.NOT_NORMALIZED, Optional.of(RoutingFault.FACTOR_ONLY_IF_NORMALIZED), 7)
                        .passed());
    }

    @Test
    void theModelOfTheH200PassesItsOwnBoundAndTheMeasuredCells() {
        for (HopperCells.Kind kind : HopperCells.Kind.values()) {
            HopperCells.Cell cell = HopperCells.cell(kind, MatrixFill.NORMAL, 2048, new SummationOrder.Sequential());
            assertTrue(cell.element().passed(), kind + ": " + cell.element());
            assertTrue(cell.bias().passed(), kind + ": " + cell.bias());
        }
    }
}
