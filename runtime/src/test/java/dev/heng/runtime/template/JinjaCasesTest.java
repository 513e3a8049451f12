package dev.heng.runtime.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Renders every case of jinja-cases.json and compares with what Jinja itself rendered. */
class JinjaCasesTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static JsonNode cases() throws IOException {
        try (InputStream in = JinjaCasesTest.class.getResourceAsStream("jinja-cases.json")) {
            return JSON.readTree(Objects.requireNonNull(in, "jinja-cases.json is missing"));
        }
    }

    @Test
    void rendersWhatJinjaRenders() throws IOException {
        Map<String, String> wrong = new TreeMap<>();
        int rendered = 0;
        int refused = 0;
        int unsupported = 0;
        for (JsonNode testCase : cases()) {
            String name = testCase.get("name").textValue();
            String result;
            try {
                result = render(testCase);
            } catch (HengException failure) {
                assertTrue(failure.getMessage().startsWith(name), failure.getMessage());
                boolean mayRefuse = testCase.path("error").asBoolean()
                        || testCase.path("extended").asBoolean();
                if (!mayRefuse) {
                    wrong.put(name, testCase.get("template") + " is refused: " + failure.getMessage());
                } else if (testCase.path("error").asBoolean()) {
                    refused++;
                } else {
                    unsupported++;
                }
                continue;
            }
            if (testCase.path("error").asBoolean()) {
                wrong.put(
                        name,
                        testCase.get("template") + " must fail with " + testCase.path("reason") + " and gives "
                                + result);
            } else if (!result.equals(testCase.get("expected").textValue())) {
                wrong.put(
                        name,
                        testCase.get("template") + "\n  expected " + testCase.get("expected") + "\n  got      "
                                + JSON.writeValueAsString(result));
            } else {
                rendered++;
            }
        }
        assertEquals(
                "",
                String.join("\n", wrong.values()),
                wrong.size() + " of " + (rendered + refused + unsupported + wrong.size()) + " differ");
        System.out.printf(
                "jinja-cases.json: %d rendered, %d refused as by Jinja, %d extended ones not supported%n",
                rendered, refused, unsupported);
    }

    private static String render(JsonNode testCase) {
        Map<String, @Nullable Object> context = JSON.convertValue(testCase.get("context"), new TypeReference<>() {});
        return ChatTemplate.parse(
                        testCase.get("name").textValue(),
                        testCase.get("template").textValue(),
                        Map.of())
                .renderWith(context)
                .characters();
    }
}
