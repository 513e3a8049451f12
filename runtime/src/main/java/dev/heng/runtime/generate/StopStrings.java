package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import java.util.List;

/**
 * Finds the end of a text that arrives in pieces: the first place where one of some strings begins. What may yet be the beginning of one is held back, so that a
 * reader never sees half of a stop string.
 */
final class StopStrings {

    private final List<String> strings;
    private final StringBuilder held = new StringBuilder();
    private boolean found;

    StopStrings(List<String> strings) {
        for (String string : strings) {
            if (string.isEmpty()) {
                throw new HengException("a stop string is empty", "leave it out");
            }
        }
        this.strings = List.copyOf(strings);
    }

    /** Adds a piece and returns what is now certain to stand before any stop string. */
    String add(String piece) {
        if (found) {
            return "";
        }
        held.append(piece);
        int stop = firstStop();
        if (stop >= 0) {
            found = true;
            return take(stop);
        }
        return take(held.length() - possibleStart());
    }

    /** Ends the text and returns what was held back; empty after a stop string. */
    String finish() {
        return found ? "" : take(held.length());
    }

    /** Returns whether a stop string has come. */
    boolean found() {
        return found;
    }

    private int firstStop() {
        int first = -1;
        for (String string : strings) {
            int at = held.indexOf(string);
            if (at >= 0 && (first < 0 || at < first)) {
                first = at;
            }
        }
        return first;
    }

    /** Returns how many characters at the end may be the beginning of a stop string. */
    private int possibleStart() {
        int longest = 0;
        for (String string : strings) {
            for (int length = Math.min(string.length() - 1, held.length()); length > longest; length--) {
                if (held.indexOf(string.substring(0, length), held.length() - length) >= 0) {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private String take(int length) {
        String text = held.substring(0, length);
        held.delete(0, length);
        return text;
    }
}
