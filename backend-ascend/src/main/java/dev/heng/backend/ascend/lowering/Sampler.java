package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Sample. The device picks the largest logit; rows that want more than that are read back and drawn on the host, because no operator of CANN draws from Philox4x32-10 by
 * seed and counter (hicann/ops-math@c41933244c31 random/, whose generators keep a state of their own) and the rule addresses the random numbers so.
 */
final class Sampler {

    /** What the plan calls it. */
    static final String KERNEL = "aclnnNanToNum+aclnnArgMax, drawn on the host above temperature 0 (Philox4x32-10)";

    private static final int MULTIPLIER_0 = 0xD2511F53;
    private static final int MULTIPLIER_1 = 0xCD9E8D57;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;

    private Sampler() {}

    static void run(Run run, Node node) {
        TensorView logits = run.in(node, 0);
        TensorView out = run.out(node);
        run.basics().argmax(logits, out);
        run.stage().check(inputs -> checkAll(run, node, inputs, (int) logits.dim(0)));
        run.stage().tail(inputs -> draw(run, node, inputs, logits, out));
    }

    private static float floatAt(HostInputs inputs, Value value, int row) {
        return inputs.bytes(value).getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, row);
    }

    /** SAMPLE-001. */
    private static void checkAll(Run run, Node node, HostInputs inputs, int rows) {
        for (int row = 0; row < rows; row++) {
            float temperature = floatAt(inputs, node.operand(1), row);
            int topK = inputs.bytes(node.operand(2)).getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, row);
            float topP = floatAt(inputs, node.operand(3), row);
            if (!(temperature >= 0 && temperature <= Float.MAX_VALUE)) {
                throw run.invalid(
                        node,
                        "'" + node.operand(1).name() + "' holds " + temperature + " in row " + row
                                + ": a temperature is finite and not negative");
            }
            if (topK < 0) {
                throw run.invalid(
                        node,
                        "'" + node.operand(2).name() + "' holds " + topK + " in row " + row
                                + ": top-k is 0 for no limit, or positive");
            }
            if (!(topP >= 0 && topP <= 1)) {
                throw run.invalid(
                        node,
                        "'" + node.operand(3).name() + "' holds " + topP + " in row " + row
                                + ": top-p is within 0..1, 1 for no limit");
            }
        }
    }

    private static void draw(Run run, Node node, HostInputs inputs, TensorView logits, TensorView out) {
        int rows = (int) logits.dim(0);
        int columns = (int) logits.dim(1);
        for (int row = 0; row < rows; row++) {
            float temperature = floatAt(inputs, node.operand(1), row);
            if (temperature > 0) {
                float[] values = row(run, logits, row, columns);
                int token = sample(
                        values,
                        temperature,
                        inputs.bytes(node.operand(2)).getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, row),
                        floatAt(inputs, node.operand(3), row),
                        inputs.bytes(node.operand(4)).getAtIndex(ValueLayout.JAVA_LONG_UNALIGNED, row),
                        inputs.bytes(node.operand(5)).getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, row));
                run.stage()
                        .write(
                                MemorySegment.ofArray(new int[] {token}),
                                out.rows(row, 1).address());
            }
        }
    }

    private static float[] row(Run run, TensorView logits, int row, int columns) {
        TensorView view = logits.rows(row, 1);
        float[] values = new float[columns];
        if (view.dtype() == DType.F32) {
            run.stage().read(view.address(), MemorySegment.ofArray(values));
            return values;
        }
        short[] halves = new short[columns];
        run.stage().read(view.address(), MemorySegment.ofArray(halves));
        for (int i = 0; i < columns; i++) {
            values[i] = view.dtype() == DType.BF16
                    ? Float.intBitsToFloat(halves[i] << 16)
                    : Float.float16ToFloat(halves[i]);
        }
        return values;
    }

    /** SAMPLE-002 to SAMPLE-008 for a temperature above 0. */
    static int sample(float[] logits, float temperature, int topK, float topP, long seed, int counter) {
        int best = 0;
        float largest = Float.NaN;
        for (int i = 0; i < logits.length; i++) {
            if (!Float.isNaN(logits[i]) && !(logits[i] <= largest)) {
                best = i;
                largest = logits[i];
            }
        }
        if (!Float.isFinite(largest)) {
            return best;
        }
        double[] scaled = new double[logits.length];
        for (int i = 0; i < logits.length; i++) {
            scaled[i] = ((double) logits[i] - largest) / temperature;
        }
        int chosen = best;
        double highest = Double.NEGATIVE_INFINITY;
        for (int i : candidates(scaled, topK, topP)) {
            double sum = scaled[i] + noise(seed, counter, i);
            if (sum > highest || (sum == highest && i < chosen)) {
                highest = sum;
                chosen = i;
            }
        }
        return chosen;
    }

    /** SAMPLE-006, SAMPLE-007: those that top-k leaves, and of them those that top-p leaves. */
    private static List<Integer> candidates(double[] scaled, int topK, float topP) {
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < scaled.length; i++) {
            if (!Double.isNaN(scaled[i])) {
                all.add(i);
            }
        }
        boolean limited = topK > 0 && topK < all.size();
        if (!limited && topP == 1) {
            return all;
        }
        all.sort(Comparator.<Integer>comparingDouble(i -> -scaled[i]).thenComparingInt(i -> i));
        List<Integer> left = limited ? all.subList(0, topK) : all;
        if (topP == 1) {
            return left;
        }
        double total = 0;
        for (int i : left) {
            total += Math.exp(scaled[i]);
        }
        double before = 0;
        int count = 0;
        while (count < left.size() && (count == 0 || before < topP * total)) {
            before += Math.exp(scaled[left.get(count)]);
            count++;
        }
        return left.subList(0, count);
    }

    /** SAMPLE-005, by log1p where u is near 1. */
    private static double noise(long seed, int counter, int candidate) {
        int word = philox(candidate >>> 2, counter, seed)[candidate & 3];
        double u = (Integer.toUnsignedLong(word) + 0.5) * 0x1p-32;
        return -Math.log(-(u > 0.5 ? Math.log1p(-(1 - u)) : Math.log(u)));
    }

    /** Philox4x32-10 of counter words (block, counter, 0, 0). Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011). */
    static int[] philox(int block, int counter, long key) {
        int[] words = {block, counter, 0, 0};
        int key0 = (int) key;
        int key1 = (int) (key >>> 32);
        for (int round = 0; round < 10; round++) {
            long product0 = Integer.toUnsignedLong(MULTIPLIER_0) * Integer.toUnsignedLong(words[0]);
            long product1 = Integer.toUnsignedLong(MULTIPLIER_1) * Integer.toUnsignedLong(words[2]);
            words = new int[] {
                (int) (product1 >>> 32) ^ words[1] ^ key0,
                (int) product1,
                (int) (product0 >>> 32) ^ words[3] ^ key1,
                (int) product0
            };
            key0 += WEYL_0;
            key1 += WEYL_1;
        }
        return words;
    }
}
