package dev.heng.runtime.tokenizer;

import dev.heng.runtime.HengException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Turns text into the token ids of a model and back, exactly as its tokenizer.json says.
 *
 * <p>Encoding is the Hugging Face library itself; {@code tokenizer_class} is not read, because for DeepSeek models it names a class that
 * drops every space.
 *
 * <p><b>Control tokens.</b> A model is steered by tokens such as {@code <｜User｜>} and {@code <｜end▁of▁sentence｜>} that are written like text.
 * {@link #encode(String, boolean)} recognizes them anywhere, as the library and DeepSeek's own scripts do: those flatten a conversation to one
 * string and encode it, so that a message can end its own turn and begin another. {@link #encode(List)} and {@link #encodeLiterally(String)} do
 * not: there, what a user wrote is spelled out as plain text. Without such text both give the same ids. A token is control if it is
 * {@code special}, or an added token written in angle or square brackets.
 *
 * <p><b>Threading</b>: safe. <b>Ownership</b>: holds native memory (about the file's size, twice that once a text had to be spelled out) until
 * closed; use after close is an {@link IllegalStateException}. <b>Errors</b>: {@link HengException}.
 */
public final class Tokenizer implements AutoCloseable {

    private static final byte[] REPLACEMENT = {(byte) 0xEF, (byte) 0xBF, (byte) 0xBD};

    private final TokenizerFile file;
    private final SpecialTokens specialTokens;
    private final NativeTokenizer library;
    private final ControlTokens control;
    private final BitSet specialIds = new BitSet();
    private final BitSet controlIds = new BitSet();
    private final int[] prefix;
    private final int[] suffix;
    private final Object literalLock = new Object();
    private @Nullable NativeTokenizer literal;
    private boolean closed;

    private Tokenizer(TokenizerFile file, JsonFile config, JsonFile generation) {
        this.file = file;
        this.specialTokens = SpecialTokens.read(config, generation, file);
        this.prefix = affix(config, "add_bos_token", "bos_token", file.prefix());
        this.suffix = affix(config, "add_eos_token", "eos_token", file.suffix());
        for (AddedToken token : file.addedTokens()) {
            specialIds.set(token.id(), token.special());
            controlIds.set(token.id(), token.isControl());
        }
        this.control = new ControlTokens(file.addedTokens());
        this.library = new NativeTokenizer(file.json(), file.path().toString());
    }

    /**
     * Loads the tokenizer of a model.
     *
     * @param directory holds tokenizer.json, and tokenizer_config.json and generation_config.json if the model has them
     * @throws HengException if a file is missing, broken or holds what is not supported
     */
    public static Tokenizer load(Path directory) {
        Path path = directory.resolve("tokenizer.json");
        if (!Files.exists(path)) {
            throw new HengException(
                    missing(directory),
                    "add the model's tokenizer.json; its tokenizer_class or a tiktoken or SentencePiece file "
                            + "is not read, because only tokenizer.json says everything");
        }
        return new Tokenizer(
                TokenizerFile.read(path),
                JsonFile.readIfPresent(directory.resolve("tokenizer_config.json")),
                JsonFile.readIfPresent(directory.resolve("generation_config.json")));
    }

    private static String missing(Path directory) {
        for (String other : List.of("tiktoken.model", "tokenizer.model")) {
            if (Files.exists(directory.resolve(other))) {
                return directory + " has " + other + " but no tokenizer.json";
            }
        }
        return directory + " has no tokenizer.json";
    }

    /** Decides what surrounds a text: tokenizer_config.json where it says so, else the post-processor of tokenizer.json. */
    private int[] affix(JsonFile config, String switchKey, String nameKey, List<Integer> ofPostProcessor) {
        boolean given = config.flag(switchKey).orElse(!ofPostProcessor.isEmpty());
        if (!given) {
            return new int[0];
        }
        if (!ofPostProcessor.isEmpty()) {
            return ofPostProcessor.stream().mapToInt(Integer::intValue).toArray();
        }
        String name = specialTokens.names().get(nameKey);
        Integer id = name == null ? null : file.idOf(name);
        if (id == null) {
            throw new HengException(
                    config.path() + " sets " + switchKey + " but names no " + nameKey, "restore the model's own file");
        }
        return new int[] {id};
    }

    /**
     * Encodes a text in which control tokens mean themselves, as {@code transformers} does.
     *
     * @param text the text; unpaired surrogates count as U+FFFD
     * @param addSpecialTokens whether to put what begins and ends every text of this model around it (for DeepSeek: the first token)
     */
    public int[] encode(String text, boolean addSpecialTokens) {
        int[] ids = library.encode(text);
        return addSpecialTokens
                ? new IdBuffer().add(prefix).add(ids).add(suffix).toArray()
                : ids;
    }

    /** Encodes a text as if the model had no control tokens, and adds none. The result never holds one. */
    public int[] encodeLiterally(String text) {
        int[] ids = library.encode(text);
        for (int id : ids) {
            if (controlIds.get(id)) {
                return literal().encode(text);
            }
        }
        return ids;
    }

    /**
     * Encodes a prompt: control tokens that the template wrote mean themselves, everything else is plain text. The segments are encoded as one
     * text, so that tokens reach across their borders exactly as they do in the flat text.
     */
    public int[] encode(List<PromptSegment> prompt) {
        StringBuilder text = new StringBuilder();
        BitSet ofTemplate = new BitSet();
        for (PromptSegment segment : prompt) {
            int start = text.length();
            text.append(segment.text());
            switch (segment.source()) {
                case TEMPLATE -> ofTemplate.set(start, text.length());
                case VALUE -> {
                    // Stays unset.
                }
            }
        }
        String flat = text.toString();
        IdBuffer ids = new IdBuffer();
        int start = 0;
        for (ControlTokens.Occurrence occurrence : control.find(flat, ofTemplate)) {
            ids.add(encodeLiterally(flat.substring(start, occurrence.start())));
            ids.add(new int[] {occurrence.token().id()});
            start = occurrence.end();
        }
        return ids.add(encodeLiterally(flat.substring(start))).toArray();
    }

    /** Makes the second native tokenizer when the first text needs it: the same one, but nobody can write its control tokens. */
    private NativeTokenizer literal() {
        synchronized (literalLock) {
            if (closed) {
                throw new IllegalStateException("the tokenizer " + file.path() + " is closed");
            }
            if (literal == null) {
                String secret = new BigInteger(128, new SecureRandom()).toString(16);
                Map<String, String> names = new HashMap<>();
                for (AddedToken token : file.addedTokens()) {
                    String name = token.isControl() ? "\uFDD0" + secret + ":" + token.id() + "\uFDD1" : token.content();
                    names.put(token.content(), name);
                }
                literal = new NativeTokenizer(
                        file.jsonWithAddedTokens(content -> names.getOrDefault(content, content)),
                        file.path().toString());
            }
            return literal;
        }
    }

    /**
     * Decodes token ids. Bytes that are not UTF-8 become U+FFFD, and so does an id without a token.
     *
     * @param skipSpecialTokens whether to leave out the tokens the file calls special
     * @throws IllegalArgumentException if an id is negative
     */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        StringBuilder text = new StringBuilder();
        Utf8Decoder utf8 = new Utf8Decoder();
        for (int id : ids) {
            if (!skipSpecialTokens || !isSpecial(id)) {
                utf8.decode(bytesOf(id), text);
            }
        }
        utf8.finish(text);
        return text.toString();
    }

    /** Makes a decoder for ids that come one by one. */
    public StreamingDecoder streamingDecoder(boolean skipSpecialTokens) {
        return new StreamingDecoder(this, skipSpecialTokens);
    }

    /** Returns the bytes of an id; those of U+FFFD if no token has it. The array is shared; do not change it. */
    byte[] bytesOf(int id) {
        if (id < 0) {
            throw new IllegalArgumentException("token id " + id + " is negative");
        }
        byte[] bytes = file.bytesOf(id);
        return bytes == null ? REPLACEMENT : bytes;
    }

    /** Returns whether the file calls the token special. */
    public boolean isSpecial(int id) {
        return id >= 0 && specialIds.get(id);
    }

    /** Returns whether the token steers the model, so that only the template may write it. */
    public boolean isControl(int id) {
        return id >= 0 && controlIds.get(id);
    }

    /** Returns the id of a token by its text in tokenizer.json, such as {@code <｜User｜>}. */
    public OptionalInt idOf(String token) {
        Integer id = file.idOf(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** Returns one more than the highest id. A model's own vocabulary size may be larger, padded for the hardware's sake. */
    public int vocabularySize() {
        return file.size();
    }

    /** Returns the tokens that begin and end a text. */
    public SpecialTokens specialTokens() {
        return specialTokens;
    }

    /** Decodes through the native library, to compare with. */
    String decodeNatively(int[] ids, boolean skipSpecialTokens) {
        return library.decode(ids, skipSpecialTokens);
    }

    @Override
    public void close() {
        synchronized (literalLock) {
            closed = true;
            library.close();
            if (literal != null) {
                literal.close();
            }
        }
    }
}
