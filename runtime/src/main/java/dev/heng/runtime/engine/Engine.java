package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.generate.CompiledModel;
import dev.heng.runtime.generate.Generation;
import dev.heng.runtime.generate.GenerationRequest;
import dev.heng.runtime.generate.Generator;
import dev.heng.runtime.generate.LogitsRun;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.template.ChatMessage;
import dev.heng.runtime.template.ChatTemplate;
import dev.heng.runtime.tokenizer.Tokenizer;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A model that is loaded on a device and answers prompts, one at a time. What a prompt has in common with the one before it is not computed again.
 *
 * <p>Threading: the thread that opened it. Ownership: the caller closes it.
 */
public final class Engine implements AutoCloseable {

    /** Rows of a prompt that are computed at once: enough to share each weight among many, and little memory for activations. */
    private static final int CHUNK_TOKENS = 256;

    private final Opened opened;
    private final String report;
    private final ModelFiles files;
    private final CompiledModel model;
    private final Tokenizer tokenizer;
    private final @Nullable ChatTemplate template;
    private final Set<Integer> endTokens;
    private final Generator generator;

    private Engine(Opened opened, BackendRegistry registry, EngineOptions options, Consumer<String> progress) {
        this.opened = opened;
        progress.accept("reading " + options.model());
        ModelFiles read = ModelFiles.open(options.model());
        this.files = opened.add(read, read::close);
        Tokenizer loaded = Tokenizer.load(read.folder());
        this.tokenizer = opened.add(loaded, loaded::close);
        this.template = options.conversations()
                ? ChatTemplate.load(files.folder(), tokenizer.specialTokens().names())
                : null;
        this.endTokens = new TreeSet<>(tokenizer.specialTokens().endOfSequence());
        endTokens.addAll(files.config().endIds());
        RunLimits limits = RunLimits.generation(context(files.config(), options.contextTokens()), CHUNK_TOKENS);
        GraphOptions form = GraphOptions.generation(options.activations());
        Device device = Device.open(registry, options, files.graph(form), bounds(limits, form));
        this.report = device.report();
        opened.add(device, device.backend()::close);
        progress.accept("loading " + options.model() + " on "
                + device.backend().device().address());
        CompiledModel compiled = CompiledModel.compile(
                device.backend(), files.config(), files.weights(), form, limits, BackendOptions.none());
        this.model = opened.add(compiled, compiled::close);
        Session session = compiled.open();
        this.generator = new Generator(opened.add(session, session::close));
    }

    /**
     * Loads a model on a device.
     *
     * @param registry where backends come from
     * @param progress is told what is going on, a line each time
     * @throws HengException if anything that was given is wrong; nothing stays open then
     * @throws dev.heng.spi.BackendException if the device fails; nothing stays open then
     */
    public static Engine open(BackendRegistry registry, EngineOptions options, Consumer<String> progress) {
        Opened opened = new Opened();
        try {
            return new Engine(opened, registry, options, progress);
        } catch (RuntimeException | Error e) {
            opened.close();
            throw e;
        }
    }

    private static CompileOptions bounds(RunLimits limits, GraphOptions form) {
        return new CompileOptions(limits.maxima(form.pageSize()), BackendOptions.none());
    }

    private static int context(ModelConfig config, @Nullable Integer asked) {
        return asked == null ? Math.min(config.maxPositions(), EngineOptions.DEFAULT_CONTEXT) : asked;
    }

    /** Returns one line: which device was picked and why the others were not. */
    public String report() {
        return report;
    }

    /** Returns what executes which node. */
    public List<Program.Step> plan() {
        return model.program().plan();
    }

    /** Returns what config.json says. */
    public ModelConfig config() {
        return files.config();
    }

    /**
     * Continues a prompt.
     *
     * @param text is given the text piece by piece as it becomes certain
     * @param cancelled is asked after each token whether to stop; what was generated until then stays
     * @throws HengException if the prompt is too long, or cannot be brought into the template's form
     * @throws IllegalStateException if the prompt is a conversation and the engine was not opened for that
     */
    public Generation generate(TextRequest request, Consumer<String> text, BooleanSupplier cancelled) {
        List<Integer> prompt = Arrays.stream(encode(request.prompt())).boxed().toList();
        return generator.generate(
                new GenerationRequest(
                        prompt, request.sampling(), endTokens, request.stopStrings(), request.maxTokens()),
                new Detokenizer(tokenizer.streamingDecoder(true)),
                text,
                cancelled);
    }

    /** Returns the token ids of a prompt. */
    public int[] encode(Prompt prompt) {
        return switch (prompt) {
            case Prompt.Raw raw -> tokenizer.encode(raw.text(), true);
            case Prompt.Conversation conversation ->
                tokenizer.encode(template()
                        .render(
                                conversation.turns().stream()
                                        .map(turn ->
                                                new ChatMessage(turn.speaker().role(), turn.text()))
                                        .toList(),
                                true));
        };
    }

    private ChatTemplate template() {
        if (template == null) {
            throw new IllegalStateException("the engine was not opened for conversations");
        }
        return template;
    }

    /** Waits for the device and releases everything. Idempotent. */
    @Override
    public void close() {
        opened.close();
    }

    /**
     * Computes logits and hidden states of given tokens and writes them to a safetensors file: {@code tokens} I32 [T], {@code logits} F32 [T, V] and
     * {@code hidden_states.N} F32 [T, H], N = 0 for the embedding up to the number of layers, the last one after the final norm.
     *
     * @param options {@link EngineOptions#contextTokens} is ignored: the context is as long as the tokens
     * @return one line: which device was picked and why the others were not
     * @throws HengException if anything that was given is wrong; no file is left then
     */
    public static String writeLogits(
            BackendRegistry registry, EngineOptions options, int[] tokens, Path file, Consumer<String> progress) {
        try (Opened opened = new Opened()) {
            progress.accept("reading " + options.model());
            ModelFiles files = ModelFiles.open(options.model());
            opened.add(files, files::close);
            RunLimits limits = RunLimits.inspection(tokens.length, CHUNK_TOKENS);
            GraphOptions form = GraphOptions.inspection(options.activations());
            Device device = Device.open(registry, options, files.graph(form), bounds(limits, form));
            opened.add(device, device.backend()::close);
            progress.accept("loading " + options.model() + " on "
                    + device.backend().device().address());
            CompiledModel model = CompiledModel.compile(
                    device.backend(), files.config(), files.weights(), form, limits, BackendOptions.none());
            opened.add(model, model::close);
            progress.accept("computing " + tokens.length + " tokens");
            new LogitsRun(model).write(tokens, file);
            return device.report();
        }
    }

    /**
     * Returns the graph that a model is built as for generation; no device is needed.
     *
     * @throws HengException if config or weights are wrong
     */
    public static Graph graph(Path model, DType activations) {
        try (ModelFiles files = ModelFiles.open(model)) {
            return files.graph(GraphOptions.generation(activations));
        }
    }
}
