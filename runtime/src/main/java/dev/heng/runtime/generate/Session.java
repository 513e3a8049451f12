package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import dev.heng.runtime.family.Names;
import dev.heng.spi.Backend;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Sequences of tokens in the caches of one program. A run appends tokens to one or several of them; results are read afterwards.
 *
 * <p>All buffers are allocated when the session is opened and keep their addresses; a decoding step with {@link #continueSampled} makes no host copy of the token: the
 * sampled id is the next run's input on the device.
 *
 * <p>Threading: as the backend's; one thread at a time. Ownership: the caller closes the session, before the program.
 */
public final class Session implements AutoCloseable {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final List<String> PER_TOKEN = List.of(Names.TOKENS, Names.POSITIONS, Names.SEQUENCES);
    private static final List<String> PER_OUTPUT =
            List.of(Names.OUTPUT_ROWS, Names.TEMPERATURE, Names.TOP_K, Names.TOP_P, Names.SEED, Names.COUNTER);

    private final Backend backend;
    private final Program program;
    private final RunLimits limits;
    private final Map<String, Long> maxima;
    private final int vocabulary;
    private final boolean sampling;
    private final PageTable pages;
    private final Sampling[] choices;

    private final Arena arena = Arena.ofShared();
    private final List<Buffer> owned = new ArrayList<>();
    private final Map<String, InputBuffer> inputs = new HashMap<>();
    private final Map<String, Buffer> outputs = new LinkedHashMap<>();
    /** The two buffers where sampled tokens go in turn, so that a run never writes what it reads; none where the graph does not sample. */
    private final List<Buffer> sampled = new ArrayList<>();
    /** What is bound when tokens come from the host, and when they are what the first or the second of {@link #sampled} holds. */
    private final List<Map<String, Buffer>> bound = new ArrayList<>();

    private MemorySegment scratch = MemorySegment.NULL;
    private Map<String, Long> dims = Map.of();
    private int rows;
    private int outputRows;
    /** The sequence of each output row of the last run; the first {@link #outputRows} count. */
    private final int[] outputSequences;
    /** Which of {@link #sampled} the last run wrote. */
    private int current;

    private boolean closed;

    private Session(Backend backend, Program program, RunLimits limits) {
        this.backend = backend;
        this.program = program;
        this.limits = limits;
        Graph graph = program.graph();
        int pageSize = pageSize(graph);
        this.maxima = limits.maxima(pageSize);
        this.vocabulary = vocabulary(graph);
        this.sampling = graph.outputs().containsKey(Names.NEXT_TOKEN);
        this.pages = new PageTable(limits.sequences(), limits.pagesPerSequence(pageSize), pageSize);
        this.choices = new Sampling[limits.sequences()];
        Arrays.fill(choices, Sampling.GREEDY);
        this.outputSequences = new int[limits.outputs()];
    }

    /**
     * Opens a session.
     *
     * @param backend where {@code program} was compiled
     * @param program of a model's graph
     * @param limits the ones that the program was compiled for
     * @throws dev.heng.spi.BackendException if the caches do not fit; then nothing stays allocated
     */
    public static Session open(Backend backend, Program program, RunLimits limits) {
        Session session = new Session(backend, program, limits);
        boolean opened = false;
        try {
            session.allocate();
            opened = true;
        } finally {
            if (!opened) {
                session.close();
            }
        }
        return session;
    }

    private void allocate() {
        Graph graph = program.graph();
        Map<String, Buffer> shared = new HashMap<>();
        for (Value state : graph.states()) {
            shared.put(state.name(), buffer(state.name(), BufferRequest.Usage.STATE, state.type()));
        }
        for (Value input : graph.inputs()) {
            Buffer device = buffer(input.name(), BufferRequest.Usage.TENSOR, input.type());
            inputs.put(input.name(), new InputBuffer(device, input.type().bytes(maxima), arena));
            shared.put(input.name(), device);
        }
        for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
            String name = output.getKey();
            TensorType type = output.getValue().type();
            Buffer device = buffer(name, BufferRequest.Usage.TENSOR, type);
            outputs.put(name, device);
            shared.put(name, device);
            if (name.equals(Names.NEXT_TOKEN)) {
                sampled.add(device);
                sampled.add(buffer(name, BufferRequest.Usage.TENSOR, type));
            }
        }
        bound.add(Map.copyOf(shared));
        for (int from = 0; from < sampled.size(); from++) {
            Map<String, Buffer> chained = new HashMap<>(shared);
            chained.put(Names.TOKENS, sampled.get(from));
            chained.put(Names.NEXT_TOKEN, sampled.get(1 - from));
            bound.add(Map.copyOf(chained));
        }
    }

    private Buffer buffer(String name, BufferRequest.Usage usage, TensorType type) {
        Buffer buffer = backend.allocate(new BufferRequest(name, usage, type, maxima));
        owned.add(buffer);
        return buffer;
    }

    /** Returns what this session was opened for. */
    public RunLimits limits() {
        return limits;
    }

    /** Returns the graph that runs. */
    public Graph graph() {
        return program.graph();
    }

    /** Returns the number of tokens that a sequence holds. */
    public int length(int sequence) {
        return pages.length(sequence);
    }

    /**
     * Shortens a sequence to its first {@code length} tokens; 0 empties it.
     *
     * @throws IllegalArgumentException if it is not so long
     */
    public void truncate(int sequence, int length) {
        if (length < 0 || length > pages.length(sequence)) {
            throw new IllegalArgumentException(
                    "sequence " + sequence + " has " + pages.length(sequence) + " tokens, not " + length);
        }
        pages.truncate(sequence, length);
    }

    /**
     * Fills all caches, the unused pages included, with a repeated pattern: for measurements, which unwritten memory would falsify.
     *
     * @param pattern gives for the element type of a cache the bytes that are repeated, a whole number of elements
     */
    public void fillCaches(Function<DType, MemorySegment> pattern) {
        requireOpen();
        for (Value state : program.graph().states()) {
            Buffer buffer = Objects.requireNonNull(bound.getFirst().get(state.name()));
            MemorySegment bytes = pattern.apply(state.type().dtype());
            for (long offset = 0; offset < buffer.sizeBytes(); offset += bytes.byteSize()) {
                buffer.write(bytes.asSlice(0, Math.min(bytes.byteSize(), buffer.sizeBytes() - offset)), offset);
            }
        }
    }

    /**
     * Lengthens a sequence without computing anything: its new positions are whatever the caches hold there. For measurements at a length, which reaching it token by
     * token would make hours of; what follows has the speed of a real text and no meaning.
     *
     * @param tokens how many positions, not negative
     * @throws HengException if the sequence would outgrow the context; nothing was appended then
     */
    public void assume(int sequence, int tokens) {
        requireOpen();
        if (tokens < 0) {
            throw new IllegalArgumentException("sequence " + sequence + " cannot grow by " + tokens + " positions");
        }
        requireRoom(sequence, tokens);
        pages.extend(sequence, tokens);
    }

    /** Sets how the next tokens of a sequence are chosen; greedy until set. Graphs that do not sample ignore it. */
    public void choose(int sequence, Sampling choice) {
        choices[sequence] = choice;
    }

    /**
     * Appends tokens and computes the wanted rows. Returns when the work is queued.
     *
     * @param feeds at most one for each sequence, together at most {@link RunLimits#chunkTokens} rows and {@link RunLimits#outputs} outputs
     * @throws HengException if a token is not of the vocabulary or a sequence would outgrow the context; nothing was appended then
     */
    public void run(List<Feed> feeds) {
        requireOpen();
        check(feeds);
        List<Batch.Span> spans = new ArrayList<>(feeds.size());
        rows = 0;
        outputRows = 0;
        for (Feed feed : feeds) {
            spans.add(new Batch.Span(feed.sequence(), feed.tokens().length, pages.length(feed.sequence())));
            append(feed);
        }
        current = 0;
        submit(bound.getFirst(), spans);
    }

    /**
     * Appends to each sequence that had an output row in the last run the token that was sampled for it, and samples the next. The tokens do not leave the device.
     *
     * @throws IllegalStateException if the last run did not sample one token for each of its sequences
     * @throws HengException if a sequence would outgrow the context
     */
    public void continueSampled() {
        requireOpen();
        if (!sampling || outputRows == 0) {
            throw new IllegalStateException("the last run sampled nothing to go on from");
        }
        for (int row = 0; row < outputRows; row++) {
            int sequence = outputSequences[row];
            for (int other = 0; other < row; other++) {
                if (outputSequences[other] == sequence) {
                    throw new IllegalStateException("the last run sampled more than once for sequence " + sequence);
                }
            }
            requireRoom(sequence, 1);
        }
        List<Batch.Span> spans = new ArrayList<>(outputRows);
        rows = outputRows;
        for (int row = 0; row < outputRows; row++) {
            int sequence = outputSequences[row];
            int position = pages.length(sequence);
            spans.add(new Batch.Span(sequence, 1, position));
            pages.extend(sequence, 1);
            place(row, sequence, position);
            want(row, row, sequence, position);
        }
        int from = current;
        current = 1 - from;
        submit(bound.get(1 + from), spans);
    }

    private void check(List<Feed> feeds) {
        long fed = 0;
        long wanted = 0;
        boolean[] seen = new boolean[limits.sequences()];
        for (Feed feed : feeds) {
            int sequence = feed.sequence();
            if (sequence < 0 || sequence >= limits.sequences() || seen[sequence]) {
                throw new IllegalArgumentException("sequence " + sequence + " is fed twice or is not one of the "
                        + limits.sequences() + " that this session holds");
            }
            seen[sequence] = true;
            requireRoom(sequence, feed.tokens().length);
            requireTokens(feed.tokens());
            fed += feed.tokens().length;
            wanted += feed.outputs();
        }
        if (fed == 0 || fed > limits.chunkTokens() || wanted > limits.outputs()) {
            throw new IllegalArgumentException("a run of " + fed + " rows with " + wanted + " outputs is not within 1.."
                    + limits.chunkTokens() + " rows and " + limits.outputs() + " outputs");
        }
    }

    private void requireRoom(int sequence, int tokens) {
        long length = (long) pages.length(sequence) + tokens;
        if (length > limits.contextTokens()) {
            throw new HengException(
                    "a sequence of " + length + " tokens is longer than the context of " + limits.contextTokens(),
                    "shorten the prompt, or load the model for a longer context");
        }
    }

    /** Refuses ids that are not of the vocabulary, naming the first. */
    void requireTokens(int[] tokens) {
        for (int index = 0; index < tokens.length; index++) {
            if (tokens[index] < 0 || tokens[index] >= vocabulary) {
                throw new HengException(
                        "token " + index + " has the id " + tokens[index] + ", which is not one of 0.."
                                + (vocabulary - 1),
                        "use the tokenizer that belongs to the model");
            }
        }
    }

    private void append(Feed feed) {
        int sequence = feed.sequence();
        int first = pages.length(sequence);
        int[] tokens = feed.tokens();
        pages.extend(sequence, tokens.length);
        InputBuffer ids = input(Names.TOKENS);
        for (int index = 0; index < tokens.length; index++) {
            ids.putInt(rows, tokens[index]);
            place(rows, sequence, first + index);
            if (feed.wants(index)) {
                want(outputRows, rows, sequence, first + index);
                outputRows++;
            }
            rows++;
        }
    }

    private void place(int row, int sequence, int position) {
        input(Names.POSITIONS).putInt(row, position);
        input(Names.SEQUENCES).putInt(row, sequence);
    }

    private void want(int output, int row, int sequence, int position) {
        outputSequences[output] = sequence;
        input(Names.OUTPUT_ROWS).putInt(output, row);
        if (!sampling) {
            return;
        }
        Sampling choice = choices[sequence];
        input(Names.TEMPERATURE).putFloat(output, choice.temperature());
        input(Names.TOP_K).putInt(output, choice.topK());
        input(Names.TOP_P).putFloat(output, choice.topP());
        input(Names.SEED).putLong(output, choice.seed());
        // The position of the sampled token, not of the row it follows.
        input(Names.COUNTER).putInt(output, position + 1);
    }

    private void submit(Map<String, Buffer> buffers, List<Batch.Span> spans) {
        boolean queued = false;
        try {
            send(buffers);
            program.run(new Bindings(dims(), new Batch(spans), buffers));
            queued = true;
        } finally {
            if (!queued) {
                // What the device refused was not appended.
                for (Batch.Span span : spans) {
                    pages.truncate(span.sequence(), span.firstPosition());
                }
                rows = 0;
                outputRows = 0;
            }
        }
    }

    private void send(Map<String, Buffer> buffers) {
        InputBuffer table = input(Names.PAGE_TABLE);
        pages.writeTo(table.staged());
        table.send(table.staged().byteSize());
        for (String name : PER_TOKEN) {
            InputBuffer input = input(name);
            // Tokens that were sampled are on the device already.
            if (input.device().equals(buffers.get(name))) {
                input.send((long) rows * Integer.BYTES);
            }
        }
        for (String name : PER_OUTPUT) {
            InputBuffer input = inputs.get(name);
            if (input != null) {
                input.send((long) outputRows * (name.equals(Names.SEED) ? Long.BYTES : Integer.BYTES));
            }
        }
    }

    /** Returns the sizes of this run; the same map as before where they are the same. */
    private Map<String, Long> dims() {
        Long tokens = dims.get(Dim.TOKENS);
        Long wanted = dims.get(Dim.OUTPUTS);
        if (tokens == null || wanted == null || tokens != rows || wanted != outputRows) {
            Map<String, Long> changed = new HashMap<>(maxima);
            changed.put(Dim.TOKENS, (long) rows);
            changed.put(Dim.OUTPUTS, (long) outputRows);
            dims = Map.copyOf(changed);
        }
        return dims;
    }

    /** Returns the number of output rows of the last run. */
    public int outputRows() {
        return outputRows;
    }

    /** Waits for the last run and returns the token that was sampled for its output row {@code row}. */
    public int sampledToken(int row) {
        requireOpen();
        if (!sampling || row < 0 || row >= outputRows) {
            throw new IllegalStateException(
                    "the last run sampled " + (sampling ? outputRows : 0) + " tokens; there is no token " + row);
        }
        MemorySegment bytes = scratch(Integer.BYTES);
        sampled.get(current).read((long) row * Integer.BYTES, bytes);
        return bytes.get(INT, 0);
    }

    /**
     * Waits for the last run and returns an output of it as floats; F64 is rounded.
     *
     * @param output a name of the graph's outputs, of an activation type
     * @return row-major [rows of the output in the last run, columns]
     */
    public float[] floats(String output) {
        TensorType type = outputType(output);
        long bytes = type.bytes(dims);
        MemorySegment target = scratch(bytes);
        outputBuffer(output).read(0, target);
        return HostFloats.read(
                target, type.dtype(), Math.toIntExact(type.shape().elements(dims)));
    }

    /**
     * Waits for the last run and copies an output of it as the device has it.
     *
     * @param output a name of the graph's outputs
     * @return row-major bytes of the output's type, little-endian
     */
    public byte[] bytes(String output) {
        byte[] copy = new byte[Math.toIntExact(outputType(output).bytes(dims))];
        outputBuffer(output).read(0, MemorySegment.ofArray(copy));
        return copy;
    }

    private TensorType outputType(String output) {
        requireOpen();
        Value value = program.graph().outputs().get(output);
        if (value == null) {
            throw new IllegalArgumentException("graph '" + program.graph().name() + "' has no output '" + output
                    + "'; it has " + program.graph().outputs().keySet());
        }
        return value.type();
    }

    private Buffer outputBuffer(String output) {
        Buffer buffer = output.equals(Names.NEXT_TOKEN) ? sampled.get(current) : outputs.get(output);
        if (buffer == null) {
            throw new IllegalStateException("output '" + output + "' has no buffer");
        }
        return buffer;
    }

    private InputBuffer input(String name) {
        InputBuffer input = inputs.get(name);
        if (input == null) {
            throw new IllegalStateException("graph '" + program.graph().name() + "' has no input '" + name + "'");
        }
        return input;
    }

    private MemorySegment scratch(long bytes) {
        if (scratch.byteSize() < bytes) {
            scratch = arena.allocate(bytes, Long.BYTES);
        }
        return scratch.asSlice(0, bytes);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException(
                    "the session of graph '" + program.graph().name() + "' is closed");
        }
    }

    private static int pageSize(Graph graph) {
        List<Value> states = graph.states();
        if (states.isEmpty()) {
            throw new IllegalArgumentException("graph '" + graph.name() + "' has no cache");
        }
        return Math.toIntExact(states.getFirst().type().shape().dim(1).size());
    }

    private static int vocabulary(Graph graph) {
        for (Node node : graph.nodes()) {
            if (node.op() instanceof Op.Embed) {
                return Math.toIntExact(node.operand(0).type().shape().dim(0).size());
            }
        }
        throw new IllegalArgumentException("graph '" + graph.name() + "' has no embedding");
    }

    /** Waits for queued runs and releases all buffers. Idempotent. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        for (Buffer buffer : owned.reversed()) {
            buffer.close();
        }
        arena.close();
    }
}
