package dev.heng.runtime.tokenizer;

/**
 * Decodes UTF-8 that arrives in pieces. The bytes of a character that is not complete yet are held back.
 *
 * <p>Ill-formed input gives one U+FFFD for each maximal subpart, as the Unicode Standard recommends (section 3.9, "U+FFFD Substitution of
 * Maximal Subparts") and the native library does; {@link String} differs for encoded surrogates. Not thread-safe.
 */
final class Utf8Decoder {

    private static final char REPLACEMENT = '\uFFFD';

    /** Bytes of the current character still to come; 0 between characters. */
    private int missing;

    private int codePoint;
    private int lowest = 0x80;
    private int highest = 0xBF;

    /** Decodes more bytes and appends what is complete. */
    void decode(byte[] bytes, StringBuilder text) {
        for (byte signed : bytes) {
            int value = Byte.toUnsignedInt(signed);
            if (missing > 0) {
                if (value >= lowest && value <= highest) {
                    continueCharacter(value, text);
                    continue;
                }
                finish(text);
            }
            startCharacter(value, text);
        }
    }

    /** Ends the input: an incomplete character becomes U+FFFD. */
    void finish(StringBuilder text) {
        if (missing > 0) {
            text.append(REPLACEMENT);
            reset();
        }
    }

    private void continueCharacter(int value, StringBuilder text) {
        codePoint = codePoint << 6 | (value & 0x3F);
        lowest = 0x80;
        highest = 0xBF;
        missing--;
        if (missing == 0) {
            text.appendCodePoint(codePoint);
        }
    }

    /** Reads a first byte; the range of the second one excludes overlong forms, surrogates and values above U+10FFFF. */
    private void startCharacter(int value, StringBuilder text) {
        reset();
        if (value < 0x80) {
            text.append((char) value);
        } else if (value >= 0xC2 && value <= 0xDF) {
            expect(1, value & 0x1F);
        } else if (value >= 0xE0 && value <= 0xEF) {
            expect(2, value & 0x0F);
            if (value == 0xE0) {
                lowest = 0xA0;
            } else if (value == 0xED) {
                highest = 0x9F;
            }
        } else if (value >= 0xF0 && value <= 0xF4) {
            expect(3, value & 0x07);
            if (value == 0xF0) {
                lowest = 0x90;
            } else if (value == 0xF4) {
                highest = 0x8F;
            }
        } else {
            text.append(REPLACEMENT);
        }
    }

    private void expect(int count, int bits) {
        missing = count;
        codePoint = bits;
    }

    private void reset() {
        missing = 0;
        codePoint = 0;
        lowest = 0x80;
        highest = 0xBF;
    }
}
