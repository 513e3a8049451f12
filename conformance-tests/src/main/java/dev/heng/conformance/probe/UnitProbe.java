package dev.heng.conformance.probe;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import java.util.ArrayList;
import java.util.List;

/**
 * Measures the profile of a matrix unit through its products alone.
 *
 * <p>In order: whether sums overflow as float16 does; the tree of summation, which gives block length, whether the running sum is
 * fused into the block, and promotion; bits kept of each aligned term and of the running sum, from the smallest term that survives
 * beside a large one that is taken away again; the directions of both roundings, from terms three quarters of a place large and from
 * a carry; and how many bits of an operand reach the multiplier. Methods follow Fasi, Higham, Mikaitis, Pranesh, "Numerical
 * behavior of NVIDIA tensor cores" (PeerJ CS, 2021), but for the tree, see {@link SummationTree}.
 *
 * <p>Each measurement takes a few thousand sums of up to 1,024 products. Not thread-safe.
 */
public final class UnitProbe {

    private static final int LARGEST_ALIGN_BITS = 40;

    private final MatrixProduct product;
    private final Questions questions;
    private final List<String> undetermined = new ArrayList<>();
    private int k;
    private List<List<Integer>> blocks = List.of();

    private UnitProbe(MatrixProduct product, int batch) {
        this.product = product;
        this.questions = new Questions(product, batch);
    }

    /**
     * Measures the unit behind {@code product}.
     *
     * @param product the device
     * @param batch rows and columns of every matrix product asked for, positive: 64 makes a device choose the kernels it has for
     *     matrices; an emulator is quicker with few
     * @throws InconclusiveProbeException if answers fit no unit that the probes know
     */
    public static MeasuredUnit measure(MatrixProduct product, int batch) {
        return new UnitProbe(product, batch).measure();
    }

    /** What the tree of summation says. */
    private record Structure(int blockLength, boolean fused, int segmentLength, List<List<Integer>> blocks) {}

    private MeasuredUnit measure() {
        // Counts of survivors must be exact in the result's format: an 8-bit significand counts to 256.
        boolean narrow = product.outputFormat().significandBits() < 11;
        k = narrow ? 256 : 512;
        boolean halfRange = overflowsAsHalf();
        Structure structure = structure(halfRange);
        blocks = structure.blocks();
        boolean scalar = structure.blockLength() == 1;
        int alignBits = AccumulationProfile.EXACT;
        Rounding alignRounding = Rounding.NEAREST_EVEN;
        if (structure.blockLength() >= 3) {
            alignBits = alignBits();
            alignRounding = alignRounding(alignBits);
        } else if (!scalar) {
            throw new InconclusiveProbeException(
                    "blocks of two products: bits kept of each cannot be told apart from those of the running sum");
        }
        int sumBits = sumBits();
        Rounding sumRounding = sumRounding(sumBits, alignBits);
        if (scalar) {
            alignBits = productBits();
            alignRounding = alignBits == AccumulationProfile.EXACT ? Rounding.NEAREST_EVEN : productRounding(alignBits);
        }
        int inputBits = inputBits(scalar ? sumBits : alignBits);
        Rounding inputRounding =
                inputBits < product.inputFormat().significandBits() ? inputRounding(inputBits) : Rounding.NEAREST_EVEN;
        int segment = structure.segmentLength();
        int longest = segment;
        int promotion = segment < k ? segment : AccumulationProfile.NEVER;
        if (!narrow && sumBits >= 11) {
            // A promotion interval does not depend on K; parts of a split K do.
            longest = segmentOf(4 * k, halfRange);
            boolean promoted = longest < 4 * k && (segment == k || longest == segment);
            promotion = promoted ? longest : AccumulationProfile.NEVER;
        } else if (promotion != AccumulationProfile.NEVER) {
            undetermined.add(
                    "whether sums of " + segment + " are promoted or K is split: one length of sum was probed");
        }
        AccumulationProfile profile = new AccumulationProfile(
                inputBits == product.inputFormat().significandBits() ? AccumulationProfile.FLOAT_BITS : inputBits,
                inputRounding,
                structure.blockLength(),
                alignBits,
                alignRounding,
                structure.fused(),
                sumBits,
                sumRounding,
                halfRange,
                promotion);
        return new MeasuredUnit(profile, longest, undetermined);
    }

