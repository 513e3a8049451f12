package dev.heng.runtime.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.heng.runtime.HengException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Names the tokens that begin and end a text, from tokenizer_config.json and generation_config.json.
 *
 * @param names the text of each named token, by its key: {@code bos_token}, {@code eos_token}, {@code pad_token} and so on
 * @param beginOfSequence the id of the token that begins a text, if the model has one
 * @param endOfSequence every id that ends a text; empty if the model has none
 * @param padding the id of the padding token, if the model has one
 */
public record SpecialTokens(
        Map<String, String> names, OptionalInt beginOfSequence, Set<Integer> endOfSequence, OptionalInt padding) {

    /** Copies the collections. */
    public SpecialTokens {
        names = Map.copyOf(names);
        endOfSequence = Set.copyOf(endOfSequence);
    }

    /**
     * Reads the special tokens: the two files are joined, and where both name the first token or the padding, generation_config.json decides,
     * because it is what generation runs with.
     */
    static SpecialTokens read(JsonFile config, JsonFile generation, TokenizerFile tokenizer) {
        Map<String, String> names = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : config.root().properties()) {
            if (field.getKey().endsWith("_token") && !field.getKey().startsWith("add_")) {
                String content = contentOf(field.getValue());
                if (content != null) {
                    names.put(field.getKey(), content);
                } else if (!field.getValue().isNull()) {
                    throw new HengException(
                            config.path() + ": " + field.getKey()
                                    + " must be a string, an object with a string \"content\" or null, and is "
                                    + field.getValue().getNodeType(),
                            "restore the model's own tokenizer_config.json");
                }
            }
        }
        Set<Integer> ends = new LinkedHashSet<>(generation.ids("eos_token_id"));
        idOf("eos_token", names, config, tokenizer).ifPresent(ends::add);
        return new SpecialTokens(
                names,
                first(generation, "bos_token_id", idOf("bos_token", names, config, tokenizer)),
                ends,
                first(generation, "pad_token_id", idOf("pad_token", names, config, tokenizer)));
    }

    private static OptionalInt first(JsonFile generation, String key, OptionalInt fallback) {
        for (int id : generation.ids(key)) {
            return OptionalInt.of(id);
        }
        return fallback;
    }

    private static OptionalInt idOf(String name, Map<String, String> names, JsonFile config, TokenizerFile tokenizer) {
        String content = names.get(name);
        if (content == null) {
            return OptionalInt.empty();
        }
        Integer id = tokenizer.idOf(content);
        if (id == null) {
            throw new HengException(
                    config.path() + ": " + name + " is \"" + content + "\", which " + tokenizer.path()
                            + " has no id for",
                    "take both files from the same model");
        }
        return OptionalInt.of(id);
    }

    private static @Nullable String contentOf(JsonNode value) {
        JsonNode content = value.isObject() ? value.get("content") : value;
        return content != null && content.isTextual() ? content.textValue() : null;
    }
}
