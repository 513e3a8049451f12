package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Devices that write where they must not, or do not write where they must. */
final class MemoryFaults {

    private static final String BEFORE = "before";
    private static final String EARLIER = "earlier";

    private MemoryFaults() {}

    /** Sees every output of a run before and after it. */
    private abstract static class OutputFault extends RunFault {
        OutputFault(String name, String description, String rule) {
            super("memory/" + name, description, rule);
        }

        @Override
        protected final void beforeRun(RunAccess run) {
            run.graph()
                    .outputs()
                    .keySet()
                    .forEach(name ->
                            run.memory().put(BEFORE + name, run.output(name).bytes()));
        }

        @Override
        protected final void afterRun(RunAccess run) {
            for (Map.Entry<String, Value> output : run.graph().outputs().entrySet()) {
                HostTensor now = run.output(output.getKey());
                if (now.elements() > 0) {
                    byte[] before = (byte[]) Objects.requireNonNull(run.memory().get(BEFORE + output.getKey()));
                    run.write(output.getKey(), changed(run, output.getKey(), before, now));
                }
            }
        }

        /** Returns what is left in an output of at least one element. */
        abstract byte[] changed(RunAccess run, String name, byte[] before, HostTensor now);
    }

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        faults.add(new RunFault("memory/input-changed", "The last bit of the first input is flipped.", "RUN-003") {
            @Override
            protected void afterRun(RunAccess run) {
                if (!run.graph().inputs().isEmpty()) {
                    Value input = run.graph().inputs().getFirst();
                    byte[] bytes = run.read(input.name(), input).bytes();
                    if (bytes.length > 0) {
                        bytes[bytes.length - 1] ^= 1;
                        run.write(input.name(), bytes);
                    }
                }
            }
        });
        faults.add(
                new RunFault(
                        "memory/input-zeroed-past-its-end",
                        "The tail of an input's last vector is cleared, past its end.",
                        "RUN-003") {
                    @Override
                    protected void afterRun(RunAccess run) {
                        for (Value input : run.graph().inputs()) {
                            byte[] bytes = run.read(input.name(), input).bytes();
                            long room = run.bindings().buffer(input.name()).sizeBytes() - bytes.length;
                            run.write(input.name(), Arrays.copyOf(bytes, bytes.length + (int) Math.min(room, 1)));
                        }
                    }
                });
        faults.add(
                new OutputFault("written-past-the-end", "One byte past the end of an output is cleared.", "RUN-003") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        boolean room = run.bindings().buffer(name).sizeBytes() > now.bytes().length;
                        return room ? Arrays.copyOf(now.bytes(), now.bytes().length + 1) : now.bytes();
                    }
                });
        faults.add(
                new OutputFault(
                        "rows-rounded-up-to-two",
                        "Rows are written in pairs: an odd last one takes the next one's place too.",
                        "RUN-003") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        int rows = now.shape()[0];
                        int pitch = now.bytes().length / rows;
                        long room = run.bindings().buffer(name).sizeBytes() - now.bytes().length;
                        return rows % 2 == 1 && room >= pitch
                                ? Arrays.copyOf(now.bytes(), now.bytes().length + pitch)
                                : now.bytes();
                    }
                });
        faults.add(
                new OutputFault(
                        "last-element-never-written",
                        "The last element of an output keeps what memory held.",
                        "RUN-003") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        int from = now.bytes().length - now.bytes().length / now.elements();
                        System.arraycopy(before, from, now.bytes(), from, before.length - from);
                        return now.bytes();
                    }
                });
        faults.add(new OutputFault("last-odd-row-never-written", "An odd last row keeps what memory held.", "RUN-003") {
            @Override
            byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                int rows = now.shape()[0];
                int from = before.length / rows * (rows - 1);
                if (rows % 2 == 1 && rows > 1) {
                    System.arraycopy(before, from, now.bytes(), from, before.length - from);
                }
                return now.bytes();
            }
        });
        faults.add(
                new OutputFault("zeros-never-written", "Elements that come out as zero are not written.", "RUN-003") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        long[] bits = now.bits();
                        int size = now.bytes().length / bits.length;
                        for (int index = 0; index < bits.length; index++) {
                            if (bits[index] == 0) {
                                System.arraycopy(before, index * size, now.bytes(), index * size, size);
                            }
                        }
                        return now.bytes();
                    }
                });
        faults.add(new OutputFault("output-added-to", "Results are added to what an output held.", "RUN-012") {
            @Override
            byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                if (!now.dtype().isFloating()) {
                    return now.bytes();
                }
                double[] held = new HostTensor(now.dtype(), now.shape(), before).doubles();
                double[] sum = now.doubles();
                Arrays.setAll(sum, index -> sum[index] + held[index]);
                return HostTensor.floats(now.dtype(), now.shape(), sum).bytes();
            }
        });
        faults.add(
                new OutputFault(
                        "workspace-garbage-used", "The last bit of a result follows what memory held.", "RUN-013") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        now.bytes()[0] ^= (byte) (before[0] < 0 ? 1 : 0);
                        return now.bytes();
                    }
                });
        faults.add(
                new OutputFault(
                        "result-of-the-first-run-kept",
                        "Later runs of the same sizes leave the first one's results.",
                        "RUN-001") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        String key = EARLIER + name + now.bytes().length;
                        return (byte[]) Objects.requireNonNull(run.memory()
                                .computeIfAbsent(key, _ -> now.bytes().clone()));
                    }
                });
        faults.add(
                new OutputFault(
                        "rows-of-a-longer-run-left",
                        "Where a run has fewer rows than the one before it, the old run's last row is left in the last.",
                        "RUN-001") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        byte[] earlier = (byte[])
                                run.memory().put(EARLIER + name, now.bytes().clone());
                        int pitch = now.bytes().length / now.shape()[0];
                        if (earlier != null && earlier.length > now.bytes().length) {
                            System.arraycopy(
                                    earlier, earlier.length - pitch, now.bytes(), now.bytes().length - pitch, pitch);
                        }
                        return now.bytes();
                    }
                });
        faults.add(
                new OutputFault(
                        "elements-in-another-type",
                        "F16 results are stored as bfloat16, and bfloat16 results as F16.",
                        "FORMAT-001") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        return switch (now.dtype()) {
                            case F16 ->
                                HostTensor.floats(dev.heng.spi.tensor.DType.BF16, now.shape(), now.doubles())
                                        .bytes();
                            case BF16 ->
                                HostTensor.floats(dev.heng.spi.tensor.DType.F16, now.shape(), now.doubles())
                                        .bytes();
                            default -> now.bytes();
                        };
                    }
                });
        faults.add(new OutputFault("columns-first", "Results are stored column by column.", "FORMAT-001") {
            @Override
            byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                if (now.shape().length != 2 || !now.dtype().isFloating()) {
                    return now.bytes();
                }
                long[] bits = now.bits();
                int rows = now.shape()[0];
                long[] turned = new long[bits.length];
                Arrays.setAll(turned, index -> bits[index % rows * now.shape()[1] + index / rows]);
                return now.withBits(turned).bytes();
            }
        });
        faults.add(
                new OutputFault(
                        "elements-big-endian", "The bytes of an element are stored from the top.", "FORMAT-001") {
                    @Override
                    byte[] changed(RunAccess run, String name, byte[] before, HostTensor now) {
                        int size = now.bytes().length / now.elements();
                        byte[] turned = new byte[now.bytes().length];
                        for (int index = 0; index < turned.length; index++) {
                            turned[index] = now.bytes()[index / size * size + size - 1 - index % size];
                        }
                        return turned;
                    }
                });
        return faults;
    }
}
