package dev.heng.backend.ascend.binding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.abi.AbiAudit;
import dev.heng.kernels.abi.AbiAudit.Verdict;
import dev.heng.kernels.abi.AbiTable;
import dev.heng.kernels.abi.AbiTableReader;
import dev.heng.kernels.abi.FunctionDeclaration;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CannAbiTest {

    private static final Path SIMULATOR = Path.of("../simulators/ascend/include");

    /** The simulator's headers were written by hand from the documentation, not made from the tables. */
    @Test
    void theSimulatorsHeadersAgreeWithTheTables() throws IOException {
        AbiTable table = AbiTableReader.read(CannAbi.class, "runtime.abi", "base.abi", "operators.abi", "hccl.abi");
        int matches = 0;
        for (AbiAudit.Finding finding : AbiAudit.run(table, List.of(SIMULATOR), "c++")) {
            // Operators that nothing calls yet are not simulated.
            boolean mayBeAbsent = finding.fact().contains("aclOpExecutor");
            assertTrue(
                    finding.verdict() == Verdict.MATCHES || (mayBeAbsent && finding.verdict() == Verdict.ABSENT),
                    finding.fact() + ": " + finding.verdict() + " " + finding.detail());
            matches += finding.verdict() == Verdict.MATCHES ? 1 : 0;
        }
        assertTrue(matches >= 200, matches + " facts were compared");
    }

    @Test
    void everyFactHasASourceAndEveryFunctionALibraryAndAHeader() {
        for (FunctionDeclaration function : CannAbi.table().functions()) {
            assertTrue(function.source().revision().matches("[\\w-]+/[\\w-]+@[0-9a-f]{8,40}"), function.toString());
            assertTrue(function.source().include().endsWith(".h"), function.toString());
            assertTrue(!function.library().isEmpty(), function.toString());
        }
    }

    /** Counts of facts, quoted in docs/ascend.md. */
    @Test
    void theCountsInTheDocumentationAreTrue() {
        AbiTable table = CannAbi.table();
        assertEquals(242, table.functions().size());
        assertEquals(105, table.constants().size());
        assertEquals(2, table.structs().size());
    }
}
