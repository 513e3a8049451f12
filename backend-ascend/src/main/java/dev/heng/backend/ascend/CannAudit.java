package dev.heng.backend.ascend;

import dev.heng.backend.ascend.binding.CannAbi;
import dev.heng.kernels.abi.AbiAudit;
import dev.heng.kernels.abi.AbiSource;
import dev.heng.spi.AbiAudit.Finding;
import dev.heng.spi.AbiAudit.Verdict;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The audit of CANN's tables, in the contract's terms. */
final class CannAudit {

    private CannAudit() {}

    static List<Finding> run(List<Path> folders, String compiler) throws IOException {
        return AbiAudit.run(CannAbi.table(), folders, compiler).stream()
                .map(finding -> new Finding(
                        finding.fact(), source(finding.source()), verdict(finding.verdict()), finding.detail()))
                .toList();
    }

    private static String source(AbiSource source) {
        return source.revision() + " " + source.path();
    }

    private static Verdict verdict(AbiAudit.Verdict verdict) {
        return switch (verdict) {
            case MATCHES -> Verdict.MATCHES;
            case DIFFERS -> Verdict.DIFFERS;
            case ABSENT -> Verdict.ABSENT;
        };
    }
}
