package dev.heng.runtime.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The byte-level alphabet: vocabularies write each byte as one printable character. Printable bytes of Latin-1 stand for themselves, the 68
 * others follow from U+0100 on, in order.
 *
 * <p><b>Source</b>: {@code bytes_to_unicode} of GPT-2's encoder.
 */
final class ByteLevel {

    private static final int FIRST_SUBSTITUTE = 0x100;

    private static final int[] BYTE_OF = byteOfCharacter();

    private ByteLevel() {}

    private static int[] byteOfCharacter() {
        int[] byteOf = new int[0x200];
        Arrays.fill(byteOf, -1);
        int substitute = FIRST_SUBSTITUTE;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= '!' && value <= '~') || (value >= 0xA1 && value <= 0xAC) || value >= 0xAE;
            byteOf[printable ? value : substitute++] = value;
        }
        return byteOf;
    }

    /** Returns the bytes that a token stands for; a token with a character outside the alphabet stands for its own UTF-8. */
    static byte[] bytesOf(String token) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(token.length());
        for (int i = 0; i < token.length(); i++) {
            char letter = token.charAt(i);
            int value = letter < BYTE_OF.length ? BYTE_OF[letter] : -1;
            if (value < 0) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            bytes.write(value);
        }
        return bytes.toByteArray();
    }
}
