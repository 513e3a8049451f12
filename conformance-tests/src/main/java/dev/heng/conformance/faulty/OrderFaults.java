package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Asynchronous devices that lose the order of calls, and devices that promise more determinism than they have.
 *
 * <p>Lateness is counted in calls and never in time, so that a fault shows in the same place whenever it is replayed.
 */
final class OrderFaults {

    private OrderFaults() {}

    /** A device with a queue of work that has not been done yet. */
    private abstract static class QueueingBackend extends ForwardingBackend {
        private final Deque<Runnable> queue = new ArrayDeque<>();

        QueueingBackend(Backend real) {
            super(real);
        }

        /** Queues work; nothing is done before {@link #drain}. */
        final void enqueue(Runnable work) {
            queue.add(work);
        }

        /** Does all queued work, in the order in which this device does it. */
        final void drain() {
            List<Runnable> work = new ArrayList<>(queue);
            queue.clear();
            @Nullable RuntimeException first = null;
            for (Runnable one : ordered(work)) {
                try {
                    one.run();
                } catch (RuntimeException failure) {
                    // A refused run is thrown by the read that waits for it (RUN-005); what follows in the queue is
                    // done all the same.
                    first = first == null ? failure : first;
                }
            }
            if (first != null) {
                throw first;
            }
        }

        List<Runnable> ordered(List<Runnable> work) {
            return work;
        }

        void write(Buffer buffer, byte[] bytes, long offset) {
            enqueue(() -> buffer.write(MemorySegment.ofArray(bytes), offset));
        }

        void fill(Buffer buffer, byte value) {
            enqueue(() -> buffer.fill(value));
        }

        void read(Buffer buffer, long offset, MemorySegment target) {
            drain();
            buffer.read(offset, target);
        }

        void run(Program program, Bindings bindings) {
            enqueue(() -> program.run(bindings));
        }

        @Override
        public Buffer allocate(BufferRequest request) {
            return new ForwardingBuffer(super.allocate(request)) {
                @Override
                public void write(MemorySegment source, long offsetBytes) {
                    QueueingBackend.this.write(real(), source.toArray(ValueLayout.JAVA_BYTE), offsetBytes);
                }

                @Override
                public void read(long offsetBytes, MemorySegment target) {
                    QueueingBackend.this.read(real(), offsetBytes, target);
                }

                @Override
                public void fill(byte value) {
                    QueueingBackend.this.fill(real(), value);
                }

                @Override
                public void close() {
                    drain();
                    super.close();
                }
            };
        }

        @Override
        public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
            return new ForwardingProgram(super.compile(graph, weights, options)) {
                @Override
                public void run(Bindings bindings) {
                    Bindings unwrapped = ForwardingBuffer.unwrapped(bindings);
                    if (isSound(graph, bindings, options)) {
                        QueueingBackend.this.run(real(), unwrapped);
                    } else {
                        // Mistakes of the caller are refused at once (RUN-002, RUN-003).
                        real().run(unwrapped);
                    }
                }

                @Override
                public void close() {
                    drain();
                    super.close();
                }
            };
        }

