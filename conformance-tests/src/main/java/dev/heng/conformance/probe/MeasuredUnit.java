package dev.heng.conformance.probe;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.Rounding;
import java.util.ArrayList;
import java.util.List;

/**
 * What probes found out about a matrix unit.
 *
 * @param profile the profile that explains every answer; where answers leave something open, the more accurate alternative
 * @param segmentLength elements of K that one running sum took in the longest sum probed; K itself if all of them
 * @param undetermined what the answers left open, in words; copied
 */
public record MeasuredUnit(AccumulationProfile profile, int segmentLength, List<String> undetermined) {

    public MeasuredUnit {
        undetermined = List.copyOf(undetermined);
    }

    /**
     * Holds a declaration against what was measured.
     *
     * @param declared the profile that the device claims
     * @return one sentence for each respect in which the unit is worse than declared; empty if the declaration stands
     */
    public List<String> refute(AccumulationProfile declared) {
        List<String> refutations = new ArrayList<>();
        if (profile.inputBits() < declared.inputBits()) {
            refutations.add("operands are cut to " + profile.inputBits() + " bits, declared " + declared.inputBits());
        } else if (profile.inputBits() < AccumulationProfile.FLOAT_BITS
                && profile.inputBits() == declared.inputBits()
                && profile.inputRounding() != declared.inputRounding()) {
            refutations.add(
                    "operands are cut by " + profile.inputRounding() + ", declared " + declared.inputRounding());
        }
        if (profile.keptBits() < declared.keptBits()) {
            refutations.add("sums keep " + profile.keptBits() + " bits, declared " + declared.keptBits());
        }
        if (!profile.isScalar() && !declared.isScalar() && profile.alignBits() < declared.alignBits()) {
            refutations.add("terms of a block keep " + profile.alignBits() + " bits, declared " + declared.alignBits());
        }
        if (profile.sumRounding() == Rounding.TOWARD_ZERO && declared.sumRounding() == Rounding.NEAREST_EVEN) {
            refutations.add("running sums are truncated, declared rounded to nearest");
        }
        if (!profile.isScalar()
                && profile.alignRounding() == Rounding.TOWARD_ZERO
                && (declared.isScalar() || declared.alignRounding() == Rounding.NEAREST_EVEN)) {
            refutations.add("terms of a block are truncated, declared "
                    + (declared.isScalar() ? "added one by one" : "rounded to nearest"));
        }
        if (profile.isScalar()
                && declared.isScalar()
                && declared.alignBits() == AccumulationProfile.EXACT
                && profile.alignBits() != AccumulationProfile.EXACT) {
            refutations.add("products are rounded to " + profile.alignBits() + " bits, declared exact");
        }
        if (profile.blockLength() < declared.blockLength()) {
            refutations.add("running sums are rounded every " + profile.blockLength() + " products, declared every "
                    + declared.blockLength());
        }
        if (profile.halfRange() && !declared.halfRange()) {
            refutations.add("running sums overflow beyond float16's 65504, not declared");
        }
        if (declared.promotionInterval() != AccumulationProfile.NEVER && segmentLength > declared.promotionInterval()) {
            refutations.add("running sums take " + segmentLength + " products, declared promoted every "
                    + declared.promotionInterval());
        }
        return refutations;
    }
}
