package dev.heng.runtime.template;

import com.fasterxml.jackson.databind.JsonNode;
import dev.heng.runtime.HengException;
import dev.heng.runtime.tokenizer.JsonFile;
import dev.heng.runtime.tokenizer.PromptSegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Turns a conversation into the prompt its model was trained on, by the model's own chat template.
 *
 * <p>A chat template is a Jinja program of the model's author. It is parsed once, in which everything it cannot do here is an error, and run
 * within limits of steps, characters and depth. What is said in a conversation is never parsed, and every character of a prompt knows whether
 * the template or a value wrote it, so that {@link dev.heng.runtime.tokenizer.Tokenizer#encode(List)} makes control tokens of the template's
 * text alone.
 *
 * <p>Supported is what the templates of DeepSeek, Kimi, GLM, Qwen and Llama use, and some more: printing, {@code if}, {@code for} with
 * {@code loop}, {@code break} and {@code continue}, {@code set} with namespaces and blocks, {@code macro}, {@code call}, {@code filter},
 * {@code with}, {@code raw} and {@code generation}; all operators; the filters, tests and methods that the error about an unknown one lists.
 *
 * <p><b>Threading</b>: safe; rendering shares nothing. <b>Errors</b>: {@link HengException} that names the template, line and column.
 *
 * <p><b>Source</b>: Jinja 3.1 as {@code transformers} sets it up (trim_blocks, lstrip_blocks, its own {@code tojson}, {@code raise_exception},
 * {@code strftime_now}, loop controls, the immutable sandbox).
 */
public final class ChatTemplate {

    private static final int MAXIMUM_SOURCE = 1 << 20;

    private final String origin;
    private final String source;
    private final List<Statement> statements;
    private final Map<String, String> specialTokens;
    private final Clock clock;

    private ChatTemplate(String origin, String source, Map<String, String> specialTokens, Clock clock) {
        this.origin = origin;
        this.specialTokens = Map.copyOf(specialTokens);
        this.clock = clock;
        if (source.length() > MAXIMUM_SOURCE) {
            throw new HengException(
                    origin + " has " + source.length() + " characters; at most " + MAXIMUM_SOURCE + " are read",
                    "check that it is the right file");
        }
        this.source = source.replace("\r\n", "\n").replace('\r', '\n');
        try {
            this.statements = Parser.parse(this.source);
        } catch (TemplateException failure) {
            throw located(failure);
        }
    }

    /**
     * Parses a template.
     *
     * @param origin where it is from, for messages
     * @param source its text
     * @param specialTokens what {@code bos_token} and so on stand for
     * @throws HengException if it is malformed or uses what is not supported
     */
    public static ChatTemplate parse(String origin, String source, Map<String, String> specialTokens) {
        return new ChatTemplate(origin, source, specialTokens, Clock.system(ZoneId.systemDefault()));
    }

    /** Parses a template that lives at a given time. */
    static ChatTemplate parse(String origin, String source, Map<String, String> specialTokens, Clock clock) {
        return new ChatTemplate(origin, source, specialTokens, clock);
    }

    /**
     * Loads the template of a model: from chat_template.jinja, else chat_template.json, else tokenizer_config.json. Of several in one file it is
     * the one named {@code default}.
     *
     * @param directory the model's
     * @param specialTokens the names that {@link dev.heng.runtime.tokenizer.SpecialTokens} gives
     * @throws HengException if the model has none, or it is malformed or uses what is not supported
     */
    public static ChatTemplate load(Path directory, Map<String, String> specialTokens) {
        Path jinja = directory.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            return parse(jinja.toString(), JsonFile.text(jinja), specialTokens);
        }
        for (String name : List.of("chat_template.json", "tokenizer_config.json")) {
            JsonFile file = JsonFile.readIfPresent(directory.resolve(name));
            String source = sourceIn(file);
            if (source != null) {
                return parse("the chat_template of " + file.path(), source, specialTokens);
            }
        }
        throw new HengException(
                directory + " has no chat template",
                "pass --raw to prompt without one, or add the model's chat_template.jinja");
    }

    private static @Nullable String sourceIn(JsonFile file) {
        JsonNode value = file.root().get("chat_template");
        if (value == null || !value.isArray()) {
            return file.string("chat_template");
        }
        for (JsonNode named : value) {
            if (named.path("name").asText().equals("default")
                    && named.path("template").isTextual()) {
                return named.path("template").textValue();
            }
        }
        throw file.wrongType("chat_template", "a string, or a list with one of the name \"default\"", value);
    }

    /**
     * Renders a conversation.
     *
     * @param messages the turns so far
     * @param addGenerationPrompt whether to begin the assistant's next turn
     * @throws HengException if the template refuses the conversation, fails or exceeds its limits
     */
    public List<PromptSegment> render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        List<Map<String, Object>> turns = new ArrayList<>();
        for (ChatMessage message : messages) {
            Map<String, Object> turn = new LinkedHashMap<>();
            turn.put("role", message.role());
            turn.put("content", message.content());
            turns.add(turn);
        }
        return render(turns, addGenerationPrompt, Map.of());
    }

    /**
     * Renders a conversation of messages with more fields, such as tool calls, and with more variables, such as tools.
     *
     * @param messages the turns so far, as JSON has them: maps of strings, numbers, booleans, nulls, lists and maps
     * @param addGenerationPrompt whether to begin the assistant's next turn
     * @param variables more variables by name, of the same kinds of values
     * @throws HengException if the template refuses the conversation, fails or exceeds its limits
     * @throws IllegalArgumentException if a value is of another kind
     */
    public List<PromptSegment> render(
            List<? extends Map<String, ?>> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
        Map<String, @Nullable Object> all = new LinkedHashMap<>();
        // Templates tell "no tools" by either, since transformers defines both names.
        all.put("tools", null);
        all.put("documents", null);
        all.putAll(variables);
        all.put("messages", messages);
        all.put("add_generation_prompt", addGenerationPrompt);
        return renderWith(all).segments();
    }

    /** Renders with these variables and the special tokens only. */
    Text renderWith(Map<String, ? extends @Nullable Object> variables) {
        Interpreter interpreter = new Interpreter();
        Scope scope = new Scope();
        try {
            Globals.define(scope, interpreter, ZonedDateTime.now(clock));
            specialTokens.forEach((name, text) -> scope.set(name, Value.Str.ofTemplate(text)));
            for (Map.Entry<String, ? extends @Nullable Object> variable : variables.entrySet()) {
                scope.set(variable.getKey(), Values.of(variable.getValue()));
            }
            return interpreter.run(statements, scope);
        } catch (TemplateException failure) {
            throw located(failure);
        }
    }

    private HengException located(TemplateException failure) {
        int position = Math.min(failure.position(), source.length());
        if (position < 0) {
            return new HengException(origin + ": " + failure.getMessage(), failure.remedy(), failure);
        }
        int line = 1
                + Math.toIntExact(source.substring(0, position)
                        .chars()
                        .filter(unit -> unit == '\n')
                        .count());
        int column = position - source.lastIndexOf('\n', position - 1);
        return new HengException(
                origin + ", line " + line + ", column " + column + ": " + failure.getMessage(),
                failure.remedy(),
                failure);
    }
}
