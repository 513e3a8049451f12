package dev.heng.conformance.run;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.conformance.suite.Scenario;
import dev.heng.conformance.suite.StoredWeight;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One execution of a scenario: every step's outputs, and every breach of the contract that shows whatever the numbers are.
 *
 * @param outputs of each step that was not to be refused, by output name; null for a step that was
 * @param breaches what the backend did that no backend may
 */
record Execution(List<Map<String, HostTensor>> outputs, List<String> breaches) {

    /** Room behind every tensor, in elements of each symbol, that must keep its poison. */
    private static final long MARGIN = 2;

    /** Returns the bounds under which a scenario is compiled and its buffers are allocated. */
    static CompileOptions options(Scenario scenario) {
        Map<String, Long> maxima = new HashMap<>();
        for (Scenario.Step step : scenario.steps()) {
            step.dims().forEach((symbol, size) -> maxima.merge(symbol, size + MARGIN, Math::max));
        }
        return CompileOptions.of(maxima);
    }

    /**
     * Executes.
     *
     * @param poison fills outputs before every step, and states and the room behind inputs before the first
     * @throws BackendException if the backend throws one that the scenario does not ask for
     */
    static Execution of(Backend backend, Scenario scenario, byte poison) {
        List<AutoCloseable> open = new ArrayList<>();
        CompileOptions options = options(scenario);
        List<String> breaches = new ArrayList<>();
        List<Map<String, HostTensor>> outputs = new ArrayList<>();
        try {
            Map<String, Buffer> buffers = new LinkedHashMap<>();
            for (Value input : scenario.graph().inputs()) {
                buffers.put(input.name(), allocate(backend, input.name(), input.type(), false, options, open));
            }
            for (Value state : scenario.graph().states()) {
                Buffer buffer = allocate(backend, state.name(), state.type(), true, options, open);
                // NaN in every floating type: the worst that a slot nobody may read can hold (MLA-004).
                buffer.fill((byte) 0xff);
                buffers.put(state.name(), buffer);
            }
            for (Map.Entry<String, Value> output : scenario.graph().outputs().entrySet()) {
                buffers.put(
                        output.getKey(),
                        allocate(backend, output.getKey(), output.getValue().type(), false, options, open));
            }
            Program program = backend.compile(
                    scenario.graph(), weight -> weight(scenario, weight).data(), options);
            open.add(program);
            checkPlan(backend, program, breaches);
            for (int step = 0; step < scenario.steps().size(); step++) {
                outputs.add(step(scenario, scenario.steps().get(step), program, buffers, poison, breaches));
            }
        } finally {
            close(open);
        }
        return new Execution(outputs, breaches);
    }

    private static StoredWeight weight(Scenario scenario, Value weight) {
        StoredWeight stored = scenario.weights().get(weight.name());
        if (stored == null) {
            throw new IllegalStateException("the scenario has no weight '" + weight.name() + "'");
        }
        return stored;
    }

    private static Buffer allocate(
            Backend backend,
            String name,
            TensorType type,
            boolean state,
            CompileOptions options,
            List<AutoCloseable> open) {
        BufferRequest.Usage usage = state ? BufferRequest.Usage.STATE : BufferRequest.Usage.TENSOR;
        Buffer buffer = backend.allocate(new BufferRequest(name, usage, type, options.maxima()));
        open.add(buffer);
        return buffer;
    }

    /** Checks RUN-016: every node in exactly one step, and all of them on the device under test. */
    private static void checkPlan(Backend backend, Program program, List<String> breaches) {
        Set<String> seen = new HashSet<>();
        for (Program.Step step : program.plan()) {
            if (!step.executedBy().equals(backend.device().address())) {
                breaches.add("hidden fallback: " + step + ", which is not "
                        + backend.device().address());
            }
            for (Node node : step.nodes()) {
                if (!seen.add(node.name())) {
                    breaches.add("node '" + node.name() + "' stands in two steps of the plan");
                }
            }
        }
        for (Node node : program.graph().nodes()) {
            if (!seen.contains(node.name())) {
                breaches.add("node '" + node.name() + "' stands in no step of the plan");
            }
        }
    }

