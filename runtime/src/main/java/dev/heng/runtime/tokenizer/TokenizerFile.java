package dev.heng.runtime.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Reads what Heng itself needs of a tokenizer.json, and refuses what the native library would take but Heng could not decode or trust.
 *
 * <p>The kinds of normalizer, pre-tokenizer and decoder are a closed list. It covers the DeepSeek, Kimi, GLM, Qwen and Llama 3 tokenizers, all
 * byte-level BPE; anything else is an error that names it, since a tokenizer that is nearly right makes a model that is quietly wrong.
 *
 * <p><b>Source</b>: the serialization of Hugging Face tokenizers 0.21.
 */
final class TokenizerFile {

    private static final String REMEDY =
            "use a model with a byte-level BPE tokenizer.json, as DeepSeek's are, or download the file again";

    /** Ids are dense in practice; the limit keeps a hostile id from allocating a huge table. */
    private static final int MAXIMUM_ID = 1 << 22;

    /** Above the longest pattern in use (about 400 characters). */
    private static final int MAXIMUM_PATTERN_LENGTH = 4096;

    private static final int MAXIMUM_NESTING = 16;

    private static final Set<String> NORMALIZERS =
            Set.of("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "Replace", "Prepend");
    private static final Set<String> PRE_TOKENIZERS =
            Set.of("Split", "ByteLevel", "Digits", "Punctuation", "Whitespace", "WhitespaceSplit");

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Path path;
    private final String json;
    private final Map<String, Integer> vocabulary = new HashMap<>();
    private final Map<String, AddedToken> addedTokens = new LinkedHashMap<>();
    private final List<Integer> prefix = new ArrayList<>();
    private final List<Integer> suffix = new ArrayList<>();
    private byte[] @Nullable [] bytesById = new byte[0][];

    private TokenizerFile(Path path, String json) {
        this.path = path;
        this.json = json;
    }

    /**
     * Reads a tokenizer.json.
     *
     * @throws HengException if it cannot be read or holds what Heng does not support
     */
    static TokenizerFile read(Path path) {
        TokenizerFile file = new TokenizerFile(path, JsonFile.text(path));
        file.parse();
        return file;
    }

    private void parse() {
        Map<String, JsonNode> parts = new HashMap<>();
        Map<String, JsonNode> model = new HashMap<>();
        try (JsonParser parser = MAPPER.getFactory().createParser(json)) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "must hold a JSON object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.currentName();
                parser.nextToken();
                if (key.equals("model")) {
                    parseModel(parser, model);
                } else {
                    parts.put(key, MAPPER.readTree(parser));
                }
            }
            require(parser.nextToken() == null, "has content behind its end");
        } catch (JsonProcessingException failure) {
            throw JsonFile.malformed(path, failure);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        checkModel(model);
        readAddedTokens(part(parts, "added_tokens"));
        checkComponents(part(parts, "normalizer"), "normalizer", "normalizers", NORMALIZERS, 0);
        checkComponents(part(parts, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", PRE_TOKENIZERS, 0);
        require(bytesAreLast(part(parts, "pre_tokenizer")), "pre_tokenizer must end in ByteLevel");
        checkDecoder(part(parts, "decoder"));
        readPostProcessor(part(parts, "post_processor"), 0);
        fillBytes();
    }

    private static JsonNode part(Map<String, JsonNode> parts, String key) {
        return parts.getOrDefault(key, NullNode.getInstance());
    }

    private void parseModel(JsonParser parser, Map<String, JsonNode> model) throws IOException {
        require(parser.currentToken() == JsonToken.START_OBJECT, "model must be an object");
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            if (key.equals("vocab")) {
                parseVocabulary(parser);
            } else if (key.equals("merges")) {
                // Checked by the native library, which knows what they merge.
                require(parser.currentToken() == JsonToken.START_ARRAY, "model.merges must be a list");
                parser.skipChildren();
            } else {
                model.put(key, MAPPER.readTree(parser));
            }
        }
    }

    private void parseVocabulary(JsonParser parser) throws IOException {
        require(
                parser.currentToken() == JsonToken.START_OBJECT,
                "model.vocab must map tokens to ids (a BPE vocabulary)");
        require(vocabulary.isEmpty(), "has two vocabularies");
        Map<Integer, String> owners = new HashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String token = parser.currentName();
            boolean isInteger = parser.nextToken() == JsonToken.VALUE_NUMBER_INT;
            require(isInteger, "model.vocab gives \"" + token + "\" an id that is not an integer");
            int id = checkedId(parser.getLongValue(), token);
            require(vocabulary.put(token, id) == null, "model.vocab has \"" + token + "\" twice");
            String owner = owners.put(id, token);
            require(owner == null, "model.vocab gives id " + id + " to both \"" + owner + "\" and \"" + token + "\"");
        }
    }

    private int checkedId(long id, String token) {
        require(id >= 0 && id <= MAXIMUM_ID, "gives \"" + token + "\" the id " + id + ", outside 0.." + MAXIMUM_ID);
        return Math.toIntExact(id);
    }