    /** Asks for 2^15 + 2^15 - 2^15 over positions far apart: a float16 running sum overflows on the way. */
    private boolean overflowsAsHalf() {
        Questions.Question question = questions.question(k);
        questions.put(question, 0, 0x1p15);
        questions.put(question, k / 2, 0x1p15);
        questions.put(question, k - 1, -0x1p15);
        Questions.Question other = questions.question(k);
        questions.put(other, 0, 0x1p15);
        questions.put(other, 1, 0x1p15);
        boolean first = questions.ask(question) != 0x1p15;
        // A float16 result overflows by itself, whatever the running sum does.
        boolean second = product.outputFormat() != FloatFormat.F16 && questions.ask(other) != 0x1p16;
        return first || second;
    }

    private Structure structure(boolean halfRange) {
        SummationTree.Node root = tree(k, halfRange).reveal();
        // The innermost block is reached by always entering the child that is a chain's beginning: the first partial
        // sum.
        List<SummationTree.Node> path = new ArrayList<>();
        SummationTree.Node node = root;
        path.addFirst(node);
        while (!node.children().isEmpty()) {
            node = node.children().getFirst();
            path.addFirst(node);
        }
        int innermost = path.getFirst().size();
        List<List<Integer>> chain = new ArrayList<>();
        chain.add(path.getFirst().leaves());
        boolean fused = true;
        int blockLength = innermost;
        int segment = innermost;
        List<List<Integer>> later = new ArrayList<>();
        boolean inside = true;
        for (int level = 1; level < path.size(); level++) {
            SummationTree.Node next = path.get(level);
            List<Integer> joined = new ArrayList<>(next.leaves());
            boolean separate = next.leaves().isEmpty()
                    && next.children().size() == 2
                    && next.children().getLast().children().isEmpty()
                    && next.children().getLast().size() <= innermost;
            boolean direct = next.children().size() == 1;
            if (separate) {
                joined.addAll(next.children().getLast().leaves());
            }
            if (inside && (direct || separate)) {
                if (level == 1) {
                    fused = direct;
                    // One element joining a pair is a scalar unit's third addition, not a block of two.
                    blockLength = direct ? joined.size() : innermost;
                }
                chain.add(joined);
                segment = next.size();
            } else {
                inside = false;
                // The first child is the chain that the path came from.
                for (SummationTree.Node child :
                        next.children().subList(1, next.children().size())) {
                    collect(child, later);
                }
            }
        }
        if (path.size() == 1) {
            throw new InconclusiveProbeException(
                    "all " + k + " products are added at once: no block length up to " + k / 2);
        }
        List<List<Integer>> all = new ArrayList<>();
        if (blockLength == 1) {
            for (List<Integer> block : chain) {
                block.forEach(position -> all.add(List.of(position)));
            }
        } else {
            all.addAll(chain);
        }
        int inChain = all.size();
        all.addAll(later);
        if (inChain < 2) {
            throw new InconclusiveProbeException("one running sum takes " + segment
                    + " products at once and is then added outside: a running sum of several blocks was not seen");
        }
        return new Structure(blockLength, fused && blockLength > 1, segment, List.copyOf(all));
    }

    private static void collect(SummationTree.Node node, List<List<Integer>> blocks) {
        if (!node.leaves().isEmpty()) {
            blocks.add(node.leaves());
        }
        node.children().forEach(child -> collect(child, blocks));
    }

    private SummationTree tree(int length, boolean halfRange) {
        // Counts of units must be numbers of the result's format, and units must vanish beside the huge term.
        int lowest = product.outputFormat() == FloatFormat.F16 ? -14 : -18;
        int bottom = Math.max(questions.minExponent(), halfRange ? -24 : lowest);
        int top = Math.min(questions.maxExponent(), halfRange ? 15 : bottom + 60);
        return new SummationTree(questions, length, Math.scalb(1.0, top), Math.scalb(1.0, bottom));
    }

