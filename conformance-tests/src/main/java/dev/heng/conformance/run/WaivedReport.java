package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.DeviceInfo;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

/**
 * Applies waivers to a report. A waiver covers a failure that it foresaw exactly; whatever else it meets makes the run red: a pass, an
 * unknown case, another version, an expiry date that has gone by. So a file of waivers can only shrink or be renewed by a person.
 */
public final class WaivedReport {

    private WaivedReport() {}

    /**
     * Returns the report with failures turned into WAIVED, and with a problem for each waiver that is not right. Waivers of other backends and
     * of cases that were not selected are left alone.
     *
     * @param today the day for which expiry is judged
     */
    public static RunReport of(RunReport report, Waivers waivers, Suite suite, LocalDate today) {
        DeviceInfo device = report.device();
        if (device == null || waivers.all().isEmpty()) {
            return report;
        }
        List<CaseResult> results = new ArrayList<>(report.results());
        List<String> problems = new ArrayList<>(report.problems());
        for (Waiver waiver : waivers.all()) {
            if (!waiver.backend().equals(device.backend())) {
                continue;
            }
            if (suite.cases().stream().map(ConformanceCase::id).noneMatch(waiver.id()::equals)) {
                problems.add("waiver of an unknown case: " + waiver.id());
                continue;
            }
            for (int index = 0; index < results.size(); index++) {
                CaseResult result = results.get(index);
                if (result.subject().id().equals(waiver.id())) {
                    String problem = problem(waiver, result, report, device, today);
                    if (problem.isEmpty()) {
                        results.set(
                                index,
                                result.as(
                                        CaseState.WAIVED,
                                        "until " + waiver.expires() + ", " + waiver.issue() + ": " + result.state()
                                                + ": " + result.reason()));
                    } else {
                        problems.add(problem + ": " + waiver.id());
                    }
                }
            }
        }
        return report.with(results, problems);
    }

    /** Returns what is wrong with a waiver, or nothing. */
    private static String problem(
            Waiver waiver, CaseResult result, RunReport report, DeviceInfo device, LocalDate today) {
        if (today.isAfter(waiver.expires())) {
            return "waiver expired on " + waiver.expires();
        }
        String version = device.facts().get(waiver.library());
        if (version == null) {
            return "waiver for a version of '" + waiver.library() + "', of which the device says nothing";
        }
        if (!waiver.versions().contains(version)) {
            return "waiver for " + waiver.library() + " " + waiver.versions().text() + ", which is " + version;
        }
        return switch (result.state()) {
            case PASS -> "unexpected pass: remove the waiver";
            case DECLINED ->
                report.mandatory().contains(result.subject().id())
                        ? ""
                        : "waiver of a case that may be declined: remove it";
            case FAIL, ERROR, TIMEOUT, CRASH -> "";
            case UNTRUSTED, UNTESTED -> result.state() + " shows no failure that could be waived";
            case WAIVED -> "waived twice";
        };
    }
}
