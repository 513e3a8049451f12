package dev.heng.conformance.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.heng.conformance.run.CaseState;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The content of {@code parity.json}; docs/conformance/parity.schema.json is its form. Numbers that JSON lacks (infinite ratios, NaN) are
 * strings there.
 *
 * @param format {@code heng-parity}
 * @param version raised whenever a field changes its meaning or goes
 * @param created when the run ended, in ISO 8601
 * @param green whether the run is
 * @param simulated whether the device is a simulator
 * @param redReasons why it is not green
 * @param request what was asked for
 * @param environment where it ran
 * @param counts cases by state
 * @param cases the cases in their order
 * @param untested rules without a case
 */
public record ReportDocument(
        String format,
        int version,
        String created,
        boolean green,
        boolean simulated,
        List<String> redReasons,
        Request request,
        Surroundings environment,
        Map<String, Integer> counts,
        List<Case> cases,
        List<String> untested) {

    static final String FORMAT = "heng-parity";
    static final int VERSION = 1;

    private static final ObjectMapper MAPPER = new ObjectMapper()
            .setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(SerializationFeature.INDENT_OUTPUT)
            // A newer build may say more.
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    public ReportDocument {
        redReasons = List.copyOf(redReasons);
        counts = Map.copyOf(counts);
        cases = List.copyOf(cases);
        untested = List.copyOf(untested);
    }

    /** What was asked for; {@code pattern} is empty where a whole level was. */
    public record Request(
            String backend,
            String level,
            @JsonProperty("case") String pattern,
            long seed) {}

    /** Where it ran; {@code device} and {@code profile} are empty if no device could be opened. */
    public record Surroundings(
            String suiteHash,
            String spi,
            String heng,
            String java,
            String os,
            String cpu,
            Device device,
            String profile,
            Map<String, String> libraries) {}

    /** The device under test. */
    public record Device(String address, String name, Map<String, String> facts) {}

    /** One case. */
    public record Case(
            String id,
            String op,
            String dtype,
            String level,
            boolean mandatory,
            CaseState state,
            String reason,
            long milliseconds,
            String replay,
            List<String> rules,
            double worstRatio,
            List<Comparison> checks,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Smallest shrunk) {}

    /** The smallest shape that was found to fail; the fields are those of {@link dev.heng.conformance.run.Shrunk}. */
    public record Smallest(String id, String reason, String replay, int tried, boolean minimal) {}

    /** One comparison of a case; the fields are those of {@link dev.heng.conformance.compare.Verdict}. */
    public record Comparison(
            String what,
            String outcome,
            String formula,
            String formulaText,
            long index,
            String expectedBits,
            String gotBits,
            String message,
            double ratio,
            double error,
            double bound,
            double expected,
            double got) {}

    /** Returns the document as JSON. */
    public String json() {
        try {
            JsonNode tree = MAPPER.valueToTree(this);
            return MAPPER.writeValueAsString(tree) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a report that is no JSON", e);
        }
    }

    /**
     * Reads a report.
     *
     * @param path a {@code parity.json}, a folder with one, or a zip with one
     * @throws HengException if it is not there or has another form
     */
    public static ReportDocument read(Path path) {
        ReportBundle bundle = ReportBundle.read(path);
        byte[] json = bundle.files().get("parity.json");
        if (json == null) {
            throw new HengException(
                    path + " holds no parity.json", "name the folder that --report wrote, or a zip of it");
        }
        List<String> faults = new ArrayList<>();
        ReportDocument document = parse(json, faults);
        if (document == null || !faults.isEmpty()) {
            throw new HengException(
                    path + ": parity.json is no report of version " + VERSION + ": " + faults.getFirst(),
                    "write it again with 'heng parity --report', or use the Heng that wrote it");
        }
        return document;
    }

    /** Parses JSON; returns null and says why in {@code faults} if it has another form. */
    static @Nullable ReportDocument parse(byte[] json, List<String> faults) {
        try {
            JsonNode tree = MAPPER.readTree(json);
            faults.addAll(SchemaCheck.parity().faults(tree));
            return faults.isEmpty() ? MAPPER.treeToValue(tree, ReportDocument.class) : null;
        } catch (JsonProcessingException e) {
            faults.add("no JSON: " + e.getOriginalMessage());
            return null;
        } catch (IOException e) {
            faults.add("unreadable: " + e.getMessage());
            return null;
        }
    }

    /** Returns cases by state, as they should be counted. */
    Map<String, Integer> tally() {
        Map<String, Integer> tally = new TreeMap<>();
        for (CaseState state : CaseState.values()) {
            tally.put(state.name(), 0);
        }
        cases.forEach(one -> tally.merge(one.state().name(), 1, Integer::sum));
        return tally;
    }

    /** Returns the title of every format. */
    public String title() {
        Device device = environment.device();
        String name = device.address().isEmpty() ? request.backend() : device.address() + " (" + device.name() + ")";
        return "Parity of " + name + (simulated ? " [SIMULATED]" : "");
    }
}
