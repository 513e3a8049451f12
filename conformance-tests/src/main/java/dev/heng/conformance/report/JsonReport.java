package dev.heng.conformance.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.suite.Check;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;

/** The report for machines. Numbers that JSON lacks (infinite ratios, NaN) are strings. */
final class JsonReport {

    /** Raised whenever a field changes its meaning or goes. */
    private static final int VERSION = 1;

    private JsonReport() {}

    static String of(RunReport report) {
        ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        ObjectNode root = mapper.createObjectNode();
        root.put("format", "heng-parity").put("version", VERSION);
        root.put("green", report.isGreen()).put("simulated", report.isSimulated());
        report.redReasons().forEach(root.putArray("red_reasons")::add);
        ObjectNode request = root.putObject("request");
        request.put("backend", report.request().backend())
                .put("level", report.request().level().name())
                .put("case", report.request().pattern())
                .put("seed", report.request().seed());
        environment(root.putObject("environment"), report);
        ObjectNode counts = root.putObject("counts");
        report.counts().forEach((state, count) -> counts.put(state.name(), count));
        ArrayNode cases = root.putArray("cases");
        report.results().forEach(result -> one(cases.addObject(), result));
        report.untested().forEach(root.putArray("untested")::add);
        try {
            return mapper.writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a report that is no JSON", e);
        }
    }

    private static void environment(ObjectNode node, RunReport report) {
        node.put("suite_hash", report.suiteHash())
                .put("spi", Spi.VERSION)
                .put("java", Runtime.version().toString())
                .put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        DeviceInfo device = report.device();
        if (device != null) {
            ObjectNode facts = node.putObject("device");
            facts.put("address", device.address()).put("name", device.name());
            device.facts().forEach(facts.putObject("facts")::put);
        }
        if (report.profile() != null) {
            node.put("profile", report.profile().toString());
        }
    }

    private static void one(ObjectNode node, CaseResult result) {
        node.put("id", result.subject().id())
                .put("op", result.subject().op())
                .put("dtype", result.subject().dtype())
                .put("level", result.subject().level().name())
                .put("state", result.state().name())
                .put("reason", result.reason())
                .put("milliseconds", result.milliseconds())
                .put("replay", result.replay());
        result.subject().rules().forEach(node.putArray("rules")::add);
        number(node, "worst_ratio", result.worstRatio());
        ArrayNode checks = node.putArray("checks");
        for (Check check : result.checks()) {
            Verdict verdict = check.verdict();
            ObjectNode one = checks.addObject();
            one.put("what", check.what())
                    .put("outcome", verdict.outcome().name())
                    .put("formula", verdict.formula().name())
                    .put("formula_text", verdict.formula().text())
                    .put("index", verdict.index())
                    .put("expected_bits", verdict.expectedBits())
                    .put("got_bits", verdict.gotBits())
                    .put("message", verdict.message());
            number(one, "ratio", verdict.ratio());
            number(one, "error", verdict.error());
            number(one, "bound", verdict.bound());
            number(one, "expected", verdict.expected());
            number(one, "got", verdict.got());
        }
    }

    private static void number(ObjectNode node, String name, double value) {
        if (Double.isFinite(value)) {
            node.put(name, value);
        } else {
            node.put(name, Double.toString(value));
        }
    }
}
