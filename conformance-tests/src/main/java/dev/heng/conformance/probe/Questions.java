package dev.heng.conformance.probe;

import java.util.ArrayList;
import java.util.List;

/**
 * Asks a device for sums of chosen products. Question i is the i-th element of the diagonal of a square matrix product, so that
 * each has both of its operands to itself and a product may span the squared range of the input format.
 */
final class Questions {

    private final MatrixProduct product;
    private final int batch;
    private final OperandRange left;
    private final OperandRange right;
    /** Exponents of the smallest and largest power of two that a product of two operands can be, float32 accumulation in mind. */
    private final int minExponent;

    private final int maxExponent;

    Questions(MatrixProduct product, int batch) {
        this.product = product;
        this.batch = batch;
        this.left = OperandRange.of(product.inputFormat());
        this.right = product.weights();
        this.minExponent = Math.max(-100, left.lowestExponent() + right.lowestExponent());
        this.maxExponent = Math.min(100, left.maxExponent() + right.maxExponent());
    }

    int minExponent() {
        return minExponent;
    }

    int maxExponent() {
        return maxExponent;
    }

    /** One sum: the operands of each of K products. */
    static final class Question {
        final double[] a;
        final double[] b;

        Question(int k) {
            a = new double[k];
            b = new double[k];
        }

        /** Sets product {@code position} to {@code left * right}, numbers of either operand. */
        Question product(int position, double left, double right) {
            a[position] = left;
            b[position] = right;
            return this;
        }
    }

    /** Returns a question all of whose products are zero. */
    Question question(int k) {
        return new Question(k);
    }

    /** Sets one product of {@code question} to {@code value}, a number of few bits, split over both operands. */
    void put(Question question, int position, double value) {
        int exponent = Math.getExponent(value);
        int ofWeight = Math.clamp(exponent / 2, right.minExponent(), right.maxExponent());
        // Where the left operand's normal numbers do not reach far enough, the right one takes the rest of the power of
        // two.
        int rest = exponent - ofWeight;
        if (rest < left.minExponent()) {
            ofWeight = Math.max(right.lowestExponent(), exponent - left.minExponent());
        } else if (rest > left.maxExponent()) {
            ofWeight = exponent - left.maxExponent();
        }
        double power = Math.scalb(1.0, ofWeight);
        if (!left.represents(value / power) || !right.represents(power)) {
            throw new IllegalArgumentException(
                    "no two numbers of " + left + " and " + right + " have the product " + value);
        }
        question.product(position, value / power, power);
    }

    /** Returns the device's answer to each question; all have the same K. */
    double[] ask(List<Question> questions) {
        double[] answers = new double[questions.size()];
        for (int from = 0; from < answers.length; from += batch) {
            List<Question> part = new ArrayList<>(questions.subList(from, Math.min(answers.length, from + batch)));
            int count = part.size();
            // Always the same shape, since a device may choose its kernel by shape.
            while (part.size() < batch) {
                part.add(part.getFirst());
            }
            int k = part.getFirst().a.length;
            double[] a = new double[batch * k];
            double[] b = new double[batch * k];
            for (int row = 0; row < batch; row++) {
                System.arraycopy(part.get(row).a, 0, a, row * k, k);
                System.arraycopy(part.get(row).b, 0, b, row * k, k);
            }
            double[] c = product.multiply(a, b, batch, batch, k);
            for (int row = 0; row < count; row++) {
                answers[from + row] = c[row * batch + row];
            }
        }
        return answers;
    }

    double ask(Question question) {
        return ask(List.of(question))[0];
    }
}
