package dev.heng.conformance.run;

import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a run found.
 *
 * @param request what was asked for
 * @param device the device under test, or null if it could not be opened
 * @param profile what it declares about its numerics, or null likewise
 * @param results one for each selected case; copied
 * @param untested rules without a case; copied
 * @param obstacle why nothing could run, or empty
 * @param suiteHash identifies the suite's code and rules
 */
public record RunReport(
        RunRequest request,
        @Nullable DeviceInfo device,
        @Nullable NumericsProfile profile,
        List<CaseResult> results,
        List<String> untested,
        String obstacle,
        String suiteHash) {

    public RunReport {
        results = List.copyOf(results);
        untested = List.copyOf(untested);
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
        return reasons;
    }

    /** Returns whether every selected case was executed and passed, or was declined with a reason, and at least one passed. */
    public boolean isGreen() {
        return redReasons().isEmpty();
    }

    /** Returns whether the device is a simulator, which every title must say. */
    public boolean isSimulated() {
        return device != null && device.simulated();
    }
}
