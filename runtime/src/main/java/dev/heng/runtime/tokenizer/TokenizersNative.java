package dev.heng.runtime.tokenizer;

/**
 * Names the entry points of the native tokenizer library that Heng uses. {@link NativeLibrary} makes the implementation; it is public only
 * because that implementation lives in a class loader of its own.
 *
 * <p><b>Handles</b>: a {@code long} is a pointer owned by the caller. A freed or invented handle crashes the process, so only
 * {@link NativeTokenizer} calls these methods. <b>Strings</b> must be well-formed UTF-16. <b>Errors</b>: a {@link RuntimeException} with the
 * library's message. <b>Threading</b>: encoding is safe from several threads at once; every other call on one handle is not.
 *
 * <p><b>Source</b>: native methods of {@code ai.djl.huggingface.tokenizers.jni.TokenizersLibrary}, tokenizers 0.21.0-0.38.0; a test compares
 * names and signatures.
 */
public interface TokenizersNative {

    /** Parses the text of a tokenizer.json and returns a tokenizer handle. */
    long createTokenizerFromString(String json);

    /** Frees a tokenizer. */
    void deleteTokenizer(long tokenizer);

    /** Encodes a text and returns an encoding handle. */
    long encode(long tokenizer, String text, boolean addSpecialTokens);

    /** Returns the token ids of an encoding. */
    long[] getTokenIds(long encoding);

    /** Frees an encoding. */
    void deleteEncoding(long encoding);

    /** Decodes token ids; unknown ids are left out. */
    String decode(long tokenizer, long[] ids, boolean skipSpecialTokens);

    /** Switches truncation off, which tokenizer.json may have switched on. */
    void disableTruncation(long tokenizer);

    /** Switches padding off, which tokenizer.json may have switched on. */
    void disablePadding(long tokenizer);
}
