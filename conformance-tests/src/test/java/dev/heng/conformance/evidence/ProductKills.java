package dev.heng.conformance.evidence;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.compare.Outcome;
import dev.heng.conformance.compare.ProductTrials;
import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.fault.FaultyProduct;
import dev.heng.conformance.fault.ProductFault;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.probe.EmulatedProduct;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.random.RandomStream;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Plants every product fault in units of every profile and counts which trial finds it. */
final class ProductKills {

    static final int ROWS = 16;
    static final int COLUMNS = 32;

    /** Kills of one fault: by the element bound, the bias test, exact sums, copies, and by any of them. */
    static final class Tally {
        final int[] byTrial = new int[4];
        int killed;
        int legal;
        final List<String> survivors = new ArrayList<>();
    }

    private ProductKills() {}

    static List<AccumulationProfile> profiles(int[] keptBits, int[] blockLengths) {
        List<AccumulationProfile> profiles = new ArrayList<>();
        for (int blockLength : blockLengths) {
            for (int bits : keptBits) {
                for (Rounding rounding : Rounding.values()) {
                    profiles.add(AccumulationProfile.matrixUnit(blockLength, bits, rounding));
                }
            }
        }
        profiles.add(AccumulationProfile.FLOAT32_FMA);
        return profiles;
    }

    /** Returns the format in which products of {@code operands} are returned: bfloat16 for 8-bit ones, else their own. */
    static FloatFormat returned(FloatFormat operands) {
        return operands == FloatFormat.F8_E4M3 ? FloatFormat.BF16 : operands;
    }

    /**
     * Runs the trials against every fault; correct products must pass them too, or {@code alarms} names them.
     *
     * @param all whether every trial is run and counted; if not, a fault's first kill ends its trials, exact ones before others
     */
    static Map<ProductFault, Tally> study(
            FloatFormat format, int k, List<AccumulationProfile> profiles, boolean all, List<String> alarms) {
        FloatFormat output = returned(format);
        Map<ProductFault, Tally> tallies = new EnumMap<>(ProductFault.class);
        SummationOrder order = new SummationOrder.Sequential();
        for (AccumulationProfile profile : profiles) {
            MatrixUnit unit = new MatrixUnit(profile);
            RandomStream stream = RandomStream.of("product kills", k, format.name());
            ProductTrials trials =
                    new ProductTrials(profile, format, output, stream, MatrixFill.UNIFORM, ROWS, COLUMNS, k);
            for (Verdict verdict : trials.run(new EmulatedProduct(unit, order, format, output))) {
                if (!verdict.passed()) {
                    alarms.add(format + " K=" + k + " " + profile + ": " + verdict);
                }
            }
            for (ProductFault fault : ProductFault.values()) {
                if (!fault.appliesTo(format, output)) {
                    continue;
                }
                Tally tally = tallies.computeIfAbsent(fault, key -> new Tally());
                if (fault.isLegalUnder(profile)) {
                    tally.legal++;
                    continue;
                }
                MatrixProduct faulty = new FaultyProduct(fault, unit, order, format, output);
                if (all ? countAll(trials.run(faulty), tally) : isKilled(trials, faulty)) {
                    tally.killed++;
                } else {
                    tally.survivors.add(format + " K=" + k + " " + profile);
                }
            }
        }
        return tallies;
    }

    private static boolean countAll(List<Verdict> verdicts, Tally tally) {
        boolean killed = false;
        for (int trial = 0; trial < verdicts.size(); trial++) {
            if (verdicts.get(trial).outcome() == Outcome.FAIL) {
                tally.byTrial[trial]++;
                killed = true;
            }
        }
        return killed;
    }

    private static boolean isKilled(ProductTrials trials, MatrixProduct faulty) {
        return trials.exactSums(faulty).outcome() == Outcome.FAIL
                || trials.copies(faulty).outcome() == Outcome.FAIL
                || trials.underBound(faulty).stream().anyMatch(verdict -> verdict.outcome() == Outcome.FAIL);
    }
}
