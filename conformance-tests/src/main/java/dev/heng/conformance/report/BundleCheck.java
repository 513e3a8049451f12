package dev.heng.conformance.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.MandatoryCases;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.run.Sha256;
import dev.heng.conformance.run.SuiteHash;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Whether a report that somebody sent is whole, is of this suite, and says what its cases say. It shows that nothing was lost or edited by
 * accident or by hand in one place; who wrote it is a matter for a signature.
 *
 * @param problems what is wrong; copied
 * @param summary what the report says of itself, in one line
 */
public record BundleCheck(List<String> problems, String summary) {

    static final String MANIFEST = "manifest.json";
    static final String MANIFEST_FORMAT = "heng-parity-bundle";

    public BundleCheck {
        problems = List.copyOf(problems);
    }

    /**
     * Checks a bundle.
     *
     * @param path a report's folder or a zip of it
     * @throws dev.heng.runtime.HengException if there is none
     */
    public static BundleCheck of(Path path) {
        Map<String, byte[]> files = ReportBundle.read(path).files();
        List<String> problems = new ArrayList<>();
        manifest(files, problems);
        byte[] json = files.get("parity.json");
        if (json == null) {
            problems.add("parity.json is missing");
            return new BundleCheck(problems, "no report");
        }
        List<String> faults = new ArrayList<>();
        ReportDocument document = ReportDocument.parse(json, faults);
        if (document == null) {
            faults.forEach(fault -> problems.add("parity.json: " + fault));
            return new BundleCheck(problems, "no report");
        }
        totals(document, problems);
        other(files, document, problems);
        suite(document, problems);
        return new BundleCheck(
                problems,
                document.title() + ", level " + document.request().level() + ", "
                        + document.counts().getOrDefault("PASS", 0) + " passed of "
                        + document.cases().size() + ", suite "
                        + document.environment().suiteHash().substring(0, 12) + ", "
                        + (document.green() ? "green" : "red"));
    }

    private static void manifest(Map<String, byte[]> files, List<String> problems) {
        byte[] bytes = files.get(MANIFEST);
        if (bytes == null) {
            problems.add(MANIFEST + " is missing");
            return;
        }
        try {
            JsonNode manifest = new ObjectMapper().readTree(bytes);
            if (!manifest.path("format").asText().equals(MANIFEST_FORMAT)
                    || manifest.path("version").asInt() != 1) {
                problems.add(MANIFEST + " is not of format " + MANIFEST_FORMAT + ", version 1");
                return;
            }
            Set<String> listed = new HashSet<>(Set.of(MANIFEST));
            manifest.path("files").properties().forEach(entry -> {
                listed.add(entry.getKey());
                byte[] file = files.get(entry.getKey());
                if (file == null) {
                    problems.add(entry.getKey() + " is missing");
                } else if (!Sha256.of(file).equals(entry.getValue().asText())) {
                    problems.add(entry.getKey() + " was changed: its hash is not the one in " + MANIFEST);
                }
            });
            for (String name : ReportWriter.FILES) {
                if (!listed.contains(name)) {
                    problems.add(MANIFEST + " does not list " + name);
                }
            }
            files.keySet().stream()
                    .filter(name -> !listed.contains(name))
                    .forEach(name -> problems.add(name + " is not listed in " + MANIFEST));
        } catch (IOException e) {
            problems.add(MANIFEST + " is no JSON");
        }
    }

    /** Recomputes what the report says about itself. */
    private static void totals(ReportDocument document, List<String> problems) {
        if (!document.counts().equals(document.tally())) {
            problems.add("counts " + document.counts() + " are not those of the cases, " + document.tally());
        }
        Set<String> seen = new HashSet<>();
        for (ReportDocument.Case one : document.cases()) {
            if (!seen.add(one.id())) {
                problems.add("case twice: " + one.id());
            }
            boolean failed =
                    one.checks().stream().anyMatch(check -> check.outcome().equals("FAIL"));
            if (one.state() == CaseState.PASS && failed) {
                problems.add("PASS with a failed check: " + one.id());
            }
            double worst = one.checks().stream()
                    .mapToDouble(ReportDocument.Comparison::ratio)
                    .max()
                    .orElse(0);
            if (Double.compare(worst, one.worstRatio()) != 0) {
                problems.add("worst_ratio " + one.worstRatio() + " is not the checks' " + worst + ": " + one.id());
            }
        }
        if (document.green() != document.redReasons().isEmpty()) {
            problems.add("green is " + document.green() + " with "
                    + document.redReasons().size() + " red reasons");
        }
        boolean anyRed = document.cases().stream().anyMatch(one -> !one.state().isGreen());
        boolean anyPass = document.cases().stream().anyMatch(one -> one.state() == CaseState.PASS);
        if (document.green() && (anyRed || !anyPass)) {
            problems.add(anyRed ? "green with cases that are not" : "green although nothing passed");
        }
    }

    private static void other(Map<String, byte[]> files, ReportDocument document, List<String> problems) {
        byte[] csv = files.get("parity.csv");
        if (csv != null) {
            long lines = new String(csv, StandardCharsets.UTF_8).lines().count() - 1;
            if (lines != document.cases().size()) {
                problems.add("parity.csv has " + lines + " cases, parity.json "
                        + document.cases().size());
            }
        }
    }

    /** Compares with this build's suite: nobody may leave cases out, or call a mandatory case optional. */
    private static void suite(ReportDocument document, List<String> problems) {
        String hash = document.environment().suiteHash();
        if (!hash.equals(SuiteHash.current())) {
            problems.add("the report is of suite " + hash + ", this build has " + SuiteHash.current()
                    + ": verify it with the Heng that wrote it ("
                    + document.environment().heng() + ")");
            return;
        }
        if (!document.request().pattern().isEmpty()) {
            problems.add("the report is of single cases ('" + document.request().pattern()
                    + "'), which cannot show conformance");
            return;
        }
        Map<String, ReportDocument.Case> reported = new HashMap<>();
        document.cases().forEach(one -> reported.put(one.id(), one));
        Level level = Level.valueOf(document.request().level());
        List<ConformanceCase> wanted =
                RunRequest.of("", level).select(Suite.standard().cases());
        for (ConformanceCase one : wanted) {
            ReportDocument.Case found = reported.remove(one.id());
            if (found == null) {
                problems.add("case is missing: " + one.id());
            } else {
                if (!found.op().equals(one.op())
                        || !found.dtype().equals(one.dtype())
                        || !found.rules().equals(one.rules())) {
                    problems.add("op, dtype or rules are not the suite's: " + one.id());
                }
                boolean shown = found.state() == CaseState.PASS || found.state() == CaseState.WAIVED;
                if (MandatoryCases.contains(one) && !shown) {
                    problems.add("mandatory case is " + found.state() + ": " + one.id());
                }
            }
        }
        reported.keySet().forEach(id -> problems.add("the suite has no case " + id));
    }
}
