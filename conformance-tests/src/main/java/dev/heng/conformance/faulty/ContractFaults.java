package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendException.Code;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.WeakHashMap;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/** Devices that break the SPI's contract: about support, plans, numerics, errors and ownership. */
final class ContractFaults {

    private ContractFaults() {}

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        faults.addAll(support());
        faults.addAll(numerics());
        faults.addAll(errors());
        faults.addAll(bindings());
        faults.addAll(ownership());
        return faults;
    }

    private static Fault device(String name, String description, String rule, DeviceFault.Planting planting) {
        return new DeviceFault("contract/" + name, description, rule, List.of(), planting);
    }

    /** Changes the programs of a device. */
    private static Fault programs(String name, String description, String rule, Function<Program, Program> wrapping) {
        return device(name, description, rule, real -> new ForwardingBackend(real) {
            @Override
            public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                return wrapping.apply(super.compile(graph, weights, options));
            }
        });
    }

    private static Fault plan(String name, String description, UnaryOperator<List<Program.Step>> change) {
        return programs(name, description, "RUN-016", program -> new ForwardingProgram(program) {
            @Override
            public List<Step> plan() {
                return change.apply(super.plan());
            }
        });
    }

    private static Fault support(String name, String description, Support answer) {
        return device(name, description, "RUN-017", real -> new ForwardingBackend(real) {
            @Override
            public Support supports(Node node, CompileOptions options) {
                return answer;
            }
        });
    }

    private static List<Fault> support() {
        return List.of(
                support(
                        "declines-without-a-reason",
                        "Every node is declined with an empty text.",
                        Support.declined(Support.Code.OPERATOR, " ")),
                support(
                        "supports-what-it-declines",
                        "Every node is supported, whatever compiling it will say.",
                        Support.SUPPORTED),
                device(
                        "declined-after-supported",
                        "Compiling declines a graph whose nodes were supported.",
                        "RUN-017",
                        real -> new ForwardingBackend(real) {
                            @Override
                            public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                                throw BackendException.of(Code.DECLINED, "on second thought, no", "none");
                            }
                        }),
                device("support-throws", "Asking for support throws.", "RUN-017", real -> new ForwardingBackend(real) {
                    @Override
                    public Support supports(Node node, CompileOptions options) {
                        throw new UnsupportedOperationException("not written yet");
                    }
                }),
                plan(
                        "executed-elsewhere",
                        "The plan shows another device: a hidden fallback, admitted.",
                        steps -> steps.stream()
                                .map(step -> new Program.Step(step.kernel(), step.nodes(), "elsewhere:0"))
                                .toList()),
                plan(
                        "last-node-not-planned",
                        "The last node stands in no step of the plan.",
                        steps -> steps.subList(0, steps.size() - 1)),
                plan("node-planned-twice", "The first step is planned twice.", steps -> {
                    List<Program.Step> twice = new ArrayList<>(steps);
                    twice.add(steps.getFirst());
                    return twice;
                }),
                plan("plan-empty", "The plan is empty.", _ -> List.of()));
    }

    private static NumericsProfile products(NumericsProfile real, UnaryOperator<Map<Product, Accumulation>> change) {
        return new NumericsProfile(
                change.apply(new EnumMap<>(real.products())),
                real.scalarUlp(),
                real.attentionProbability(),
                real.flushesSubnormals(),
                real.determinism());
    }

    private static Fault profile(String name, String description, String rule, UnaryOperator<NumericsProfile> change) {
        return device(name, description, rule, real -> new ForwardingBackend(real) {
            @Override
            public NumericsProfile numerics() {
                return change.apply(super.numerics());
            }
        });
    }

    private static List<Fault> numerics() {
        return List.of(
                profile(
                        "profile-silent-about-products",
                        "The profile says nothing about products of plain matrices.",
                        "LINEAR-002",
                        real -> products(real, declared -> {
                            declared.keySet().removeAll(List.of(Product.F32, Product.F16, Product.BF16));
                            return declared;
                        })),
                profile(
                        "profile-silent-about-attention",
                        "The profile says nothing about attention.",
                        "MLA-003",
                        real -> products(real, declared -> {
                            declared.remove(Product.ATTENTION);
                            return declared;
                        })),
                profile(
                        "profile-silent-about-functions",
                        "The profile says nothing about scalar functions.",
                        "SWIGLU-001",
                        real -> new NumericsProfile(
                                real.products(),
                                Map.of(),
                                real.attentionProbability(),
                                real.flushesSubnormals(),
                                real.determinism())),
                new DoubleSums());
    }

    /** Declares sums in double and adds in F32: what a result of F32 shows where terms cancel. */
    private static final class DoubleSums extends RunFault {
        DoubleSums() {
            super(
                    "contract/float32-sums-declared-double",
                    "Sums are declared to be kept in double, and are F32.",
                    "LINEAR-002",
                    List.of(Op.Linear.class));
        }

        @Override
        protected NumericsProfile profile(NumericsProfile real) {
            return products(real, declared -> {
                declared.put(Product.F32, Accumulation.f64());
                return declared;
            });
        }

        @Override
        protected void afterRun(RunAccess run) {
            run.graph()
                    .nodes()
                    .forEach(node -> OperatorRun.of(run, node, Op.Linear.class).ifPresent(product -> {
                        boolean plain = product.isPlain(1) && product.operands() == 2;
                        if (plain && product.operand(0).dtype() == DType.F32) {
                            add(product);
                        }
                    }));
        }

        private static void add(OperatorRun<Op.Linear> product) {
            double[] x = product.numbers(0);
            double[] w = product.numbers(1);
            int k = product.operand(0).shape()[1];
            int n = w.length / k;
            double[] y = product.result(0).doubles();
            for (int index = 0; index < y.length; index++) {
                float sum = 0;
                for (int at = 0; at < k; at++) {
                    sum += (float) x[index / n * k + at] * (float) w[index % n * k + at];
                }
                y[index] = sum;
            }
            product.write(0, y);
        }
    }

    /** Changes what a refused run throws. */
    private static Fault refusals(
            String name, String description, String rule, Function<BackendException, RuntimeException> change) {
        return programs(name, description, rule, program -> new ForwardingProgram(program) {
            @Override
            public void run(Bindings bindings) {
                try {
                    super.run(bindings);
                } catch (BackendException refused) {
                    throw change.apply(refused);
                }
            }
        });
    }

    private static List<Fault> errors() {
        return List.of(
                refusals(
                        "invalid-data-as-native-failure",
                        "Data out of range end in the native library's failure.",
                        "RUN-005",
                        refused ->
                                BackendException.of(Code.NATIVE_FAILURE, String.valueOf(refused.getMessage()), "none")),
                refusals(
                        "invalid-data-as-illegal-state",
                        "Data out of range end in an IllegalStateException.",
                        "RUN-005",
                        refused -> new IllegalStateException(refused.getMessage())),
                refusals(
                        "invalid-data-without-a-name",
                        "The refusal of data out of range names neither node nor value.",
                        "RUN-005",
                        _ -> BackendException.of(Code.INVALID_DATA, "bad data", "none")),
                programs(
                        "invalid-data-ignored",
                        "Data out of range make a run do nothing.",
                        "RUN-005",
                        program -> new ForwardingProgram(program) {
                            @Override
                            public void run(Bindings bindings) {
                                try {
                                    super.run(bindings);
                                } catch (BackendException refused) {
                                    if (refused.code() != Code.INVALID_DATA) {
                                        throw refused;
                                    }
                                }
                            }
                        }),
                programs(
                        "refusal-sticks",
                        "After a refused run every later one is refused.",
                        "RUN-006",
                        program -> new ForwardingProgram(program) {
                            private boolean stuck;

                            @Override
                            public void run(Bindings bindings) {
                                if (stuck) {
                                    throw BackendException.of(
                                            Code.NATIVE_FAILURE, "an earlier failure sticks", "start again");
                                }
                                try {
                                    super.run(bindings);
                                } catch (BackendException refused) {
                                    stuck = true;
                                    throw refused;
                                }
                            }
                        }),
                device(
                        "out-of-memory-as-native-failure",
                        "Memory that does not fit ends in the native library's failure.",
                        "RUN-014",
                        real -> new ForwardingBackend(real) {
                            @Override
                            public Buffer allocate(BufferRequest request) {
                                try {
                                    return super.allocate(request);
                                } catch (BackendException refused) {
                                    throw BackendException.of(
                                            Code.NATIVE_FAILURE, String.valueOf(refused.getMessage()), "none");
                                }
                            }
                        }),
                device(
                        "out-of-memory-sticks",
                        "After one allocation that did not fit, none succeeds.",
                        "RUN-014",
                        real -> new ForwardingBackend(real) {
                            private boolean stuck;

                            @Override
                            public Buffer allocate(BufferRequest request) {
                                if (stuck) {
                                    throw BackendException.of(
                                            Code.OUT_OF_MEMORY, request.name() + " does not fit", "start again");
                                }
                                try {
                                    return super.allocate(request);
                                } catch (BackendException refused) {
                                    stuck = true;
                                    throw refused;
                                }
                            }
                        }),
                device(
                        "short-weights-padded",
                        "A weight that is too short is filled up with zeros.",
                        "RUN-010",
                        real -> new ForwardingBackend(real) {
                            @Override
                            public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                                return super.compile(
                                        graph,
                                        weight -> padded(
                                                weights.data(weight),
                                                weight.type().bytes(Map.of())),
                                        options);
                            }
                        }),
                device(
                        "weights-asked-for-by-each-node",
                        "A weight of two nodes is asked for twice.",
                        "RUN-010",
                        real -> new ForwardingBackend(real) {
                            @Override
                            public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                                graph.nodes()
                                        .forEach(node -> node.operands().forEach(operand -> {
                                            if (operand.role() == Value.Role.WEIGHT) {
                                                weights.data(operand);
                                            }
                                        }));
                                return super.compile(graph, weights, options);
                            }
                        }));
    }

    private static WeightSource.WeightData padded(WeightSource.WeightData data, long bytes) {
        if (data.parts().size() != 1 || data.parts().getFirst().scales() != null) {
            return data;
        }
        MemorySegment elements = data.parts().getFirst().elements();
        return elements.byteSize() >= bytes
                ? data
                : WeightSource.WeightData.of(
                        MemorySegment.ofArray(Arrays.copyOf(elements.toArray(ValueLayout.JAVA_BYTE), (int) bytes)));
    }

    private static Fault runs(String name, String description, String rule, RunChange change) {
        return programs(name, description, rule, program -> new ForwardingProgram(program) {
            @Override
            public void run(Bindings bindings) {
                change.run(real(), bindings);
            }
        });
    }

    /** What a run does instead. */
    @FunctionalInterface
    private interface RunChange {
        void run(Program real, Bindings bindings);
    }

    private static List<Fault> bindings() {
        return List.of(
                runs(
                        "mistaken-bindings-ignored",
                        "A run with sizes or buffers that do not fit does nothing.",
                        "RUN-003",
                        (real, bindings) -> {
                            try {
                                real.run(bindings);
                            } catch (IllegalArgumentException mistake) {
                                // Swallowed on purpose: the caller never learns that nothing was computed.
                                return;
                            }
                        }),
                runs(
                        "mistaken-bindings-as-native-failure",
                        "Sizes or buffers that do not fit end in the native library's failure.",
                        "RUN-003",
                        (real, bindings) -> {
                            try {
                                real.run(bindings);
                            } catch (IllegalArgumentException mistake) {
                                throw BackendException.of(
                                        Code.NATIVE_FAILURE, String.valueOf(mistake.getMessage()), "none");
                            }
                        }),
                runs(
                        "mistakes-without-a-name",
                        "Sizes or buffers that do not fit are refused without saying which.",
                        "RUN-002",
                        (real, bindings) -> {
                            try {
                                real.run(bindings);
                            } catch (IllegalArgumentException mistake) {
                                throw new IllegalArgumentException("wrong bindings", mistake);
                            }
                        }),
                runs(
                        "larger-buffers-refused",
                        "A buffer larger than its value is refused.",
                        "RUN-003",
                        (real, bindings) -> {
                            real.graph().outputs().forEach((name, value) -> {
                                if (bindings.buffer(name).sizeBytes()
                                        != value.type().bytes(bindings.dims())) {
                                    throw new IllegalArgumentException("'" + name + "' has the wrong size");
                                }
                            });
                            real.run(bindings);
                        }),
                runs(
                        "shared-buffer-refused",
                        "One buffer as input and output is refused.",
                        "RUN-004",
                        (real, bindings) -> {
                            if (new HashSet<>(bindings.buffers().values()).size()
                                    < bindings.buffers().size()) {
                                throw new IllegalArgumentException("two values share a buffer: "
                                        + new TreeSet<>(bindings.buffers().keySet()));
                            }
                            real.run(bindings);
                        }),
                runs(
                        "empty-runs-fail",
                        "A run without rows fails, as an empty grid of threads does.",
                        "RUN-011",
                        (real, bindings) -> {
                            if (bindings.dims().containsValue(0L)) {
                                throw BackendException.of(
                                        Code.NATIVE_FAILURE, "invalid configuration argument", "none");
                            }
                            real.run(bindings);
                        }),
                runs("single-rows-fail", "A run of one row fails.", "LINEAR-005", (real, bindings) -> {
                    if (bindings.dims().containsValue(1L)) {
                        throw BackendException.of(Code.NATIVE_FAILURE, "misaligned address", "none");
                    }
                    real.run(bindings);
                }),
                runs(
                        "second-run-does-nothing",
                        "A captured graph is not replayed: later runs do nothing.",
                        "RUN-001",
                        new RunChange() {
                            private final Set<Program> started = Collections.newSetFromMap(new WeakHashMap<>());

                            @Override
                            public void run(Program real, Bindings bindings) {
                                if (started.add(real)) {
                                    real.run(bindings);
                                }
                            }
                        }));
    }

    private static Fault buffers(String name, String description, String rule, UnaryOperator<Buffer> wrapping) {
        return device(name, description, rule, real -> new ForwardingBackend(real) {
            @Override
            public Buffer allocate(BufferRequest request) {
                return wrapping.apply(super.allocate(request));
            }

            @Override
            public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                return new ForwardingProgram(super.compile(graph, weights, options)) {
                    @Override
                    public void run(Bindings bindings) {
                        super.run(ForwardingBuffer.unwrapped(bindings));
                    }
                };
            }
        });
    }

    private static List<Fault> ownership() {
        return List.of(
                buffers(
                        "closed-buffers-readable",
                        "A closed buffer can still be used.",
                        "RUN-009",
                        buffer -> new ForwardingBuffer(buffer) {
                            private boolean closed;

                            @Override
                            public void close() {
                                // Kept open until it is closed again, so that the real device finds nothing open in the
                                // end.
                                if (closed) {
                                    super.close();
                                }
                                closed = true;
                            }
                        }),
                buffers(
                        "second-close-of-a-buffer-throws",
                        "Closing a buffer twice throws.",
                        "RUN-008",
                        buffer -> new ForwardingBuffer(buffer) {
                            private boolean closed;

                            @Override
                            public void close() {
                                if (closed) {
                                    throw new IllegalStateException(
                                            "buffer '" + request().name() + "' is closed already");
                                }
                                closed = true;
                                super.close();
                            }
                        }),
                buffers(
                        "fill-stops-at-whole-words",
                        "A fill covers whole words of eight bytes and leaves the rest.",
                        "RUN-001",
                        buffer -> new ForwardingBuffer(buffer) {
                            @Override
                            public void fill(byte value) {
                                byte[] bytes = new byte[(int) (sizeBytes() / 8 * 8)];
                                Arrays.fill(bytes, value);
                                write(MemorySegment.ofArray(bytes), 0);
                            }
                        }),
                buffers(
                        "read-ignores-its-offset",
                        "A read begins at the start of the buffer whatever its offset.",
                        "RUN-001",
                        buffer -> new ForwardingBuffer(buffer) {
                            @Override
                            public void read(long offsetBytes, MemorySegment target) {
                                super.read(0, target);
                            }
                        }),
                buffers(
                        "write-ignores-its-offset",
                        "A write begins at the start of the buffer whatever its offset.",
                        "RUN-001",
                        buffer -> new ForwardingBuffer(buffer) {
                            @Override
                            public void write(MemorySegment source, long offsetBytes) {
                                super.write(source, 0);
                            }
                        }),
                programs(
                        "closed-programs-run",
                        "A closed program can still be run, and does nothing.",
                        "RUN-009",
                        program -> new ForwardingProgram(program) {
                            private boolean closed;

                            @Override
                            public void run(Bindings bindings) {
                                if (!closed) {
                                    super.run(bindings);
                                }
                            }

                            @Override
                            public void close() {
                                closed = true;
                                super.close();
                            }
                        }),
                device(
                        "closed-while-in-use",
                        "A backend closes although buffers and programs of it are open.",
                        "RUN-008",
                        real -> new ForwardingBackend(real) {
                            @Override
                            public void close() {
                                try {
                                    super.close();
                                } catch (IllegalStateException inUse) {
                                    // Swallowed on purpose: the caller takes the backend for closed.
                                    return;
                                }
                            }
                        }),
                device(
                        "second-close-throws",
                        "Closing a backend twice throws.",
                        "RUN-008",
                        real -> new ForwardingBackend(real) {
                            private boolean closed;

                            @Override
                            public void close() {
                                if (closed) {
                                    throw new IllegalStateException("closed already");
                                }
                                super.close();
                                closed = true;
                            }
                        }),
                device(
                        "allocates-after-close",
                        "A closed backend still hands out buffers.",
                        "RUN-009",
                        AfterClose::new));
    }

    /** Answers allocations after its close with memory of nobody. */
    private static final class AfterClose extends ForwardingBackend {
        private boolean closed;

        AfterClose(Backend real) {
            super(real);
        }

        @Override
        public Buffer allocate(BufferRequest request) {
            if (!closed) {
                return super.allocate(request);
            }
            return new Buffer() {
                @Override
                public BufferRequest request() {
                    return request;
                }

                @Override
                public long sizeBytes() {
                    return request.type().bytes(request.dims());
                }

                @Override
                public void write(MemorySegment source, long offsetBytes) {}

                @Override
                public void read(long offsetBytes, MemorySegment target) {}

                @Override
                public void fill(byte value) {}

                @Override
                public void close() {}
            };
        }

        @Override
        public void close() {
            super.close();
            closed = true;
        }
    }
}