    private void checkModel(Map<String, JsonNode> model) {
        JsonNode type = part(model, "type");
        // Files from before the field existed have a vocabulary and merges, as only BPE has.
        require(type.isNull() || type.asText().equals("BPE"), "has a model of type " + type + ", not BPE");
        require(!vocabulary.isEmpty(), "has no model.vocab");
        JsonNode dropout = part(model, "dropout");
        require(
                dropout.isNull() || dropout.asDouble(1) == 0,
                "has BPE dropout " + dropout + ", with which one text has many encodings");
        require(
                !part(model, "byte_fallback").asBoolean(),
                "has byte_fallback, which belongs to SentencePiece vocabularies");
        requireEmpty(model, "continuing_subword_prefix");
        requireEmpty(model, "end_of_word_suffix");
    }

    private void requireEmpty(Map<String, JsonNode> model, String key) {
        JsonNode value = part(model, key);
        require(
                value.isNull() || value.asText().isEmpty(),
                "has model." + key + " " + value + ", which byte-level BPE has not");
    }

    private void readAddedTokens(JsonNode list) {
        require(list.isNull() || list.isArray(), "added_tokens must be a list");
        Set<Integer> taken = new HashSet<>();
        int highest = -1;
        for (JsonNode entry : list) {
            JsonNode content = entry.path("content");
            JsonNode id = entry.path("id");
            require(
                    content.isTextual() && !content.textValue().isEmpty(),
                    "added_tokens has an entry without content: " + shorten(entry));
            require(
                    id.isIntegralNumber() && id.canConvertToLong(),
                    "added_tokens gives \"" + content.textValue() + "\" no integer id");
            String text = content.textValue();
            AddedToken token = new AddedToken(
                    checkedId(id.longValue(), text),
                    text,
                    flag(entry, "special"),
                    flag(entry, "lstrip"),
                    flag(entry, "rstrip"));
            require(
                    !flag(entry, "single_word") || !token.isControl(),
                    "added_tokens has the control token \"" + text + "\" as single_word");
            require(addedTokens.put(text, token) == null, "added_tokens has \"" + text + "\" twice");
            require(taken.add(token.id()), "added_tokens gives id " + token.id() + " twice");
            // The native library numbers added tokens itself and does not mind what the file says; Heng minds.
            Integer inVocabulary = vocabulary.get(text);
            int given = inVocabulary != null ? inVocabulary : Math.max(vocabulary.size(), highest + 1);
            require(
                    token.id() == given,
                    "added_tokens gives \"" + text + "\" the id " + token.id() + ", but its place in the file makes it "
                            + given);
            highest = Math.max(highest, token.id());
        }
    }

    private boolean flag(JsonNode entry, String key) {
        JsonNode value = entry.path(key);
        require(
                value.isMissingNode() || value.isBoolean(),
                "added_tokens: " + key + " must be true or false in " + shorten(entry));
        return value.asBoolean();
    }

    private void checkComponents(JsonNode component, String where, String listKey, Set<String> known, int depth) {
        if (component.isNull()) {
            return;
        }
        require(depth < MAXIMUM_NESTING, where + " is nested more than " + MAXIMUM_NESTING + " deep");
        String type = component.path("type").asText();
        if (type.equals("Sequence")) {
            require(component.path(listKey).isArray(), where + ": Sequence must have a list " + listKey);
            for (JsonNode part : component.path(listKey)) {
                checkComponents(part, where, listKey, known, depth + 1);
            }
            return;
        }
        require(
                known.contains(type),
                where + " is " + shorten(component) + ", of none of the known types " + sorted(known)
                        + " and Sequence");
        JsonNode pattern = component.path("pattern");
        if (!pattern.isMissingNode()) {
            String text = pattern.has("Regex")
                    ? pattern.path("Regex").asText()
                    : pattern.path("String").asText();
            require(!text.isEmpty(), where + ": " + type + " has an empty pattern, which matches everywhere");
            require(
                    text.length() <= MAXIMUM_PATTERN_LENGTH,
                    where + ": " + type + " has a pattern of " + text.length() + " characters, more than "
                            + MAXIMUM_PATTERN_LENGTH);
        }
    }

    private static boolean bytesAreLast(JsonNode preTokenizer) {
        JsonNode last = preTokenizer;
        while (last.path("type").asText().equals("Sequence")) {
            JsonNode parts = last.path("pretokenizers");
            last = parts.path(parts.size() - 1);
        }
        return last.path("type").asText().equals("ByteLevel");
    }

    private void checkDecoder(JsonNode decoder) {
        JsonNode only = decoder;
        while (only.path("type").asText().equals("Sequence")
                && only.path("decoders").size() == 1) {
            only = only.path("decoders").path(0);
        }
        require(only.path("type").asText().equals("ByteLevel"), "decoder is " + shorten(decoder) + ", not ByteLevel");
    }