    /** Returns how many elements one running sum takes in a sum of {@code length}, from the subtrees around a chain's first leaf. */
    private int segmentOf(int length, boolean halfRange) {
        int first = blocks.getFirst().getFirst();
        List<Integer> sizes = tree(length, halfRange).sizesAround(first);
        if (sizes.size() < 3) {
            return sizes.getLast();
        }
        int step = sizes.get(2) - sizes.get(1);
        int segment = sizes.get(2);
        for (int index = 3; index < sizes.size() && sizes.get(index) - sizes.get(index - 1) <= step; index++) {
            segment = sizes.get(index);
        }
        return segment;
    }

    /** The exponent of the large term in questions about bits: such that terms far below it are still products. */
    private int base() {
        return Math.min(questions.maxExponent() - 3, 13);
    }

    private double scaled(double value) {
        return Math.scalb(value, base());
    }

    /** Returns 1 + the largest q for which {@code 1 + 2^-q - 1} does not vanish. */
    private int survivingBits(int most, Placement placement) {
        int bits = 1;
        int reach = Math.min(most - 1, base() - questions.minExponent());
        for (int q = 1; q <= reach; q++) {
            Questions.Question question = questions.question(k);
            placement.place(question, q);
            double answer = questions.ask(question);
            if (answer == 0) {
                return bits;
            }
            if (answer != scaled(Math.scalb(1.0, -q))) {
                throw new InconclusiveProbeException("1 + 2^-" + q + " - 1 came out as " + answer / scaled(1));
            }
            bits = q + 1;
        }
        if (reach < most - 1) {
            undetermined.add("bits beyond " + bits + ": the input format reaches no further");
        }
        return bits;
    }

    /** Places the terms of one question. */
    @FunctionalInterface
    private interface Placement {
        void place(Questions.Question question, int q);
    }

    private int alignBits() {
        List<Integer> block = blocks.getFirst();
        return survivingBits(LARGEST_ALIGN_BITS, (question, q) -> {
            questions.put(question, block.get(0), scaled(1));
            questions.put(question, block.get(1), scaled(Math.scalb(1.0, -q)));
            questions.put(question, block.get(2), scaled(-1));
        });
    }

    private int sumBits() {
        return survivingBits(53, (question, q) -> {
            questions.put(question, blocks.get(0).getFirst(), scaled(1));
            questions.put(question, blocks.get(1).getFirst(), scaled(Math.scalb(1.0, -q)));
            questions.put(question, blocks.get(2).getFirst(), scaled(-1));
        });
    }

    private Rounding alignRounding(int alignBits) {
        List<Integer> block = blocks.getFirst();
        double threeQuarters = 1.5 * Math.scalb(1.0, -alignBits);
        return direction("terms of a block", Math.scalb(1.0, 1 - alignBits), 0, (question, sign) -> {
            questions.put(question, block.get(0), scaled(sign));
            questions.put(question, block.get(1), scaled(sign * threeQuarters));
            questions.put(question, block.get(2), scaled(-sign));
        });
    }

    /** Adds 1 + 3 places and 1: the carry leaves half a place to round, however terms are aligned. */
    private Rounding sumRounding(int sumBits, int alignBits) {
        double place = Math.scalb(1.0, 1 - sumBits);
        boolean scalar = alignBits == AccumulationProfile.EXACT;
        int carry = scalar || blocks.getFirst().size() < 2 ? 2 : 1;
        if (blocks.size() < carry + 2) {
            undetermined.add("the direction in which running sums are rounded: too few blocks in a sum");
            return Rounding.NEAREST_EVEN;
        }
        return direction("running sums", 4 * place, 2 * place, (question, sign) -> {
            questions.put(question, blocks.get(0).getFirst(), scaled(sign));
            int small = carry == 2 ? blocks.get(1).getFirst() : blocks.get(0).get(1);
            questions.put(question, small, scaled(sign * 3 * place));
            questions.put(question, blocks.get(carry).getFirst(), scaled(sign));
            questions.put(question, blocks.get(carry + 1).getFirst(), scaled(-sign * 2));
        });
    }

