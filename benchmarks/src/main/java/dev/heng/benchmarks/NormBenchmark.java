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

/** An RMS norm of rows of 2048. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
public class NormBenchmark {

    private static final int WIDTH = 2048;

    /** Where; "cpu@avx2" forces a level. */
    @Param({"cpu", "reference"})
    public String device = "cpu";

    /** Rows that are normalised at once. */
    @Param({"1", "512"})
    public int rows = 1;

    private @Nullable GraphRunner runner;

    private GraphRunner build() {
        RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.BF16), 1);
        GraphBuilder builder = new GraphBuilder("norm");
        Value x = builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(WIDTH)));
        Value weight = builder.weight("norm.weight", weights.vector("norm.weight", WIDTH));
        builder.output("y", builder.rmsNorm("rms_norm", x, weight, 1e-6));
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
