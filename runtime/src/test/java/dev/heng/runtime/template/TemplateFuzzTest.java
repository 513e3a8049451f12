package dev.heng.runtime.template;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Mutates the templates of jinja-cases.json: each mutant renders or is refused with one clear message, soon. */
class TemplateFuzzTest {

    private static final long SEED = 2_718_281;
    private static final int ROUNDS = 6_000;
    private static final List<String> PIECES = List.of(
            "{{",
            "}}",
            "{%",
            "%}",
            "{%-",
            "-%}",
            "{#",
            "#}",
            "(",
            ")",
            "[",
            "]",
            "'",
            "\"",
            "|",
            ".",
            ",",
            ":",
            "=",
            "==",
            "-",
            "*",
            "~",
            " is ",
            " not ",
            " in ",
            " and ",
            " if ",
            " else ",
            "1",
            "0",
            "'a'",
            "x",
            "loop",
            "messages",
            "none",
            "\\",
            "\n",
            " ",
            "\u0000",
            "中");

    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    void mutantsRenderOrAreRefused() throws IOException {
        List<JsonNode> cases = new ArrayList<>();
        try (InputStream in = TemplateFuzzTest.class.getResourceAsStream("jinja-cases.json")) {
            JSON.readTree(Objects.requireNonNull(in, "jinja-cases.json is missing"))
                    .forEach(cases::add);
        }
        Random random = new Random(SEED);
        int rendered = 0;
        for (int round = 0; round < ROUNDS; round++) {
            JsonNode original = cases.get(random.nextInt(cases.size()));
            String other =
                    cases.get(random.nextInt(cases.size())).get("template").textValue();
            String mutant = mutate(original.get("template").textValue(), other, random);
            Map<String, @Nullable Object> context =
                    JSON.convertValue(original.get("context"), new TypeReference<>() {});
            rendered += rendersOrIsRefused(mutant, context, round) ? 1 : 0;
        }
        assertTrue(
                rendered > ROUNDS / 20 && rendered < ROUNDS,
                "only a mix shows anything: " + rendered + " of " + ROUNDS);
    }

    private static boolean rendersOrIsRefused(String template, Map<String, @Nullable Object> context, int round) {
        try {
            ChatTemplate.parse("mutant", template, Map.of("bos_token", "<s>")).renderWith(context);
            return true;
        } catch (HengException refused) {
            assertTrue(refused.getMessage().startsWith("mutant, line "), refused.getMessage());
            assertFalse(refused.remedy().isBlank());
            return false;
        } catch (RuntimeException failure) {
            return fail("seed " + SEED + ", round " + round + ": " + template, failure);
        }
    }

    private static String mutate(String template, String other, Random random) {
        StringBuilder mutant = new StringBuilder(template);
        for (int count = 1 + random.nextInt(3); count > 0; count--) {
            int at = random.nextInt(mutant.length() + 1);
            switch (random.nextInt(4)) {
                case 0 -> mutant.insert(at, PIECES.get(random.nextInt(PIECES.size())));
                case 1 -> mutant.delete(at, Math.min(mutant.length(), at + 1 + random.nextInt(4)));
                case 2 -> {
                    int from = random.nextInt(other.length() + 1);
                    mutant.insert(at, other, from, Math.min(other.length(), from + random.nextInt(30)));
                }
                default -> mutant.setLength(at);
            }
        }
        return mutant.toString();
    }
}
