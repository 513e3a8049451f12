package dev.heng.runtime.generate;

import java.util.List;
import java.util.Locale;

/**
 * What was generated.
 *
 * @param tokens the tokens in order, an end token included
 * @param finish why it ended
 * @param promptTokens tokens of the prompt
 * @param reusedTokens those of them that the caches held already
 * @param prefillNanos time from the call to the first token, in nanoseconds
 * @param decodeNanos time from the first token to the last, in nanoseconds
 */
public record Generation(
        List<Integer> tokens, Finish finish, int promptTokens, int reusedTokens, long prefillNanos, long decodeNanos) {

    /** Why a text ended. */
    public enum Finish {
        /** The model gave an end token. */
        END_TOKEN,
        /** A stop string came. */
        STOP_STRING,
        /** As many tokens as were asked for. */
        MAX_TOKENS,
        /** The context is full. */
        CONTEXT,
        /** The caller wanted no more. */
        CANCELLED
    }

    public Generation {
        tokens = List.copyOf(tokens);
    }

    /** Returns the tokens of the prompt that were computed in one second, or 0 where none were. */
    public double prefillTokensPerSecond() {
        return perSecond(promptTokens - reusedTokens, prefillNanos);
    }

    /** Returns the tokens after the first that were generated in one second, or 0 where there were none. */
    public double decodeTokensPerSecond() {
        return perSecond(tokens.size() - 1, decodeNanos);
    }

    /** Returns one line for people. */
    public String statistics() {
        return String.format(
                Locale.ROOT,
                "prompt %d tokens (%d reused) in %.3f s (%.1f tokens/s); generated %d tokens in %.3f s (%.1f tokens/s); ended by %s",
                promptTokens,
                reusedTokens,
                prefillNanos / 1e9,
                prefillTokensPerSecond(),
                tokens.size(),
                decodeNanos / 1e9,
                decodeTokensPerSecond(),
                finish.name().toLowerCase(Locale.ROOT).replace('_', ' '));
    }

    private static double perSecond(int count, long nanos) {
        return count <= 0 || nanos <= 0 ? 0 : count * 1e9 / nanos;
    }
}
