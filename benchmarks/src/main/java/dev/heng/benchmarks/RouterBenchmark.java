package dev.heng.benchmarks;

import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
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

/** DeepSeek-V3's choice of 8 from 256 experts in 8 groups, from logits that are given. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
public class RouterBenchmark {

    private static final int EXPERTS = 256;

    /** Where; "cpu@avx2" forces a level. */
    @Param({"cpu", "reference"})
    public String device = "cpu";

    /** Rows that are routed at once. */
    @Param({"1", "512"})
    public int rows = 1;

    private @Nullable GraphRunner runner;

    private GraphRunner build() {
        RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.BF16), 1);
        GraphBuilder builder = new GraphBuilder("router");
        Value logits = builder.input("logits", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(EXPERTS)));
        String name = "gate.e_score_correction_bias";
        Value bias = builder.weight(name, weights.vector(name, EXPERTS));
        Op.Route route = new Op.Route(
                EXPERTS,
                8,
                Op.Route.Score.SIGMOID,
                8,
                4,
                Op.Route.GroupScore.TOP_TWO_SUM,
                Op.Route.Masked.NEGATIVE_INFINITY,
                true,
                2.5);
        builder.output("ids", builder.route("route", route, logits, bias).ids());
        return GraphRunner.open(
                device, builder.build(), weights, Map.of(Dim.TOKENS, (long) rows), Map.of(), Batch.NONE);
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
