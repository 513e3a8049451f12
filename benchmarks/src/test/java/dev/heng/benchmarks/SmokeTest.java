package dev.heng.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Every benchmark is set up and run once through JMH itself, in this process; nothing is timed. */
class SmokeTest {

    @Test
    void everyBenchmarkRunsOnce() throws RunnerException {
        // JMH locks the whole machine; nothing here is a measurement.
        System.setProperty("jmh.ignoreLock", "true");
        Set<String> known = Set.of(
                "dev.heng.benchmarks.ExpertsBenchmark.run",
                "dev.heng.benchmarks.LinearBenchmark.run",
                "dev.heng.benchmarks.MlaAttentionBenchmark.run",
                "dev.heng.benchmarks.NormBenchmark.run",
                "dev.heng.benchmarks.RouterBenchmark.run");
        Collection<RunResult> results = new Runner(new OptionsBuilder()
                        .forks(0)
                        .warmupIterations(0)
                        .measurementIterations(1)
                        .mode(Mode.SingleShotTime)
                        .param("device", "cpu", "reference")
                        .param("format", "bf16")
                        .param("rows", "1")
                        .param("context", "65")
                        .shouldFailOnError(true)
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
        Set<String> ran = new TreeSet<>();
        results.forEach(result -> ran.add(result.getParams().getBenchmark()));
        assertEquals(known, ran);
        assertEquals(2 * known.size(), results.size(), "each on cpu and on reference");
    }
}
