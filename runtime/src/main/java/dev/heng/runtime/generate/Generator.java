package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.generate.Generation.Finish;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Generates text in one sequence of a session. What a prompt has in common with the text before it stays in the caches and is not computed again, so that each turn of
 * a chat costs its own tokens only.
 *
 * <p>Threading: as the session's; {@code cancelled} is asked on the calling thread after each token and each piece of the prompt.
 */
public final class Generator {

    private static final int SEQUENCE = 0;

    private final Session session;
    /** The tokens whose rows the caches hold; the first {@link Session#length} count. */
    private final int[] cached;

    /**
     * Makes a generator.
     *
     * @param session of a graph that samples; its sequence 0 belongs to the generator from now on. The caller closes it
     */
    public Generator(Session session) {
        this.session = session;
        this.cached = new int[session.limits().contextTokens()];
        session.truncate(SEQUENCE, 0);
    }

    /**
     * Continues a text.
     *
     * @param decoder a fresh one, for the generated tokens
     * @param text is given the text piece by piece as it becomes certain; the pieces joined are the whole
     * @param cancelled says whether to stop; what was generated until then is returned
     * @throws HengException before anything runs, if the prompt, or the prompt with as many tokens as were asked for, is longer than the context, or holds an id that is
     *     not of the vocabulary
     */
    public Generation generate(
            GenerationRequest request, TextDecoder decoder, Consumer<String> text, BooleanSupplier cancelled) {
        long start = System.nanoTime();
        int[] prompt = request.promptIds();
        int limit = limit(prompt, request);
        session.requireTokens(prompt);
        StopStrings stops = new StopStrings(request.stopStrings());
        session.choose(SEQUENCE, request.sampling());
        boolean whole = false;
        try {
            Generation generation = generate(request, prompt, limit, decoder, stops, text, cancelled, start);
            whole = true;
            return generation;
        } finally {
            if (!whole) {
                // A device may report a failed run late: what the caches hold now is not known.
                session.truncate(SEQUENCE, 0);
            }
        }
    }

    private Generation generate(
            GenerationRequest request,
            int[] prompt,
            int limit,
            TextDecoder decoder,
            StopStrings stops,
            Consumer<String> text,
            BooleanSupplier cancelled,
            long start) {
        int reused = reuse(prompt);
        List<Integer> tokens = new ArrayList<>();
        if (limit == 0 || !prefill(prompt, reused, cancelled)) {
            Finish finish = limit == 0 ? Finish.MAX_TOKENS : Finish.CANCELLED;
            return new Generation(tokens, finish, prompt.length, reused, System.nanoTime() - start, 0);
        }
        int token = session.sampledToken(0);
        long first = System.nanoTime();
        Finish finish;
        while (true) {
            tokens.add(token);
            if (request.endTokens().contains(token)) {
                finish = Finish.END_TOKEN;
                break;
            }
            emit(stops.add(decoder.add(token)), text);
            if (stops.found()) {
                finish = Finish.STOP_STRING;
                break;
            }
            if (tokens.size() == limit) {
                finish = request.maxTokens() != null ? Finish.MAX_TOKENS : Finish.CONTEXT;
                break;
            }
            if (cancelled.getAsBoolean()) {
                finish = Finish.CANCELLED;
                break;
            }
            cached[session.length(SEQUENCE)] = token;
            session.continueSampled();
            token = session.sampledToken(0);
        }
        emit(stops.add(decoder.finish()), text);
        emit(stops.finish(), text);
        return new Generation(tokens, finish, prompt.length, reused, first - start, System.nanoTime() - first);
    }

    /** Returns how many tokens may be generated. */
    private int limit(int[] prompt, GenerationRequest request) {
        int context = session.limits().contextTokens();
        if (prompt.length > context) {
            throw new HengException(
                    "the prompt has " + prompt.length + " tokens, more than the context of " + context,
                    "shorten the prompt, or load the model for a longer context");
        }
        int room = context - prompt.length;
        if (request.maxTokens() == null) {
            if (room == 0) {
                throw new HengException(
                        "the prompt has " + prompt.length
                                + " tokens and fills the context, so that no token can follow",
                        "shorten the prompt, or load the model for a longer context");
            }
            return room;
        }
        if (request.maxTokens() > room) {
            throw new HengException(
                    "the prompt's " + prompt.length + " tokens and " + request.maxTokens()
                            + " more are longer than the context of " + context,
                    "ask for at most " + room + " tokens, shorten the prompt, or load the model for a longer context");
        }
        return request.maxTokens();
    }

    /** Keeps the tokens that the caches and the prompt begin with, and returns how many; the last one runs again, for its logits. */
    private int reuse(int[] prompt) {
        int known = session.length(SEQUENCE);
        int mismatch = Arrays.mismatch(cached, 0, known, prompt, 0, prompt.length);
        int common = mismatch < 0 ? known : mismatch;
        int kept = Math.min(common, prompt.length - 1);
        session.truncate(SEQUENCE, kept);
        return kept;
    }

    /** Runs the prompt from token {@code from} on in chunks; returns false if it was cancelled between them. */
    private boolean prefill(int[] prompt, int from, BooleanSupplier cancelled) {
        int chunk = session.limits().chunkTokens();
        for (int start = from; start < prompt.length; start += chunk) {
            if (start > from && cancelled.getAsBoolean()) {
                return false;
            }
            int end = Math.min(prompt.length, start + chunk);
            int[] piece = Arrays.copyOfRange(prompt, start, end);
            System.arraycopy(piece, 0, cached, start, piece.length);
            session.run(List.of(new Feed(SEQUENCE, piece, end == prompt.length ? Wanted.LAST : Wanted.NONE)));
        }
        return true;
    }

    private static void emit(String piece, Consumer<String> text) {
        if (!piece.isEmpty()) {
            text.accept(piece);
        }
    }
}
