package dev.heng.conformance.junit;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.report.ReportWriter;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The suite for one backend, as JUnit tests: one for each case, and one that fails if nothing was shown.
 *
 * <p>A vendor writes {@code final class AcmeConformanceTest extends BackendConformanceKit { AcmeConformanceTest() { super("acme"); } }}
 * with the backend and {@code heng-backend-cpu}, which brings the oracle {@code reference}, on the class path.
 */
public abstract class BackendConformanceKit {

    private final String backend;
    private final Level level;

    /** Tests a backend at {@link Level#SMOKE}. */
    protected BackendConformanceKit(String backend) {
        this(backend, Level.SMOKE);
    }

    /**
     * Tests a backend.
     *
     * @param backend as on the command line: an id, or an id and a device's number
     * @param level the level
     */
    protected BackendConformanceKit(String backend, Level level) {
        this.backend = backend;
        this.level = level;
    }

    /**
     * Runs all cases of the level in this process, writes the reports into {@code target/parity/BACKEND} (another folder than
     * {@code target/parity} is named by the system property {@code heng.parity.report}), and reports each case as a test.
     */
    @TestFactory
    final Stream<DynamicTest> conformance() throws IOException {
        RunReport report = ParityRun.run(
                Suite.standard(), RunRequest.of(backend, level), () -> open(backend), () -> open("reference"));
        ReportWriter.write(
                report, Path.of(System.getProperty("heng.parity.report", "target/parity"), backend.replace(':', '-')));
        List<DynamicTest> tests = new ArrayList<>();
        tests.add(DynamicTest.dynamicTest("the run is green", () -> {
            assertFalse(report.results().isEmpty(), "no case was selected");
            assertTrue(report.isGreen(), () -> String.join("; ", report.redReasons()));
        }));
        for (CaseResult result : report.results()) {
            if (result.state() != CaseState.DECLINED) {
                tests.add(DynamicTest.dynamicTest(
                        result.subject().id(),
                        () -> assertTrue(
                                result.state().isGreen(),
                                () -> result.state() + ": " + result.reason() + "\n  replay: " + result.replay())));
            }
        }
        return tests.stream();
    }

    private static Backend open(String backend) {
        return BackendRegistry.discover(List.of())
                .choose(BackendWish.parse(backend))
                .open(BackendOptions.none());
    }
}
