package dev.heng.runtime.tokenizer;

/**
 * Turns token ids into text while they are being generated.
 *
 * <p>A token may end inside a character; the bytes of an unfinished character are held back until it is complete or certain never to be, so
 * that a prefix of a valid character is never shown as U+FFFD. For every sequence of ids, the pieces and the {@linkplain #finish() last piece}
 * joined are {@link Tokenizer#decode(int[], boolean)} of the sequence.
 *
 * <p><b>Threading</b>: one thread. <b>Ownership</b>: holds no resource; a decoder is thrown away after {@link #finish()}.
 */
public final class StreamingDecoder {

    private final Tokenizer tokenizer;
    private final boolean skipSpecialTokens;
    private final Utf8Decoder utf8 = new Utf8Decoder();

    StreamingDecoder(Tokenizer tokenizer, boolean skipSpecialTokens) {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /**
     * Adds a token and returns the text that has become certain, which may be empty.
     *
     * @param id a token id; an id without a token becomes U+FFFD
     * @throws IllegalArgumentException if the id is negative
     */
    public String add(int id) {
        if (skipSpecialTokens && tokenizer.isSpecial(id)) {
            return "";
        }
        StringBuilder text = new StringBuilder();
        utf8.decode(tokenizer.bytesOf(id), text);
        return text.toString();
    }

    /** Ends the text and returns what was held back: empty, or U+FFFD for an unfinished character. */
    public String finish() {
        StringBuilder text = new StringBuilder();
        utf8.finish(text);
        return text.toString();
    }
}