    private static Map<String, HostTensor> step(
            Scenario scenario,
            Scenario.Step step,
            Program program,
            Map<String, Buffer> buffers,
            byte poison,
            List<String> breaches) {
        step.inputs().forEach((name, tensor) -> {
            Buffer buffer = buffer(buffers, name);
            buffer.fill(poison);
            buffer.write(MemorySegment.ofArray(tensor.bytes()), 0);
        });
        for (String output : scenario.graph().outputs().keySet()) {
            buffer(buffers, output).fill(poison);
        }
        Bindings bindings = new Bindings(step.dims(), step.batch(), buffers);
        Map<String, HostTensor> outputs = new HashMap<>();
        try {
            program.run(bindings);
            for (Map.Entry<String, Value> output : scenario.graph().outputs().entrySet()) {
                outputs.put(output.getKey(), read(output.getKey(), output.getValue(), step, buffers, poison, breaches));
            }
        } catch (BackendException refused) {
            if (refused.code() != step.refusal()) {
                throw refused;
            }
            String message = String.valueOf(refused.getMessage());
            if (scenario.graph().nodes().stream().noneMatch(node -> message.contains(node.name()))) {
                breaches.add("the refusal names no node of the graph: " + message);
            }
            return Map.of();
        }
        if (step.refusal() != null) {
            breaches.add("the run was to be refused with " + step.refusal() + " and was executed");
        }
        for (Map.Entry<String, HostTensor> input : step.inputs().entrySet()) {
            Buffer buffer = buffer(buffers, input.getKey());
            byte[] now = new byte
                    [Math.toIntExact(
                            buffer.request().type().bytes(buffer.request().dims()))];
            buffer.read(0, MemorySegment.ofArray(now));
            byte[] expected = new byte[now.length];
            Arrays.fill(expected, poison);
            System.arraycopy(
                    input.getValue().bytes(), 0, expected, 0, input.getValue().bytes().length);
            int changed = Arrays.mismatch(now, expected);
            if (changed >= 0) {
                boolean inside = changed < input.getValue().bytes().length;
                breaches.add("input '" + input.getKey() + "' was changed at byte " + changed
                        + (inside ? "" : ", past its end at " + input.getValue().bytes().length));
            }
        }
        return outputs;
    }

    private static HostTensor read(
            String name,
            Value value,
            Scenario.Step step,
            Map<String, Buffer> buffers,
            byte poison,
            List<String> breaches) {
        Buffer buffer = buffer(buffers, name);
        byte[] all = new byte
                [Math.toIntExact(buffer.request().type().bytes(buffer.request().dims()))];
        buffer.read(0, MemorySegment.ofArray(all));
        int used = Math.toIntExact(value.type().bytes(step.dims()));
        for (int index = used; index < all.length; index++) {
            if (all[index] != poison) {
                breaches.add("output '" + name + "' was written at byte " + index + ", past its end at " + used);
                break;
            }
        }
        int[] shape = value.type().shape().dims().stream()
                .mapToInt(dim -> Math.toIntExact(dim.size(step.dims())))
                .toArray();
        return new HostTensor(value.type().dtype(), shape, Arrays.copyOf(all, used));
    }

    private static Buffer buffer(Map<String, Buffer> buffers, String name) {
        Buffer buffer = buffers.get(name);
        if (buffer == null) {
            throw new IllegalStateException("no buffer was allocated for '" + name + "'");
        }
        return buffer;
    }

    private static void close(List<AutoCloseable> open) {
        for (AutoCloseable one : open.reversed()) {
            switch (one) {
                case Program program -> program.close();
                case Buffer buffer -> buffer.close();
                default -> throw new IllegalStateException("neither a program nor a buffer: " + one);
            }
        }
    }
}
