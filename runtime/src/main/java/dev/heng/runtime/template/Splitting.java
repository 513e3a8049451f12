package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Str;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Takes strings apart as Python does. */
final class Splitting {

    private Splitting() {}

    /**
     * Splits a text.
     *
     * @param separator what stands between the parts; without it, any white space, and no part is empty
     * @param most how many times to split at most
     * @param fromRight whether the splits at the end count first
     */
    static List<Value> split(Text text, @Nullable String separator, long most, boolean fromRight) {
        if (separator == null) {
            return fromRight ? splitAtSpaceFromRight(text, most) : splitAtSpace(text, most);
        }
        List<Value> parts = new ArrayList<>();
        String characters = text.characters();
        if (fromRight) {
            int to = characters.length();
            for (int at = characters.lastIndexOf(separator);
                    at >= 0 && parts.size() < most;
                    at = before(characters, separator, at)) {
                parts.add(new Str(text.substring(at + separator.length(), to)));
                to = at;
            }
            parts.add(new Str(text.substring(0, to)));
            Collections.reverse(parts);
            return parts;
        }
        int from = 0;
        for (int at = characters.indexOf(separator);
                at >= 0 && parts.size() < most;
                at = characters.indexOf(separator, from)) {
            parts.add(new Str(text.substring(from, at)));
            from = at + separator.length();
        }
        parts.add(new Str(text.substring(from, characters.length())));
        return parts;
    }

    private static int before(String characters, String separator, int at) {
        return at < separator.length() ? -1 : characters.lastIndexOf(separator, at - separator.length());
    }

    private static List<Value> splitAtSpace(Text text, long most) {
        List<Value> parts = new ArrayList<>();
        String characters = text.characters();
        int from = skip(characters, 0, true);
        while (from < characters.length()) {
            if (parts.size() >= most) {
                parts.add(new Str(text.substring(from, characters.length()).strip("", false, true)));
                break;
            }
            int end = skip(characters, from, false);
            parts.add(new Str(text.substring(from, end)));
            from = skip(characters, end, true);
        }
        return parts;
    }

    private static int skip(String characters, int from, boolean space) {
        int at = from;
        while (at < characters.length() && Text.isSpace(characters.charAt(at)) == space) {
            at++;
        }
        return at;
    }

    private static List<Value> splitAtSpaceFromRight(Text text, long most) {
        List<Value> parts = new ArrayList<>();
        String characters = text.characters();
        int to = skipBack(characters, characters.length(), true);
        while (to > 0) {
            if (parts.size() >= most) {
                parts.add(new Str(text.substring(0, to).strip("", true, false)));
                break;
            }
            int start = skipBack(characters, to, false);
            parts.add(new Str(text.substring(start, to)));
            to = skipBack(characters, start, true);
        }
        Collections.reverse(parts);
        return parts;
    }

    private static int skipBack(String characters, int to, boolean space) {
        int at = to;
        while (at > 0 && Text.isSpace(characters.charAt(at - 1)) == space) {
            at--;
        }
        return at;
    }

    /** Splits at line ends. */
    static List<Value> lines(Text text, boolean keepEnds) {
        List<Value> lines = new ArrayList<>();
        String characters = text.characters();
        for (int from = 0; from < characters.length(); ) {
            int end = from;
            while (end < characters.length() && !isLineEnd(characters.charAt(end))) {
                end++;
            }
            int next = end;
            if (next < characters.length()) {
                next += characters.startsWith("\r\n", next) ? 2 : 1;
            }
            lines.add(new Str(text.substring(from, keepEnds ? next : end)));
            from = next;
        }
        return lines;
    }

    private static boolean isLineEnd(char unit) {
        return (unit >= '\n' && unit <= '\r')
                || (unit >= 0x1C && unit <= 0x1E)
                || unit == 0x85
                || unit == 0x2028
                || unit == 0x2029;
    }

    /** Splits once into what is before the separator, the separator, and what is behind. */
    static List<Value> partition(Text text, String separator, boolean last) {
        String characters = text.characters();
        int at = last ? characters.lastIndexOf(separator) : characters.indexOf(separator);
        if (at < 0) {
            Str whole = new Str(text);
            Str none = new Str(Text.EMPTY);
            return last ? List.of(none, none, whole) : List.of(whole, none, none);
        }
        int behind = at + separator.length();
        return List.of(
                new Str(text.substring(0, at)),
                new Str(text.substring(at, behind)),
                new Str(text.substring(behind, characters.length())));
    }
}
