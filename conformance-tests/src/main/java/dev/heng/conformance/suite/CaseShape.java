package dev.heng.conformance.suite;

import dev.heng.runtime.HengException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The shape of a case as its family counts it: named dimensions - tokens, widths, experts, sequences - of which each may shrink to a least
 * size, and what the family demands of them together. Immutable.
 *
 * <p>A shape of a case other than its own is written behind the id, {@code ID@T=1,N=7,K=1}, and replays by itself.
 */
public final class CaseShape {

    /** The shape of cases whose data are fixed, such as all numbers of a type. */
    static final CaseShape FIXED = new CaseShape(List.of(), _ -> true);

    /**
     * One dimension.
     *
     * @param name as ids show it
     * @param size what it is
     * @param least what it can shrink to
     */
    public record Dimension(String name, int size, int least) {
        public Dimension {
            if (least < 0 || size < least) {
                throw new IllegalArgumentException(name + "=" + size + ", where " + least + " is the least");
            }
        }
    }

    private final List<Dimension> dimensions;
    private final Predicate<CaseShape> legal;

    private CaseShape(List<Dimension> dimensions, Predicate<CaseShape> legal) {
        this.dimensions = List.copyOf(dimensions);
        this.legal = legal;
    }

    /** Returns this shape with one more dimension. */
    CaseShape and(String name, int size, int least) {
        List<Dimension> more = new ArrayList<>(dimensions);
        more.add(new Dimension(name, size, least));
        return new CaseShape(more, legal);
    }

    /** Returns this shape with one more demand on its dimensions, which it meets itself. */
    CaseShape where(Predicate<CaseShape> demand) {
        CaseShape shape = new CaseShape(dimensions, legal.and(demand));
        if (!shape.isLegal()) {
            throw new IllegalArgumentException(this + " does not meet what its own family demands");
        }
        return shape;
    }

    /** Returns the dimensions in the order of ids. */
    public List<Dimension> dimensions() {
        return dimensions;
    }

    /** Returns whether a case of this shape has fixed data and no other shapes. */
    public boolean isFixed() {
        return dimensions.isEmpty();
    }

    /** Returns whether the family's demands are met. */
    public boolean isLegal() {
        return legal.test(this);
    }

    /**
     * Returns the size of a dimension.
     *
     * @throws IllegalArgumentException if this shape has no dimension of that name
     */
    public int get(String name) {
        return dimensions.get(index(name)).size();
    }

    private int index(String name) {
        for (int index = 0; index < dimensions.size(); index++) {
            if (dimensions.get(index).name().equals(name)) {
                return index;
            }
        }
        throw new IllegalArgumentException("'" + this + "' has no dimension '" + name + "'");
    }

    private CaseShape with(int index, int size) {
        Dimension old = dimensions.get(index);
        List<Dimension> changed = new ArrayList<>(dimensions);
        changed.set(index, new Dimension(old.name(), size, old.least()));
        return new CaseShape(changed, legal);
    }

    /**
     * Returns legal shapes that are smaller than this one, the boldest first: everything at its least, then for each dimension by itself its
     * least size and what halves the way there, down to one less. A shape that fails while none of these does cannot lose one of any
     * dimension.
     */
    public List<CaseShape> smaller() {
        SequencedSet<String> seen = new LinkedHashSet<>();
        List<CaseShape> smaller = new ArrayList<>();
        CaseShape least = this;
        for (int index = 0; index < dimensions.size(); index++) {
            least = least.with(index, dimensions.get(index).least());
        }
        seen.add(toString());
        keep(least, seen, smaller);
        for (int index = 0; index < dimensions.size(); index++) {
            Dimension one = dimensions.get(index);
            for (int step = one.size() - one.least(); step > 0; step /= 2) {
                keep(with(index, one.size() - step), seen, smaller);
            }
        }
        return smaller;
    }

    private static void keep(CaseShape shape, SequencedSet<String> seen, List<CaseShape> kept) {
        if (shape.isLegal() && seen.add(shape.toString())) {
            kept.add(shape);
        }
    }

    /**
     * Returns this shape with the sizes that {@code text} names, such as {@code T=1,K=33}.
     *
     * @throws HengException if the text names no dimension of this shape, a size that is not between its least and this shape's, or sizes that
     *     the family cannot have together
     */
    CaseShape at(String text) {
        CaseShape shape = this;
        for (String part : text.split(",", -1)) {
            int mark = part.indexOf('=');
            String name = part.substring(0, Math.max(0, mark));
            String size = part.substring(mark + 1);
            Dimension one = dimensions.stream()
                    .filter(dimension -> dimension.name().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new HengException("'" + part + "' is no dimension of " + this, choices()));
            if (!size.matches("\\d{1,9}")
                    || Integer.parseInt(size) < one.least()
                    || Integer.parseInt(size) > one.size()) {
                throw new HengException("'" + part + "' is not a size that the case can have", choices());
            }
            shape = shape.with(index(name), Integer.parseInt(size));
        }
        if (!shape.isLegal()) {
            throw new HengException("the case's family cannot have " + shape + " together", choices());
        }
        return shape;
    }

    private String choices() {
        return dimensions.isEmpty()
                ? "leave out everything from @: the data of this case are fixed"
                : dimensions.stream()
                        .map(one -> one.name() + " from " + one.least() + " to " + one.size())
                        .collect(Collectors.joining(", ", "choose ", ""));
    }

    /** Returns the sizes as ids show them. */
    @Override
    public String toString() {
        return dimensions.stream().map(one -> one.name() + "=" + one.size()).collect(Collectors.joining(","));
    }
}