    private void readPostProcessor(JsonNode processor, int depth) {
        if (processor.isNull()) {
            return;
        }
        require(depth < MAXIMUM_NESTING, "post_processor is nested more than " + MAXIMUM_NESTING + " deep");
        String type = processor.path("type").asText();
        switch (type) {
            case "ByteLevel" -> {
                // Moves offsets only.
            }
            case "Sequence" -> {
                for (JsonNode part : processor.path("processors")) {
                    readPostProcessor(part, depth + 1);
                }
            }
            case "TemplateProcessing" -> readTemplateProcessing(processor);
            default ->
                throw unsupported("post_processor is " + shorten(processor)
                        + ", not ByteLevel, TemplateProcessing or a Sequence of them");
        }
    }

    private void readTemplateProcessing(JsonNode processor) {
        boolean behind = false;
        for (JsonNode piece : processor.path("single")) {
            if (piece.has("Sequence")) {
                require(!behind, "post_processor has the text twice");
                behind = true;
                continue;
            }
            String token = piece.path("SpecialToken").path("id").asText();
            JsonNode ids = processor.path("special_tokens").path(token).path("ids");
            require(!ids.isEmpty(), "post_processor names the special token \"" + token + "\" without giving its ids");
            for (JsonNode id : ids) {
                require(
                        id.isIntegralNumber() && id.canConvertToLong(),
                        "post_processor gives \"" + token + "\" an id that is not an integer");
                (behind ? suffix : prefix).add(checkedId(id.longValue(), token));
            }
        }
        require(behind, "post_processor leaves the text out");
    }

    private void fillBytes() {
        int highest = -1;
        for (int id : vocabulary.values()) {
            highest = Math.max(highest, id);
        }
        for (AddedToken token : addedTokens.values()) {
            highest = Math.max(highest, token.id());
        }
        bytesById = new byte[highest + 1][];
        vocabulary.forEach((token, id) -> bytesById[id] = ByteLevel.bytesOf(token));
        for (AddedToken token : addedTokens.values()) {
            bytesById[token.id()] = ByteLevel.bytesOf(token.content());
        }
    }

    private void require(boolean condition, String problem) {
        if (!condition) {
            throw unsupported(problem);
        }
    }

    private HengException unsupported(String problem) {
        return new HengException(path + " " + problem, REMEDY);
    }

    private static String shorten(JsonNode node) {
        String text = node.toString();
        return text.length() > 120 ? text.substring(0, 120) + "…" : text;
    }

    private static List<String> sorted(Set<String> names) {
        return names.stream().sorted().toList();
    }

    Path path() {
        return path;
    }

    /** Returns the text of the file, for the native library. */
    String json() {
        return json;
    }

    /** Returns the id of a token by its text in the file, or nothing. */
    @Nullable
    Integer idOf(String content) {
        AddedToken added = addedTokens.get(content);
        return added != null ? Integer.valueOf(added.id()) : vocabulary.get(content);
    }

    Collection<AddedToken> addedTokens() {
        return addedTokens.values();
    }

    /** Returns the ids that the file's post-processor puts before a text. */
    List<Integer> prefix() {
        return prefix;
    }

    /** Returns the ids that the file's post-processor puts behind a text. */
    List<Integer> suffix() {
        return suffix;
    }

    /** Returns one more than the highest id. */
    int size() {
        return bytesById.length;
    }

    /** Returns the bytes an id stands for, or nothing if no token has it. The array is shared; do not change it. */
    byte @Nullable [] bytesOf(int id) {
        return id < bytesById.length ? bytesById[id] : null;
    }

    /**
     * Returns the text of this file with other texts for some added tokens, in the vocabulary too, so that every id stays what it is.
     *
     * @param rename gives the new text of an added token
     */
    String jsonWithAddedTokens(UnaryOperator<String> rename) {
        StringWriter renamed = new StringWriter(json.length());
        try (JsonParser parser = new JsonFactory().createParser(json);
                JsonGenerator generator = new JsonFactory().createGenerator(renamed)) {
            List<String> keys = new ArrayList<>();
            JsonToken token;
            while ((token = parser.nextToken()) != null) {
                String key = keys.isEmpty() ? "" : keys.getLast();
                if (token == JsonToken.FIELD_NAME) {
                    keys.set(keys.size() - 1, parser.currentName());
                    boolean isVocabulary = keys.size() == 3
                            && keys.get(0).equals("model")
                            && keys.get(1).equals("vocab");
                    generator.writeFieldName(
                            isVocabulary ? renamed(parser.currentName(), rename) : parser.currentName());
                } else if (token == JsonToken.VALUE_STRING && isAddedContent(keys, key)) {
                    generator.writeString(renamed(parser.getText(), rename));
                } else if (keys.size() == 1 && key.equals("post_processor") && token.isStructStart()) {
                    // It names added tokens, and is not used.
                    parser.skipChildren();
                    generator.writeNull();
                } else {
                    generator.copyCurrentEvent(parser);
                    if (token.isStructStart()) {
                        keys.add("");
                    } else if (token.isStructEnd()) {
                        keys.removeLast();
                    }
                }
            }
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return renamed.toString();
    }

    private static boolean isAddedContent(List<String> keys, String key) {
        return keys.size() == 3 && keys.get(0).equals("added_tokens") && key.equals("content");
    }

    private String renamed(String name, UnaryOperator<String> rename) {
        return addedTokens.containsKey(name) ? rename.apply(name) : name;
    }
}
