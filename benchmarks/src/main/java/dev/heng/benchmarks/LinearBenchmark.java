package dev.heng.benchmarks;

import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.GraphBuilder;
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

/** A product with a matrix of 4096 x 4096, by storage format and rows. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
public class LinearBenchmark {

    private static final int WIDTH = 4096;

    /** Where; "cpu@avx2" forces a level. */
    @Param({"cpu", "reference"})
    public String device = "cpu";

    /** How the matrix is stored. */
    @Param({"f32", "bf16", "f16", "fp8", "int8", "w8a8", "int4"})
    public String format = "bf16";

    /** Rows that are multiplied at once. */
    @Param({"1", "4", "64", "512"})
    public int rows = 1;

    private @Nullable GraphRunner runner;

    private GraphRunner build() {
        WeightFormat stored = WeightFormat.parse("format", format);
        RandomWeights weights = new RandomWeights(new WeightFormats(stored, stored, stored), 1);
        GraphBuilder builder = new GraphBuilder("linear");
        Value x = builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(WIDTH)));
        Value weight = builder.weight("matrix.weight", weights.linear("matrix", WIDTH, WIDTH));
        builder.output("y", builder.linear("linear", x, weight, weights.activation("matrix"), DType.F32));
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
