package dev.heng.conformance.report;

import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.MandatoryCases;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.Shrunk;
import dev.heng.conformance.suite.Check;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Makes the document of a run. */
final class JsonReport {

    private JsonReport() {}

    static ReportDocument of(RunReport report, Environment environment) {
        Map<String, Integer> counts = new TreeMap<>();
        report.counts().forEach((state, count) -> counts.put(state.name(), count));
        return new ReportDocument(
                ReportDocument.FORMAT,
                ReportDocument.VERSION,
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                report.isGreen(),
                report.isSimulated(),
                report.redReasons(),
                new ReportDocument.Request(
                        report.request().backend(),
                        report.request().level().name(),
                        report.request().pattern(),
                        report.request().seed()),
                new ReportDocument.Surroundings(
                        report.suiteHash(),
                        Spi.VERSION,
                        environment.heng(),
                        environment.java(),
                        environment.os(),
                        environment.cpu(),
                        device(report.device()),
                        report.profile(),
                        environment.libraries()),
                counts,
                report.results().stream().map(JsonReport::one).toList(),
                report.untested());
    }

    private static ReportDocument.Device device(@Nullable DeviceInfo device) {
        return device == null
                ? new ReportDocument.Device("", "", Map.of())
                : new ReportDocument.Device(device.address(), device.name(), device.facts());
    }

    private static ReportDocument.Case one(CaseResult result) {
        return new ReportDocument.Case(
                result.subject().id(),
                result.subject().op(),
                result.subject().dtype(),
                result.subject().level().name(),
                MandatoryCases.contains(result.subject()),
                result.state(),
                result.reason(),
                result.milliseconds(),
                result.replay(),
                result.subject().rules(),
                result.worstRatio(),
                result.checks().stream().map(JsonReport::comparison).toList(),
                smallest(result.shrunk()));
    }

    private static ReportDocument.@Nullable Smallest smallest(@Nullable Shrunk shrunk) {
        return shrunk == null
                ? null
                : new ReportDocument.Smallest(
                        shrunk.id(), shrunk.reason(), shrunk.replay(), shrunk.tried(), shrunk.minimal());
    }

    private static ReportDocument.Comparison comparison(Check check) {
        Verdict verdict = check.verdict();
        return new ReportDocument.Comparison(
                check.what(),
                verdict.outcome().name(),
                verdict.formula().name(),
                verdict.formula().text(),
                verdict.index(),
                verdict.expectedBits(),
                verdict.gotBits(),
                verdict.message(),
                verdict.ratio(),
                verdict.error(),
                verdict.bound(),
                verdict.expected(),
                verdict.got());
    }
}
