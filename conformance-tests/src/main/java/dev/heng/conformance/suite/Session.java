package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** A scenario's graph compiled on a device, with buffers for all of its values, for an experiment that drives it step by step. */
final class Session implements AutoCloseable {

    private final Scenario scenario;
    private final Program program;
    private final Map<String, Buffer> buffers;

    private Session(Scenario scenario, Program program, Map<String, Buffer> buffers) {
        this.scenario = scenario;
        this.program = program;
        this.buffers = buffers;
    }

    /** Returns the bounds that every step of the scenario fits. */
    static CompileOptions options(Scenario scenario) {
        Map<String, Long> maxima = new HashMap<>();
        for (Scenario.Step step : scenario.steps()) {
            step.dims().forEach((symbol, size) -> maxima.merge(symbol, size, Math::max));
        }
        return CompileOptions.of(maxima);
    }

    /** Returns why the device says no to a node of the scenario, or nothing. */
    static String refusal(Backend device, Scenario scenario) {
        for (Node node : scenario.graph().nodes()) {
            if (device.supports(node, options(scenario)) instanceof Support.Declined declined) {
                return declined.code() + ": " + declined.text();
            }
        }
        return "";
    }

    /** Compiles and allocates; states hold NaN. */
    static Session open(Backend device, Scenario scenario) {
        CompileOptions options = options(scenario);
        Map<String, Buffer> buffers = new LinkedHashMap<>();
        try {
            scenario.graph()
                    .inputs()
                    .forEach(input -> allocate(device, input.name(), input.type(), false, options, buffers));
            scenario.graph().states().forEach(state -> {
                allocate(device, state.name(), state.type(), true, options, buffers);
                buffer(buffers, state.name()).fill((byte) 0xff);
            });
            scenario.graph()
                    .outputs()
                    .forEach((name, value) -> allocate(device, name, value.type(), false, options, buffers));
            Program program = device.compile(scenario.graph(), weight -> weight(scenario, weight), options);
            return new Session(scenario, program, buffers);
        } catch (RuntimeException failure) {
            buffers.values().forEach(Buffer::close);
            throw failure;
        }
    }

    private static dev.heng.spi.WeightSource.WeightData weight(Scenario scenario, Value weight) {
        StoredWeight stored = scenario.weights().get(weight.name());
        if (stored == null) {
            throw new IllegalStateException("the scenario has no weight '" + weight.name() + "'");
        }
        return stored.data();
    }

    private static void allocate(
            Backend device,
            String name,
            TensorType type,
            boolean state,
            CompileOptions options,
            Map<String, Buffer> buffers) {
        BufferRequest.Usage usage = state ? BufferRequest.Usage.STATE : BufferRequest.Usage.TENSOR;
        buffers.put(name, device.allocate(new BufferRequest(name, usage, type, options.maxima())));
    }

    private static Buffer buffer(Map<String, Buffer> buffers, String name) {
        Buffer buffer = buffers.get(name);
        if (buffer == null) {
            throw new IllegalStateException("no buffer was allocated for '" + name + "'");
        }
        return buffer;
    }

    Buffer buffer(String name) {
        return buffer(buffers, name);
    }

    Program program() {
        return program;
    }

    /** Writes the inputs of a step. */
    void write(int step) {
        scenario.steps()
                .get(step)
                .inputs()
                .forEach((name, tensor) -> buffer(name).write(MemorySegment.ofArray(tensor.bytes()), 0));
    }

    /** Returns the bindings of a step. */
    Bindings bindings(int step) {
        Scenario.Step one = scenario.steps().get(step);
        return new Bindings(one.dims(), one.batch(), buffers);
    }

    /** Enqueues a step. */
    void run(int step) {
        program.run(bindings(step));
    }

    /** Reads all outputs of a step. */
    Map<String, HostTensor> read(int step) {
        Map<String, HostTensor> outputs = new HashMap<>();
        scenario.graph().outputs().forEach((name, value) -> outputs.put(name, read(step, name, value)));
        return outputs;
    }

    private HostTensor read(int step, String name, Value value) {
        Map<String, Long> dims = scenario.steps().get(step).dims();
        byte[] bytes = new byte[Math.toIntExact(value.type().bytes(dims))];
        buffer(name).read(0, MemorySegment.ofArray(bytes));
        int[] shape = value.type().shape().dims().stream()
                .mapToInt(dim -> Math.toIntExact(dim.size(dims)))
                .toArray();
        return new HostTensor(value.type().dtype(), shape, bytes);
    }

    /** Fills states with NaN again, as they were before the first step. */
    void reset() {
        scenario.graph().states().forEach(state -> buffer(state.name()).fill((byte) 0xff));
    }

    /** Writes, runs and reads every step in order, from fresh states; returns the outputs of each step. */
    java.util.List<Map<String, HostTensor>> all() {
        reset();
        java.util.List<Map<String, HostTensor>> outputs = new java.util.ArrayList<>();
        for (int step = 0; step < scenario.steps().size(); step++) {
            write(step);
            run(step);
            outputs.add(read(step));
        }
        return outputs;
    }

    @Override
    public void close() {
        program.close();
        buffers.values().forEach(Buffer::close);
    }
}
