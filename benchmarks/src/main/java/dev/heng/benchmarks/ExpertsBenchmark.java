package dev.heng.benchmarks;

import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.GraphBuilder.Dispatched;
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

/** The routed experts of one layer of DeepSeek-V2-Lite, 6 of 64 for each row in turn, by storage format and rows. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
public class ExpertsBenchmark {

    private static final int HIDDEN = 2048;
    private static final int WIDTH = 1408;
    private static final int EXPERTS = 64;
    private static final int CHOSEN = 6;
    private static final String PREFIX = "experts";

    /** Where; "cpu@avx2" forces a level. */
    @Param({"cpu", "reference"})
    public String device = "cpu";

    /** How experts are stored. */
    @Param({"bf16", "fp8", "int8", "int4"})
    public String format = "bf16";

    /** Rows that are sent to experts at once. */
    @Param({"1", "8", "128"})
    public int rows = 1;

    private @Nullable GraphRunner runner;

    private GraphRunner build() {
        RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.parse("format", format)), 1);
        GraphBuilder builder = new GraphBuilder("experts");
        Value x = builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(HIDDEN)));
        Value ids = builder.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS), Dim.of(CHOSEN)));
        Value shares = builder.input("shares", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(CHOSEN)));
        Dispatched dispatched = builder.dispatch("dispatch", new Op.Dispatch(0, EXPERTS), x, ids);
        Value gate = grouped(builder, weights, "gate_proj", dispatched.rows(), dispatched, WIDTH, HIDDEN);
        Value up = grouped(builder, weights, "up_proj", dispatched.rows(), dispatched, WIDTH, HIDDEN);
        Value gated = builder.swiglu("swiglu", gate, up);
        Value down = grouped(builder, weights, "down_proj", gated, dispatched, HIDDEN, WIDTH);
        builder.output("y", builder.combine("combine", down, dispatched.origins(), shares, DType.F32));
        int[] chosen = new int[rows * CHOSEN];
        for (int index = 0; index < chosen.length; index++) {
            // Seven is coprime to 64, so that a row's experts differ and rows spread over all of them.
            chosen[index] = index * 7 % EXPERTS;
        }
        return GraphRunner.open(
                device, builder.build(), weights, Map.of(Dim.TOKENS, (long) rows), Map.of("ids", chosen), Batch.NONE);
    }

    private static Value grouped(
            GraphBuilder builder,
            RandomWeights weights,
            String projection,
            Value rows,
            Dispatched dispatched,
            int outputs,
            int inputs) {
        Value weight = builder.weight(
                PREFIX + "." + projection + ".weight", weights.experts(PREFIX, projection, EXPERTS, outputs, inputs));
        return builder.groupedLinear(
                projection,
                rows,
                dispatched.offsets(),
                weight,
                weights.activation(PREFIX + "." + projection),
                DType.F32);
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