        private static boolean isSound(Graph graph, Bindings bindings, CompileOptions options) {
            for (Map.Entry<String, Long> bound : options.maxima().entrySet()) {
                Long size = bindings.dims().get(bound.getKey());
                if (size == null || size < 0 || size > bound.getValue()) {
                    return false;
                }
            }
            Map<String, Value> values = new HashMap<>(graph.outputs());
            graph.inputs().forEach(input -> values.put(input.name(), input));
            graph.states().forEach(state -> values.put(state.name(), state));
            for (Map.Entry<String, Value> value : values.entrySet()) {
                Buffer buffer = bindings.buffers().get(value.getKey());
                if (!(buffer instanceof ForwardingBuffer)
                        || buffer.sizeBytes() < value.getValue().type().bytes(bindings.dims())) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public void close() {
            drain();
            super.close();
        }
    }

    private static Fault order(String name, String description, DeviceFault.Planting planting) {
        return new DeviceFault("order/" + name, description, "RUN-001", List.of(), planting);
    }

    /** Returns a device that queues everything and keeps its order: the suite must not flag it. */
    static Fault harmless() {
        return new DeviceFault(
                "harmless/queueing-device",
                "Queues writes, fills and runs, and does them in order before the next read.",
                "RUN-001",
                List.of(),
                real -> new QueueingBackend(real) {});
    }

    static List<Fault> orders() {
        return List.of(
                order(
                        "read-does-not-wait-for-runs",
                        "A read returns what memory held before the last queued run.",
                        real -> new QueueingBackend(real) {
                            @Override
                            void read(Buffer buffer, long offset, MemorySegment target) {
                                buffer.read(offset, target);
                                drain();
                            }
                        }),
                order(
                        "run-overtaken-by-writes",
                        "Host writes reach memory before runs that were queued earlier.",
                        real -> new QueueingBackend(real) {
                            @Override
                            void write(Buffer buffer, byte[] bytes, long offset) {
                                buffer.write(MemorySegment.ofArray(bytes), offset);
                            }
                        }),
                order(
                        "run-overtaken-by-fills",
                        "Fills reach memory before writes and runs that were queued earlier.",
                        real -> new QueueingBackend(real) {
                            @Override
                            void fill(Buffer buffer, byte value) {
                                buffer.fill(value);
                            }
                        }),
                order(
                        "queue-served-in-reverse",
                        "Queued work is done last in, first out.",
                        real -> new QueueingBackend(real) {
                            @Override
                            List<Runnable> ordered(List<Runnable> work) {
                                Collections.reverse(work);
                                return work;
                            }
                        }),
                order(
                        "two-runs-swapped",
                        "Of two queued runs the second is done first.",
                        real -> new QueueingBackend(real) {
                            private @Nullable Runnable held;

                            @Override
                            void run(Program program, Bindings bindings) {
                                Runnable earlier = held;
                                if (earlier == null) {
                                    held = () -> program.run(bindings);
                                } else {
                                    enqueue(() -> program.run(bindings));
                                    enqueue(earlier);
                                    held = null;
                                }
                            }

                            @Override
                            void read(Buffer buffer, long offset, MemorySegment target) {
                                Runnable single = held;
                                if (single != null) {
                                    enqueue(single);
                                    held = null;
                                }
                                super.read(buffer, offset, target);
                            }
                        }),
                order(
                        "host-memory-read-late",
                        "A write copies the caller's memory only when the queue is served.",
                        real -> new QueueingBackend(real) {
                            @Override
                            public Buffer allocate(BufferRequest request) {
                                Buffer outer = super.allocate(request);
                                return new ForwardingBuffer(outer) {
                                    @Override
                                    public void write(MemorySegment source, long offsetBytes) {
                                        // The wrapper below copies when it is called, which is now too late on purpose.
                                        enqueue(() -> ((ForwardingBuffer) outer)
                                                .real()
                                                .write(source, offsetBytes));
                                    }
                                };
                            }
                        }),
                order(
                        "read-returns-before-the-copy",
                        "The last byte of a read arrives after the call has returned.",
                        real -> new QueueingBackend(real) {
                            @Override
                            void read(Buffer buffer, long offset, MemorySegment target) {
                                drain();
                                if (target.byteSize() > 1) {
                                    MemorySegment head = target.asSlice(0, target.byteSize() - 1);
                                    buffer.read(offset, head);
                                }
                            }
                        }),
                order(
                        "last-run-of-a-queue-lost",
                        "The last of several queued runs is lost.",
                        real -> new QueueingBackend(real) {
                            private int runs;

                            @Override
                            void run(Program program, Bindings bindings) {
                                runs++;
                                if (runs <= 2) {
                                    super.run(program, bindings);
                                }
                            }

                            @Override
                            void read(Buffer buffer, long offset, MemorySegment target) {
                                super.read(buffer, offset, target);
                                runs = 0;
                            }
                        }),
                new DeviceFault(
                        "order/error-reported-one-run-late",
                        "A run's refusal is thrown by the next run.",
                        "RUN-005",
                        List.of(),
                        LateErrors::new));
    }

    /** Throws what a run threw from the next run. */
    private static final class LateErrors extends ForwardingBackend {
        LateErrors(Backend real) {
            super(real);
        }

        @Override
        public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
            return new ForwardingProgram(super.compile(graph, weights, options)) {
                private @Nullable BackendException late;

                @Override
                public void run(Bindings bindings) {
                    BackendException earlier = late;
                    late = null;
                    if (earlier != null) {
                        throw earlier;
                    }
                    try {
                        super.run(bindings);
                    } catch (BackendException refused) {
                        late = refused;
                    }
                }
            };
        }
    }

