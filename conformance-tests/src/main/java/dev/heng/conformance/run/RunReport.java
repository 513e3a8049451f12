package dev.heng.conformance.run;

import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.DeviceInfo;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a run found.
 *
 * @param request what was asked for
 * @param device the device under test, or null if it could not be opened
 * @param profile what it declares about its numerics, as text; empty likewise
 * @param results one for each selected case; copied
 * @param untested rules without a case; copied
 * @param obstacle why nothing could run, or empty
 * @param suiteHash identifies the suite's code and rules
 * @param mandatory ids that must have passed or be waived; copied
 * @param problems what else makes the run red, such as waivers that do not hold; copied
 */
public record RunReport(
        RunRequest request,
        @Nullable DeviceInfo device,
        String profile,
        List<CaseResult> results,
        List<String> untested,
        String obstacle,
        String suiteHash,
        List<String> mandatory,
        List<String> problems) {

    public RunReport {
        results = List.copyOf(results);
        untested = List.copyOf(untested);
        mandatory = List.copyOf(mandatory);
        problems = List.copyOf(problems);
    }

    /** Returns the report of a run of {@code suite}; parameters as of the record. */
    public static RunReport of(
            Suite suite,
            RunRequest request,
            @Nullable DeviceInfo device,
            String profile,
            List<CaseResult> results,
            String obstacle) {
        List<ConformanceCase> selected = request.select(suite.cases());
        return new RunReport(
                request,
                device,
                profile,
                results,
                suite.untested(),
                obstacle,
                SuiteHash.current(),
                MandatoryCases.of(request, selected),
                List.of());
    }

    /** Returns the same report with other results and problems. */
    RunReport with(List<CaseResult> results, List<String> problems) {
        return new RunReport(request, device, profile, results, untested, obstacle, suiteHash, mandatory, problems);
    }

    /** Returns how many cases ended in each state. */
    public Map<CaseState, Integer> counts() {
        Map<CaseState, Integer> counts = new EnumMap<>(CaseState.class);
        for (CaseState state : CaseState.values()) {
            counts.put(state, 0);
        }
        results.forEach(result -> counts.merge(result.state(), 1, Integer::sum));
        return counts;
    }

    /** Returns why this run is red; empty if it is green. A run in which nothing passed shows nothing and is red. */
    public List<String> redReasons() {
        List<String> reasons = new ArrayList<>();
        if (!obstacle.isEmpty()) {
            reasons.add(obstacle);
        }
        if (results.isEmpty() && obstacle.isEmpty()) {
            reasons.add(
                    request.pattern().isEmpty()
                            ? "no case has level " + request.level()
                            : "no case is called '" + request.pattern() + "'");
        }
        Map<CaseState, Integer> counts = counts();
        for (Map.Entry<CaseState, Integer> entry : counts.entrySet()) {
            if (!entry.getKey().isGreen() && entry.getValue() > 0) {
                reasons.add(entry.getValue() + " cases ended in " + entry.getKey());
            }
        }
        if (!results.isEmpty() && counts.getOrDefault(CaseState.PASS, 0) == 0) {
            reasons.add("no case passed: nothing was shown");
        }
        Set<String> shown = new HashSet<>();
        results.stream()
                .filter(result -> result.state() == CaseState.PASS || result.state() == CaseState.WAIVED)
                .forEach(result -> shown.add(result.subject().id()));
        List<String> missing =
                mandatory.stream().filter(id -> !shown.contains(id)).toList();
        if (!missing.isEmpty()) {
            reasons.add(missing.size() + " of " + mandatory.size()
                    + " mandatory cases neither passed nor are waived, such as " + missing.getFirst());
        }
        reasons.addAll(problems);
        return reasons;
    }

    /**
     * Returns whether at least one case passed, every mandatory one passed or is waived, and no other ended in a state that is not green.
     */
    public boolean isGreen() {
        return redReasons().isEmpty();
    }

    /** Returns whether the device is a simulator, which every title must say. */
    public boolean isSimulated() {
        return device != null && device.simulated();
    }
}
