package dev.heng.runtime.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.MeasuredCeiling;
import dev.heng.runtime.bench.BenchReport.Result;
import java.util.List;

/** A report as JSON, with every sample. docs/benchmarks.md lists the fields; {@code schema} changes when one of them does. */
final class ReportJson {

    static final String SCHEMA = "heng-bench-1";

    private static final JsonMapper MAPPER =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private ReportJson() {}

    static String of(BenchReport report) {
        ObjectNode root = NODES.objectNode();
        root.put("schema", SCHEMA);
        root.put("simulated", report.isSimulated());
        ObjectNode environment = root.putObject("environment");
        report.environment().forEach(environment::put);
        root.set("request", request(report.request()));
        ObjectNode memory = root.putObject("hostMemory");
        memory.put("randomNumbersBytes", report.poolBytes());
        putKnown(memory, "residentBytes", report.residentBytes());
        putKnown(memory, "peakResidentBytes", report.peakBytes());
        ArrayNode devices = root.putArray("devices");
        report.devices().forEach(device -> devices.add(device(device)));
        try {
            return MAPPER.writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of nodes is always JSON", e);
        }
    }

    private static void putKnown(ObjectNode node, String name, long bytes) {
        if (bytes < 0) {
            node.putNull(name);
        } else {
            node.put(name, bytes);
        }
    }

    private static ObjectNode request(BenchRequest request) {
        ObjectNode node = NODES.objectNode();
        node.put("shape", request.shape());
        node.put("layers", request.layers());
        node.put("layersOfShape", request.config().layers());
        node.put("weights", request.formats().body().label());
        node.put("expertsWeights", request.formats().experts().label());
        node.put("headWeights", request.formats().head().label());
        node.put("activations", request.activations().name());
        node.put("chunk", request.limits().chunkTokens());
        node.put("sync", request.work().sync().name());
        node.put("warmup", request.rounds().warmup());
        node.put("repeat", request.rounds().repeat());
        node.put("seed", request.rounds().seed());
        return node;
    }

    private static ObjectNode device(Device device) {
        ObjectNode node = NODES.objectNode();
        node.put("address", device.info().address());
        node.put("name", device.info().name());
        node.put("simulated", device.info().simulated());
        ObjectNode facts = node.putObject("facts");
        device.info().facts().forEach(facts::put);
        node.put("weightBytes", device.estimate().weights());
        node.put("cacheBytes", device.estimate().caches());
        node.put("loadSeconds", device.loadSeconds());
        ArrayNode ceilings = node.putArray("ceilings");
        for (MeasuredCeiling ceiling : device.ceilings()) {
            ObjectNode one = ceilings.addObject();
            one.put("kind", ceiling.kind().name());
            one.put("unit", ceiling.kind().unit().name());
            one.put("method", ceiling.method());
            put(one, ceiling.values());
        }
        ArrayNode results = node.putArray("results");
        device.results().forEach(result -> results.add(result(result)));
        return node;
    }

    private static ObjectNode result(Result result) {
        ObjectNode node = NODES.objectNode();
        switch (result.measurement()) {
            case Measurement.Prefill prefill -> {
                node.put("measured", "prefill");
                node.put("batch", 1);
                node.put("context", 0);
                node.put("tokens", prefill.tokens());
            }
            case Measurement.Decode decode -> {
                node.put("measured", "decode");
                node.put("batch", decode.batch());
                node.put("context", decode.context());
                node.put("tokens", decode.tokens());
            }
        }
        put(node.putObject("tokensPerSecond"), result.tokensPerSecond());
        ObjectNode steps = node.putObject("stepSeconds");
        steps.put("median", result.stepSeconds().median());
        steps.put("minimum", result.stepSeconds().minimum());
        steps.put("maximum", result.stepSeconds().maximum());
        node.put("weightBytesPerStep", result.cost().weightBytes());
        node.put("cacheBytesPerStep", result.cost().cacheBytes());
        node.put("operationsPerStep", result.cost().operations());
        node.put("bytesPerSecond", result.bytesPerSecond());
        node.put("operationsPerSecond", result.operationsPerSecond());
        node.put("shareOfReadBandwidth", result.readShare());
        node.put("peak", result.peak() == null ? null : result.peak().name());
        node.put("shareOfPeak", result.peakShare());
        node.put("ratioToFirstDevice", result.ratio());
        return node;
    }

    private static void put(ObjectNode node, Spread spread) {
        node.put("median", spread.median());
        node.put("minimum", spread.minimum());
        node.put("maximum", spread.maximum());
        ArrayNode samples = node.putArray("samples");
        List<Double> values = spread.samples();
        values.forEach(samples::add);
    }
}