    /** Changes the last bit of an output's first element. */
    private static void flip(RunAccessOutputs outputs) {
        outputs.buffers().forEach(buffer -> {
            byte[] one = new byte[1];
            buffer.read(0, MemorySegment.ofArray(one));
            one[0] ^= 1;
            buffer.write(MemorySegment.ofArray(one), 0);
        });
    }

    /** The outputs of one run that have elements. */
    private record RunAccessOutputs(List<Buffer> buffers) {
        static RunAccessOutputs of(Graph graph, Bindings bindings) {
            List<Buffer> buffers = new ArrayList<>();
            graph.outputs().forEach((name, value) -> {
                // Where a result has 8 or 11 bits, one last place is an error, and no question of determinism.
                if (value.type().dtype() == DType.F32 && value.type().bytes(bindings.dims()) > 0) {
                    buffers.add(bindings.buffer(name));
                }
            });
            return new RunAccessOutputs(buffers);
        }
    }

    /** Decides whether a run's results are off in their last bit. */
    private interface Noise {
        /** Is asked once for each run; {@code sibling} counts the programs that the device made of one graph, from 0. */
        boolean strikes(int sibling, Bindings bindings);
    }

    private static Fault noise(String name, String description, java.util.function.Supplier<Noise> noise) {
        return new DeviceFault("determinism/" + name, description, "RUN-013", List.of(Op.Linear.class), real -> {
            Noise own = noise.get();
            Map<String, Integer> programs = new HashMap<>();
            return new ForwardingBackend(real) {
                @Override
                public NumericsProfile numerics() {
                    NumericsProfile declared = super.numerics();
                    return new NumericsProfile(
                            declared.products(),
                            declared.scalarUlp(),
                            declared.attentionProbability(),
                            declared.flushesSubnormals(),
                            NumericsProfile.Determinism.BATCH_INVARIANT);
                }

                @Override
                public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
                    int sibling = programs.merge(graph.toString(), 1, Integer::sum) - 1;
                    boolean product = graph.nodes().stream().anyMatch(node -> node.op() instanceof Op.Linear);
                    return new ForwardingProgram(super.compile(graph, weights, options)) {
                        @Override
                        public void run(Bindings bindings) {
                            super.run(bindings);
                            if (product && own.strikes(sibling, bindings)) {
                                flip(RunAccessOutputs.of(graph, bindings));
                            }
                        }
                    };
                }
            };
        });
    }

    /** Strikes on every n-th run of the device. */
    private static Noise every(int runs) {
        return new Noise() {
            private int count;

            @Override
            public boolean strikes(int sibling, Bindings bindings) {
                count++;
                return count % runs == 0;
            }
        };
    }

    static List<Fault> determinism() {
        return List.of(
                noise("every-second-run-differs", "Sums end in another order every second time.", () -> every(2)),
                noise("every-fiftieth-run-differs", "Sums end in another order every fiftieth time.", () -> every(50)),
                noise(
                        "single-rows-differ",
                        "A run of one row sums in another order than a batch.",
                        () -> (_, bindings) -> bindings.dims().getOrDefault("tokens", 0L) == 1),
                noise(
                        "odd-batches-differ",
                        "A run of an odd number of rows beyond one sums in another order.",
                        () -> (_, bindings) -> {
                            long rows = bindings.dims().getOrDefault("tokens", 0L);
                            return rows > 1 && rows % 2 == 1;
                        }),
                noise(
                        "second-program-differs",
                        "A second program of one graph sums in another order than the first.",
                        () -> (sibling, _) -> sibling > 0));
    }
}
