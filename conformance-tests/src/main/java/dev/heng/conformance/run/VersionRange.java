package dev.heng.conformance.run;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A range of versions in interval notation: {@code [12.4,12.6)}, {@code [1.0,1.0]}. Both ends are stated: an open end would let a
 * waiver outlive the library that needed it. Versions are compared number by number; what is no digit separates, and missing numbers are 0.
 *
 * @param text the range as written
 */
public record VersionRange(String text) {

    private static final Pattern FORM =
            Pattern.compile("([\\[(])\\s*([0-9][^,\\[\\]()]*)\\s*,\\s*([0-9][^,\\[\\]()]*)\\s*([\\])])");
    private static final Pattern NUMBER = Pattern.compile("\\d{1,18}");

    /**
     * Checks the form.
     *
     * @throws IllegalArgumentException if the text is no range with two ends in order
     */
    public VersionRange {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches() || compare(matcher.group(2), matcher.group(3)) > 0) {
            throw new IllegalArgumentException(
                    "'" + text + "' is no range of versions, as [12.4,12.6) is; both ends must be stated, in order");
        }
    }

    /** Returns whether {@code version} lies in this range. */
    public boolean contains(String version) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalStateException("a range that was accepted and has no form: " + text);
        }
        int low = compare(version, matcher.group(2));
        int high = compare(version, matcher.group(3));
        return NUMBER.matcher(version).find()
                && (matcher.group(1).equals("[") ? low >= 0 : low > 0)
                && (matcher.group(4).equals("]") ? high <= 0 : high < 0);
    }

    private static int compare(String left, String right) {
        List<Long> first = numbers(left);
        List<Long> second = numbers(right);
        for (int index = 0; index < Math.max(first.size(), second.size()); index++) {
            long one = index < first.size() ? first.get(index) : 0;
            long other = index < second.size() ? second.get(index) : 0;
            if (one != other) {
                return Long.compare(one, other);
            }
        }
        return 0;
    }

    private static List<Long> numbers(String version) {
        List<Long> numbers = new ArrayList<>();
        Matcher matcher = NUMBER.matcher(version);
        while (matcher.find()) {
            numbers.add(Long.parseLong(matcher.group()));
        }
        return numbers;
    }
}
