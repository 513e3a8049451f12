package dev.heng.conformance.probe;

import dev.heng.conformance.format.FloatFormat;
import java.util.ArrayList;
import java.util.List;

/**
 * Asks a device for sums of chosen products. Question i is the i-th element of the diagonal of a square matrix product, so that
 * each has both of its operands to itself and a product may span the squared range of the input format.
 */
final class Questions {

    private final MatrixProduct product;
    private final int batch;
    /** Exponents of the smallest and largest power of two that a product of two operands can be, float32 accumulation in mind. */
    private final int minExponent;

    private final int maxExponent;

    Questions(MatrixProduct product, int batch) {
        this.product = product;
        this.batch = batch;
        FloatFormat format = product.inputFormat();
        int lowest = format.minExponent() - format.significandBits() + 1;
        this.minExponent = Math.max(-100, 2 * lowest);
        this.maxExponent = Math.min(100, 2 * format.maxExponent());
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

        /** Sets product {@code position} to {@code left * right}, each a number of the input format. */
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
        FloatFormat format = product.inputFormat();
        int exponent = Math.getExponent(value);
        int ofWeight = Math.clamp(exponent / 2, format.minExponent(), format.maxExponent());
        // Where normal numbers do not reach far enough down, the power of two goes into the subnormals.
        int rest = exponent - ofWeight;
        if (rest < format.minExponent()) {
            int lowest = format.minExponent() - format.significandBits() + 1;
            ofWeight = Math.max(lowest, exponent - format.minExponent());
        } else if (rest > format.maxExponent()) {
            ofWeight = exponent - format.maxExponent();
        }
        double right = Math.scalb(1.0, ofWeight);
        double left = value / right;
        if (!format.represents(left) || !format.represents(right)) {
            throw new IllegalArgumentException("no two numbers of " + format + " have the product " + value);
        }
        question.product(position, left, right);
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
