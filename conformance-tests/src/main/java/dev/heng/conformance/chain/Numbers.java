package dev.heng.conformance.chain;

/**
 * A dense row-major tensor in double; integers are held as the doubles that they are. NaN marks elements that rules leave open (RUN-015).
 *
 * @param shape the sizes of its dimensions; owned by this record
 * @param values the elements; owned by this record and not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record Numbers(int[] shape, double[] values) {

    /** Returns a matrix. */
    static Numbers matrix(int rows, int columns, double[] values) {
        return new Numbers(new int[] {rows, columns}, values);
    }

    /** Returns a vector of integers. */
    static Numbers integers(int... values) {
        double[] numbers = new double[values.length];
        for (int index = 0; index < values.length; index++) {
            numbers[index] = values[index];
        }
        return new Numbers(new int[] {values.length}, numbers);
    }

    /** Returns the size of the first dimension. */
    public int rows() {
        return shape[0];
    }

    /** Returns the elements of one row, all dimensions but the first together. */
    public int width() {
        int width = 1;
        for (int dim = 1; dim < shape.length; dim++) {
            width *= shape[dim];
        }
        return width;
    }

    /** Returns an element of a tensor of integers. */
    int integer(int index) {
        return (int) values[index];
    }
}
