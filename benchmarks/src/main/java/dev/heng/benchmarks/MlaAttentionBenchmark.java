package dev.heng.benchmarks;

import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.GraphBuilder.Paging;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Latent attention of one layer of DeepSeek-V2-Lite for one new token, by context. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
public class MlaAttentionBenchmark {

    private static final int HEADS = 16;
    private static final int NOPE = 128;
    private static final int ROPE = 64;
    private static final int VALUE = 128;
    private static final int LATENT = 512;
    private static final int PAGE = 64;

    /** Where; "cpu@avx2" forces a level. */
    @Param({"cpu", "reference"})
    public String device = "cpu";

    /** Positions that the token attends to, itself included. */
    @Param({"64", "1024", "8192"})
    public int context = 64;

    private @Nullable GraphRunner runner;

    private GraphRunner build() {
        RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.BF16), 1);
        GraphBuilder builder = new GraphBuilder("mla");
        TensorType perToken = TensorType.of(DType.I32, Dim.of(Dim.TOKENS));
        Value q = builder.input("q", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(HEADS * (NOPE + ROPE))));
        Value latent = builder.input("latent", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(LATENT + ROPE)));
        Paging paging = new Paging(
                builder.input("positions", perToken),
                builder.input("sequences", perToken),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Value cache = builder.cache("cache", DType.F32, PAGE, LATENT + ROPE);
        Value appended = builder.kvAppend("append", cache, List.of(latent), paging);
        Value kvB = builder.weight("kv_b_proj.weight", weights.linear("kv_b_proj", HEADS * (NOPE + VALUE), LATENT));
        builder.output(
                "y",
                builder.mlaAttention(
                        "attention",
                        new Op.MlaAttention(HEADS, NOPE, ROPE, VALUE, 1 / Math.sqrt(NOPE + ROPE), DType.F32),
                        q,
                        appended,
                        kvB,
                        paging));
        int pages = Math.ceilDiv(context, PAGE);
        int[] table = new int[pages];
        for (int page = 0; page < pages; page++) {
            table[page] = page;
        }
        return GraphRunner.open(
                device,
                builder.build(),
                weights,
                Map.of(Dim.TOKENS, 1L, Dim.SEQUENCES, 1L, Dim.PAGES, (long) pages, Dim.PAGES_PER_SEQUENCE, (long)
                        pages),
                Map.of("positions", new int[] {context - 1}, "sequences", new int[] {0}, "page_table", table),
                new Batch(List.of(new Batch.Span(0, 1, context - 1))));
    }

    /** Compiles the graph. */
    @Setup(Level.Trial)
    public void open() {
        runner = build();
    }

    /** Runs the operator once. */
    @Benchmark
    public byte run() {
        return java.util.Objects.requireNonNull(runner).run();
    }

    /** Gives everything back. */
    @TearDown(Level.Trial)
    public void close() {
        java.util.Objects.requireNonNull(runner).close();
    }
}
