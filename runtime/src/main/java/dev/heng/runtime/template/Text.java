package dev.heng.runtime.template;

import dev.heng.runtime.tokenizer.PromptSegment;
import dev.heng.runtime.tokenizer.PromptSegment.Source;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * A string of which every character knows whether the template or a value wrote it. Immutable. Two texts are equal if their characters are;
 * who wrote them does not count.
 *
 * <p>Indices are UTF-16 units unless a method says code points, which are what the template language counts.
 */
final class Text {

    static final Text EMPTY = new Text("", new BitSet());

    private final String characters;

    /** Marks the characters that values wrote; never changed after construction. */
    private final BitSet ofValues;

    private Text(String characters, BitSet ofValues) {
        this.characters = characters;
        this.ofValues = ofValues;
    }

    static Text ofTemplate(String characters) {
        return new Text(characters, EMPTY.ofValues);
    }

    static Text ofValue(String characters) {
        BitSet all = new BitSet(characters.length());
        all.set(0, characters.length());
        return new Text(characters, all);
    }

    /** Returns other characters made from these: a value's as soon as one of these is, for then nobody can tell any more which. */
    Text derive(String other) {
        return ofValues.isEmpty() ? ofTemplate(other) : ofValue(other);
    }

    /** Returns the characters in another form, such as capitals. */
    Text map(String other) {
        return other.length() == characters.length() ? new Text(other, ofValues) : derive(other);
    }

    String characters() {
        return characters;
    }

    boolean isEmpty() {
        return characters.isEmpty();
    }

    int codePoints() {
        return characters.codePointCount(0, characters.length());
    }

    /** Returns the part between two code points. */
    Text codePoints(int from, int to) {
        int start = characters.offsetByCodePoints(0, from);
        return substring(start, characters.offsetByCodePoints(start, to - from));
    }

    Text substring(int from, int to) {
        return from == 0 && to == characters.length()
                ? this
                : new Text(characters.substring(from, to), ofValues.get(from, to));
    }

    /** Returns each code point as a text. */
    List<Value> split() {
        List<Value> points = new ArrayList<>();
        for (int i = 0; i < characters.length(); ) {
            int end = i + Character.charCount(characters.codePointAt(i));
            points.add(new Value.Str(substring(i, end)));
            i = end;
        }
        return points;
    }

    /** Returns this text without the given code points at its ends. */
    Text strip(String unwanted, boolean left, boolean right) {
        int from = 0;
        int to = characters.length();
        while (left && from < to && isUnwanted(characters.codePointAt(from), unwanted)) {
            from += Character.charCount(characters.codePointAt(from));
        }
        while (right && from < to && isUnwanted(characters.codePointBefore(to), unwanted)) {
            to -= Character.charCount(characters.codePointBefore(to));
        }
        return substring(from, to);
    }

    /** An empty set of unwanted characters stands for white space. */
    private static boolean isUnwanted(int codePoint, String unwanted) {
        return unwanted.isEmpty() ? isSpace(codePoint) : unwanted.indexOf(codePoint) >= 0;
    }

    /** Returns whether Python counts the code point as white space. */
    static boolean isSpace(int codePoint) {
        return Character.isWhitespace(codePoint) || Character.isSpaceChar(codePoint) || codePoint == 0x85;
    }

    List<PromptSegment> segments() {
        List<PromptSegment> segments = new ArrayList<>();
        for (int start = 0; start < characters.length(); ) {
            boolean ofValue = ofValues.get(start);
            int change = ofValue ? ofValues.nextClearBit(start) : ofValues.nextSetBit(start);
            int end = change < 0 ? characters.length() : Math.min(change, characters.length());
            segments.add(new PromptSegment(characters.substring(start, end), ofValue ? Source.VALUE : Source.TEMPLATE));
            start = end;
        }
        return segments;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Text text && characters.equals(text.characters);
    }

    @Override
    public int hashCode() {
        return characters.hashCode();
    }

    @Override
    public String toString() {
        return characters;
    }

    /** Joins texts. Not thread-safe. */
    static final class Builder {
        private final StringBuilder characters = new StringBuilder();
        private final BitSet ofValues = new BitSet();

        Builder append(Text text) {
            int offset = characters.length();
            characters.append(text.characters);
            for (int start = text.ofValues.nextSetBit(0); start >= 0; ) {
                int end = text.ofValues.nextClearBit(start);
                ofValues.set(offset + start, offset + end);
                start = text.ofValues.nextSetBit(end);
            }
            return this;
        }

        Builder append(String ofTemplate) {
            characters.append(ofTemplate);
            return this;
        }

        int length() {
            return characters.length();
        }

        Text build() {
            return new Text(characters.toString(), (BitSet) ofValues.clone());
        }
    }
}
