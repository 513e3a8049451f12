package dev.heng.spi.tensor;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The dimensions of a value, outermost first; elements are laid out row-major and dense.
 *
 * @param dims the dimensions; copied
 * @since 1.0
 */
public record Shape(List<Dim> dims) {

    public Shape {
        dims = List.copyOf(dims);
    }

    /** Returns the shape with these dimensions. */
    public static Shape of(Dim... dims) {
        return new Shape(Arrays.asList(dims));
    }

    /** Returns a shape whose dimensions are all fixed. */
    public static Shape of(long... sizes) {
        return new Shape(Arrays.stream(sizes).mapToObj(Dim::of).toList());
    }

    /** Returns the number of dimensions. */
    public int rank() {
        return dims.size();
    }

    /** Returns dimension {@code index}; a negative index counts from the end, -1 being the innermost. */
    public Dim dim(int index) {
        return dims.get(index < 0 ? dims.size() + index : index);
    }

    /** Returns this shape with its innermost dimension replaced. */
    public Shape withLast(Dim last) {
        List<Dim> replaced = new java.util.ArrayList<>(dims);
        replaced.set(dims.size() - 1, last);
        return new Shape(replaced);
    }

    /** Returns whether every dimension is fixed. */
    public boolean isFixed() {
        return dims.stream().allMatch(Dim::isFixed);
    }

    /** Returns the number of elements; every dimension must be fixed. */
    public long elements() {
        return elements(Map.of());
    }

    /**
     * Returns the number of elements under {@code bindings}.
     *
     * @throws IllegalArgumentException if a symbol is not bound
     * @throws ArithmeticException if the product exceeds 2^63 - 1
     */
    public long elements(Map<String, Long> bindings) {
        long product = 1;
        for (Dim dim : dims) {
            product = Math.multiplyExact(product, dim.size(bindings));
        }
        return product;
    }

    @Override
    public String toString() {
        return dims.stream().map(Dim::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