    /** Places the terms of a question about direction, all of them times {@code sign}. */
    @FunctionalInterface
    private interface SignedPlacement {
        void place(Questions.Question question, double sign);
    }

    private Rounding direction(String what, double nearest, double towardZero, SignedPlacement placement) {
        double[] answers = new double[2];
        for (int index = 0; index < 2; index++) {
            Questions.Question question = questions.question(k);
            placement.place(question, index == 0 ? 1 : -1);
            answers[index] = questions.ask(question);
        }
        if (answers[0] != -answers[1]) {
            throw new InconclusiveProbeException(what + " are rounded one way where positive (" + answers[0]
                    + ") and another where negative (" + answers[1] + "), as rounding toward an infinity does");
        }
        if (answers[0] == scaled(nearest)) {
            return Rounding.NEAREST_EVEN;
        }
        if (answers[0] == scaled(towardZero)) {
            return Rounding.TOWARD_ZERO;
        }
        throw new InconclusiveProbeException(what + ": a remainder came out as " + answers[0] / scaled(1) + ", neither "
                + nearest + " nor " + towardZero);
    }

    /** Returns the bits to which a scalar unit rounds products before it adds them, or EXACT. */
    private int productBits() {
        if (product.inputFormat().significandBits() < AccumulationProfile.FLOAT_BITS) {
            // Products of narrow operands fit a float32 whole: nothing to round.
            return AccumulationProfile.EXACT;
        }
        int bits = AccumulationProfile.EXACT;
        for (int low = 12; low <= 27; low++) {
            int q = low / 2;
            int r = low - q;
            // (1 + 2^-q)(1 + 2^-r) less all of it but the last term 2^-low.
            Questions.Question question = questions.question(k);
            question.product(blocks.get(0).getFirst(), -(1 + Math.scalb(1.0, -q)), 1);
            question.product(blocks.get(1).getFirst(), -Math.scalb(1.0, -r), 1);
            question.product(blocks.get(2).getFirst(), 1 + Math.scalb(1.0, -q), 1 + Math.scalb(1.0, -r));
            if (questions.ask(question) == 0) {
                bits = low;
                break;
            }
        }
        return bits;
    }

    private Rounding productRounding(int bits) {
        int q = bits / 2;
        int r = bits + 1 - q;
        return direction("products", Math.scalb(1.0, 1 - bits - base()), 0, (question, sign) -> {
            question.product(blocks.get(0).getFirst(), -sign * (1 + Math.scalb(1.0, -q)), 1);
            question.product(blocks.get(1).getFirst(), -sign * 3 * Math.scalb(1.0, -r), 1);
            question.product(blocks.get(2).getFirst(), sign * (1 + Math.scalb(1.0, -q)), 1 + 3 * Math.scalb(1.0, -r));
        });
    }

    /** Returns how many significand bits of an operand reach the multiplier. */
    private int inputBits(int sumBits) {
        int whole = product.inputFormat().significandBits();
        int bits = 1;
        int reach = Math.min(whole, sumBits);
        for (int q = 1; q < reach; q++) {
            Questions.Question question = questions.question(k);
            question.product(blocks.get(0).getFirst(), 1 + Math.scalb(1.0, -q), 1);
            int taken = blocks.getFirst().size() > 1
                    ? blocks.get(0).get(1)
                    : blocks.get(1).getFirst();
            question.product(taken, -1, 1);
            if (questions.ask(question) == 0) {
                return bits;
            }
            bits = q + 1;
        }
        if (reach < whole) {
            undetermined.add("operand bits beyond the " + reach + " that sums keep");
        }
        return whole;
    }

    private Rounding inputRounding(int bits) {
        double threeQuarters = 1.5 * Math.scalb(1.0, -bits);
        int taken = blocks.getFirst().size() > 1
                ? blocks.get(0).get(1)
                : blocks.get(1).getFirst();
        return direction("operands", Math.scalb(1.0, 1 - bits - base()), 0, (question, sign) -> {
            question.product(blocks.get(0).getFirst(), sign * (1 + threeQuarters), 1);
            question.product(taken, -sign, 1);
        });
    }
}
