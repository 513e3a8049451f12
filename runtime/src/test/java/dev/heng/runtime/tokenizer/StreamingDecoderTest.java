package dev.heng.runtime.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class StreamingDecoderTest {

    private static final long SEED = 20251125;

    private static Tokenizer tokenizer;

    @BeforeAll
    static void load() {
        tokenizer = Tokenizer.load(RepositoryFiles.of("models/poet"));
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    @Test
    void joinedPiecesAreTheWholeTextForAnyIds() {
        Random random = new Random(SEED);
        for (int round = 0; round < 5_000; round++) {
            int[] ids = new int[random.nextInt(12)];
            for (int i = 0; i < ids.length; i++) {
                // Single bytes have the lowest ids; they make ill-formed text likely.
                ids[i] = random.nextInt(random.nextBoolean() ? 261 : tokenizer.vocabularySize());
            }
            for (boolean skip : new boolean[] {false, true}) {
                StreamingDecoder stream = tokenizer.streamingDecoder(skip);
                StringBuilder joined = new StringBuilder();
                for (int id : ids) {
                    joined.append(stream.add(id));
                }
                joined.append(stream.finish());
                String expected = tokenizer.decodeNatively(ids, skip);
                String message = "seed " + SEED + ", round " + round;
                assertEquals(expected, tokenizer.decode(ids, skip), message);
                assertEquals(expected, joined.toString(), message);
            }
        }
    }

    @Test
    void holdsBackAnUnfinishedCharacter() {
        String text = "é秋😀";
        StreamingDecoder stream = tokenizer.streamingDecoder(true);
        StringBuilder joined = new StringBuilder();
        for (byte value : text.getBytes(StandardCharsets.UTF_8)) {
            int id = idOfByte(Byte.toUnsignedInt(value));
            joined.append(stream.add(id));
            assertFalse(joined.toString().contains("\uFFFD"));
            assertEquals(text.substring(0, joined.length()), joined.toString());
        }
        assertEquals(text, joined.toString());
        assertEquals("", stream.finish());
    }

    @Test
    void showsAnUnfinishedCharacterAtTheEndOrWhenItCannotBeFinished() {
        StreamingDecoder stream = tokenizer.streamingDecoder(true);
        assertEquals("", stream.add(idOfByte(0xE7)));
        assertEquals("", stream.add(idOfByte(0xA7)));
        assertEquals("\uFFFDa", stream.add(idOfByte('a')));
        assertEquals("", stream.add(idOfByte(0xF0)));
        assertEquals("\uFFFD", stream.finish());
        assertEquals("", stream.finish());
    }

    private static int idOfByte(int value) {
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            byte[] bytes = tokenizer.bytesOf(id);
            if (bytes.length == 1 && Byte.toUnsignedInt(bytes[0]) == value) {
                return id;
            }
        }
        throw new AssertionError("no token for byte " + value);
    }
}
