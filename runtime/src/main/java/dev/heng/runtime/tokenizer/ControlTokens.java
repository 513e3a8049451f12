package dev.heng.runtime.tokenizer;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Finds the control tokens that a chat template wrote into a prompt. */
final class ControlTokens {

    /** Candidates by their first character, the longest first: of several that begin at one place, the longest counts. */
    private final Map<Character, List<AddedToken>> byFirst = new HashMap<>();

    ControlTokens(Collection<AddedToken> addedTokens) {
        for (AddedToken token : addedTokens) {
            if (token.isControl()) {
                byFirst.computeIfAbsent(token.content().charAt(0), _ -> new ArrayList<>())
                        .add(token);
            }
        }
        Comparator<AddedToken> longestFirst = Comparator.<AddedToken>comparingInt(
                        token -> token.content().length())
                .reversed();
        byFirst.values().forEach(tokens -> tokens.sort(longestFirst));
    }

    /**
     * Is a control token in a text, with the white space it swallows.
     *
     * @param token the token
     * @param start the first character of it
     * @param end the character behind it
     */
    record Occurrence(AddedToken token, int start, int end) {}

    /**
     * Finds every control token of which the template wrote each character, from left to right.
     *
     * @param ofTemplate the characters that the template wrote
     */
    List<Occurrence> find(String text, BitSet ofTemplate) {
        List<Occurrence> found = new ArrayList<>();
        int from = 0;
        for (int i = ofTemplate.nextSetBit(0); i >= 0; i = ofTemplate.nextSetBit(i)) {
            AddedToken token = at(text, i, ofTemplate);
            if (token == null) {
                i++;
                continue;
            }
            int start = i;
            int end = i + token.content().length();
            while (token.stripsLeft() && start > from && Character.isWhitespace(text.charAt(start - 1))) {
                start--;
            }
            while (token.stripsRight() && end < text.length() && Character.isWhitespace(text.charAt(end))) {
                end++;
            }
            found.add(new Occurrence(token, start, end));
            from = end;
            i = end;
        }
        return found;
    }

    private @Nullable AddedToken at(String text, int start, BitSet ofTemplate) {
        for (AddedToken token : byFirst.getOrDefault(text.charAt(start), List.of())) {
            int end = start + token.content().length();
            if (text.startsWith(token.content(), start) && ofTemplate.nextClearBit(start) >= end) {
                return token;
            }
        }
        return null;
    }
}
