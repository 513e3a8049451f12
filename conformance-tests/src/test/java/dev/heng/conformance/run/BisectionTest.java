package dev.heng.conformance.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A failing model is traced to the node that is wrong. */
final class BisectionTest {

    private static final Suite SUITE = Suite.standard();
    private static final String MODEL = "smoke_EMBED_001_prefillsAndDecodesAModel/deepseek-v3/bf16/w=bf16/short";

    @Test
    void theFirstWrongNodeOfAModelIsNamed() {
        RunRequest request = RunRequest.of("planted", Level.SMOKE).onlyCases(MODEL);
        ConformanceCase model = request.select(SUITE.cases()).getFirst();
        List<Node> rotations = model.scenario(request.seed()).graph().nodes().stream()
                .filter(node -> node.op() instanceof Op.Rope)
                .toList();
        String first = rotations.getFirst().name();
        RunReport report = ParityRun.run(
                SUITE,
                request,
                () -> Faults.named("rope/pairing-swapped").plant(Backends.reference()),
                Backends::reference);
        assertEquals(CaseState.FAIL, report.results().getFirst().state());
        String reason = report.results().getFirst().reason();
        assertTrue(reason.contains("first bad node: '" + first + "' (Rope)"), reason);
    }
}
