package dev.heng.cli;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** A prompt from the command line, or from standard input where it is {@code -}. */
final class PromptText {

    /** More text than any context holds. */
    private static final int MAXIMUM_BYTES = 64 << 20;

    private PromptText() {}

    /**
     * Returns the prompt.
     *
     * @param argument the prompt, or {@code -}
     * @param in where {@code -} reads
     * @param trimmed whether one line break at the end of standard input is the shell's and no part of the prompt
     */
    static String of(String argument, InputStream in, boolean trimmed) {
        if (!argument.equals("-")) {
            return argument;
        }
        String text = decode(read(in));
        if (!trimmed) {
            return text;
        }
        if (text.endsWith("\r\n")) {
            return text.substring(0, text.length() - 2);
        }
        return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    private static byte[] read(InputStream in) {
        try {
            byte[] bytes = in.readNBytes(MAXIMUM_BYTES + 1);
            if (bytes.length > MAXIMUM_BYTES) {
                throw new HengException(
                        "the prompt on standard input is longer than " + (MAXIMUM_BYTES >> 20) + " MiB",
                        "give a text that fits into the model's context");
            }
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read", e);
        }
    }

    private static String decode(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new HengException(
                    "the prompt on standard input is not UTF-8 (" + e.getMessage() + ")",
                    "convert it, for example with iconv -t UTF-8",
                    e);
        }
    }
}
