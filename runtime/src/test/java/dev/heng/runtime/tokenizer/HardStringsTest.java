package dev.heng.runtime.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.tokenizer.PromptSegment.Source;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Compares with the ids that Hugging Face's own tokenizers gives hundreds of hard strings. */
class HardStringsTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    void poet() throws IOException {
        check(RepositoryFiles.of("models/poet"), "poet-hard-strings.json");
    }

    /** The profile {@code fetch} downloads the package and names its directory. */
    @Test
    @EnabledIfSystemProperty(
            named = "heng.test.deepseek-v3",
            matches = ".+",
            disabledReason = "mvn -Pfetch fetches the tokenizer")
    void deepSeekV3() throws IOException {
        Path directory = Path.of(System.getProperty("heng.test.deepseek-v3"));
        assertTrue(Files.exists(directory.resolve("tokenizer.json")), directory + " has no tokenizer.json");
        check(directory, "deepseek_v3-hard-strings.json");
    }

    private static void check(Path directory, String table) throws IOException {
        JsonNode cases;
        try (InputStream in = HardStringsTest.class.getResourceAsStream(table)) {
            cases = JSON.readTree(Objects.requireNonNull(in, table + " is missing"));
        }
        assertTrue(cases.size() > 500, table + " has " + cases.size() + " strings");
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            int withControl = 0;
            for (JsonNode entry : cases) {
                String text = entry.get("text").textValue();
                int[] expected = JSON.convertValue(entry.get("ids_no_special"), int[].class);
                assertArrayEquals(expected, tokenizer.encode(text, false), text);
                assertEquals(text, tokenizer.decode(expected, false));
                assertEquals(text, stream(tokenizer, expected));
                int[] literal = tokenizer.encodeLiterally(text);
                assertEquals(text, tokenizer.decode(literal, true), "spelled out, nothing is special");
                if (hasControl(tokenizer, expected)) {
                    withControl++;
                    assertFalse(hasControl(tokenizer, literal), text);
                    assertArrayEquals(
                            expected, tokenizer.encode(List.of(new PromptSegment(text, Source.TEMPLATE))), text);
                } else {
                    assertArrayEquals(expected, literal, text);
                }
            }
            assertTrue(withControl > 0, table + " has no look-alikes of control tokens");
        }
    }

    private static boolean hasControl(Tokenizer tokenizer, int[] ids) {
        for (int id : ids) {
            if (tokenizer.isControl(id)) {
                return true;
            }
        }
        return false;
    }

    private static String stream(Tokenizer tokenizer, int[] ids) {
        StreamingDecoder decoder = tokenizer.streamingDecoder(false);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.add(id));
        }
        return text.append(decoder.finish()).toString();
    }
}
