package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Op;
import java.util.Arrays;
import java.util.List;

/** Operators that move rows, done wrong: views, embedding, dispatch and combine. */
final class RowFaults {

    private RowFaults() {}

    static List<Fault> views() {
        return List.of(
                new GraphFault<>(
                        "view/slice-off-by-one",
                        "A slice begins one column too early.",
                        "SLICE-001",
                        Op.Slice.class,
                        slice -> new Op.Slice(Math.max(0, slice.from() - 1), slice.length())),
                new OperatorFault<>(
                        "view/slice-without-row-pitch",
                        "Rows are read as if they were as narrow as the slice.",
                        "SLICE-001",
                        Op.Slice.class,
                        run -> {
                            long[] x = run.operand(0).bits();
                            HostTensor y = run.result(0);
                            run.writeBits(
                                    0,
                                    Arrays.copyOfRange(
                                            x, run.op().from(), run.op().from() + y.elements()));
                        }),
                new OperatorFault<>(
                        "view/slice-canonizes-nan",
                        "NaN and -0 are copied as numbers, not as bits.",
                        "FORMAT-010",
                        Op.Slice.class,
                        run -> run.write(0, Rows.each(run.result(0).doubles(), value -> value + 0.0))),
                new OperatorFault<>(
                        "view/slice-flushes-subnormals",
                        "A copy through the arithmetic unit flushes subnormals.",
                        "FORMAT-010",
                        Op.Slice.class,
                        run -> {
                            FloatFormat format = HostTensor.format(run.result(0).dtype());
                            double least = Math.scalb(1.0, format.minExponent());
                            run.write(
                                    0,
                                    Rows.each(run.result(0).doubles(), value -> Math.abs(value) < least ? 0 : value));
                        }),
                new OperandFault<>(
                        "view/rows-selected-in-order",
                        "Selected rows come in ascending order.",
                        "SELECT-001",
                        Op.SelectRows.class,
                        1,
                        (_, real) -> {
                            int[] rows = real.integers();
                            Arrays.sort(rows);
                            return HostTensor.ints(real.shape(), rows);
                        }),
                new OperandFault<>(
                        "view/row-selected-once",
                        "A row that is selected again is replaced by the one before it.",
                        "SELECT-001",
                        Op.SelectRows.class,
                        1,
                        (_, real) -> {
                            int[] rows = real.integers();
                            for (int index = 1; index < rows.length; index++) {
                                int wanted = rows[index];
                                boolean again = Arrays.stream(rows, 0, index).anyMatch(row -> row == wanted);
                                rows[index] = again && wanted > 0 ? wanted - 1 : wanted;
                            }
                            return HostTensor.ints(real.shape(), rows);
                        }),
                clamped(
                        "view/selection-clamped",
                        "A row outside the run is clamped to its last row.",
                        "SELECT-002",
                        Op.SelectRows.class));
    }

    private static <O extends Op> Fault clamped(String id, String description, String rule, Class<O> op) {
        return new OperandFault<>(id, description, rule, op, 1, (run, real) -> {
            long bound = run.node()
                    .operand(0)
                    .type()
                    .shape()
                    .dim(0)
                    .size(run.run().bindings().dims());
            int[] rows = real.integers();
            for (int index = 0; index < rows.length && bound > 0; index++) {
                rows[index] = Math.clamp(rows[index], 0, (int) bound - 1);
            }
            return HostTensor.ints(real.shape(), rows);
        });
    }

    static List<Fault> embeddings() {
        return List.of(
                clamped(
                        "embedding/id-clamped",
                        "An id outside the table is clamped to its last row.",
                        "EMBED-002",
                        Op.Embed.class),
                new OperandFault<>(
                        "embedding/id-in-five-bits",
                        "Ids beyond 31 wrap: the kernel's index is too narrow.",
                        "EMBED-001",
                        Op.Embed.class,
                        1,
                        (_, real) -> {
                            int[] ids = real.integers();
                            for (int index = 0; index < ids.length; index++) {
                                ids[index] = ids[index] >= 32 && ids[index] < 37 ? ids[index] - 32 : ids[index];
                            }
                            return HostTensor.ints(real.shape(), ids);
                        }),
                new OperatorFault<>(
                        "embedding/scaled-by-root-of-width",
                        "Rows are multiplied with the root of the width.",
                        "EMBED-001",
                        Op.Embed.class,
                        run -> {
                            double root = Math.sqrt(run.result(0).shape()[1]);
                            run.write(0, Rows.each(run.result(0).doubles(), value -> value * root));
                        }),
                new OperatorFault<>(
                        "embedding/last-odd-token-repeats",
                        "Tokens are taken in pairs: an odd last one repeats.",
                        "EMBED-001",
                        Op.Embed.class,
                        run -> {
                            HostTensor y = run.result(0);
                            int rows = y.shape()[0];
                            if (rows % 2 == 1 && rows > 1) {
                                run.write(0, Rows.copied(y.doubles(), y.shape()[1], rows - 2, rows - 1));
                            }
                        }),
                new OperatorFault<>(
                        "embedding/columns-beyond-32-zero",
                        "A warp copies 32 columns of a row, and no more.",
                        "EMBED-001",
                        Op.Embed.class,
                        run -> {
                            HostTensor y = run.result(0);
                            double[] values = y.doubles();
                            for (int index = 0; index < values.length; index++) {
                                values[index] = index % y.shape()[1] < 32 ? values[index] : 0;
                            }
                            run.write(0, values);
                        }));
    }

    /** Dispatches again, with another list of rows: those whose experts are kept, in the order in which they are given. */
    @SuppressWarnings("ArrayRecordComponent") // One run's operands; never compared.
    private record Dispatching(OperatorRun<Op.Dispatch> run, int[] ids, int k) {
        static Dispatching of(OperatorRun<Op.Dispatch> run) {
            HostTensor ids = run.operand(1);
            return new Dispatching(run, ids.integers(), ids.shape()[1]);
        }

        /** Writes rows in a new order, given by their places among the real ones. */
        void reorder(int[] places) {
            HostTensor rows = run.result(0);
            int width = rows.shape()[1];
            long[] bits = rows.bits();
            int[] origins = run.result(2).integers();
            long[] moved = bits.clone();
            int[] movedOrigins = origins.clone();
            for (int row = 0; row < places.length; row++) {
                System.arraycopy(bits, places[row] * width, moved, row * width, width);
                movedOrigins[row] = origins[places[row]];
            }
            run.writeBits(0, moved);
            run.write(2, movedOrigins);
        }

        int used() {
            int[] offsets = run.result(1).integers();
            return offsets[offsets.length - 1];
        }
    }

    private static Fault dispatch(
            String name, String description, String rule, java.util.function.Consumer<Dispatching> kernel) {
        return new OperatorFault<>(
                "dispatch/" + name, description, rule, Op.Dispatch.class, run -> kernel.accept(Dispatching.of(run)));
    }

    /** Replaces ids before the real dispatch sees them. */
    private static Fault dispatchIds(String name, String description, String rule, IdChange change) {
        return new OperandFault<>("dispatch/" + name, description, rule, Op.Dispatch.class, 1, (run, real) -> {
            int[] ids = real.integers();
            change.change(ids, real.shape()[1], run.op());
            return HostTensor.ints(real.shape(), ids);
        });
    }

    /** Changes ids [T, k] in place. */
    @FunctionalInterface
    private interface IdChange {
        void change(int[] ids, int k, Op.Dispatch op);
    }

    static List<Fault> dispatches() {
        return List.of(
                dispatch(
                        "rows-of-an-expert-reversed",
                        "Rows of one expert stand in descending order of origin.",
                        "DISPATCH-001",
                        d -> {
                            int[] offsets = d.run().result(1).integers();
                            int[] places = new int[d.used()];
                            for (int expert = 0; expert + 1 < offsets.length; expert++) {
                                for (int row = offsets[expert]; row < offsets[expert + 1]; row++) {
                                    places[row] = offsets[expert] + offsets[expert + 1] - 1 - row;
                                }
                            }
                            d.reorder(places);
                        }),
                dispatch("origins-without-slot", "An origin is the token alone.", "DISPATCH-001", d -> {
                    int[] origins = d.run().result(2).integers();
                    for (int row = 0; row < origins.length; row++) {
                        origins[row] = origins[row] < 0 ? -1 : origins[row] / d.k();
                    }
                    d.run().write(2, origins);
                }),
                dispatch(
                        "origins-slot-major",
                        "An origin is the slot times the tokens plus the token.",
                        "DISPATCH-001",
                        d -> {
                            int[] origins = d.run().result(2).integers();
                            int tokens = d.ids().length / d.k();
                            for (int row = 0; row < origins.length; row++) {
                                origins[row] =
                                        origins[row] < 0 ? -1 : origins[row] % d.k() * tokens + origins[row] / d.k();
                            }
                            d.run().write(2, origins);
                        }),
                dispatch(
                        "offsets-shifted",
                        "Offsets are inclusive sums: the first is the first expert's count.",
                        "DISPATCH-002",
                        d -> {
                            int[] offsets = d.run().result(1).integers();
                            int[] shifted = Arrays.copyOfRange(offsets, 1, offsets.length + 1);
                            shifted[offsets.length - 1] = offsets[offsets.length - 1];
                            d.run().write(1, shifted);
                        }),
                dispatch(
                        "empty-expert-gets-a-row",
                        "An empty expert's range covers the next row.",
                        "DISPATCH-002",
                        d -> {
                            int[] offsets = d.run().result(1).integers();
                            for (int expert = 0; expert + 2 < offsets.length; expert++) {
                                if (offsets[expert] == offsets[expert + 1]
                                        && offsets[expert + 1] < offsets[expert + 2]) {
                                    offsets[expert + 1]++;
                                }
                            }
                            d.run().write(1, offsets);
                        }),
                dispatch(
                        "origins-past-the-end-not-cleared",
                        "Origins past the last offset are 0, not -1.",
                        "DISPATCH-004",
                        d -> {
                            int[] origins = d.run().result(2).integers();
                            for (int row = d.used(); row < origins.length; row++) {
                                origins[row] = 0;
                            }
                            d.run().write(2, origins);
                        }),
                dispatch("rows-of-the-next-token", "The last row is a copy of the next token's.", "DISPATCH-001", d -> {
                    HostTensor x = d.run().operand(0);
                    HostTensor rows = d.run().result(0);
                    int width = rows.shape()[1];
                    long[] bits = rows.bits();
                    int last = d.used() - 1;
                    if (last >= 0) {
                        int token = d.run().result(2).integers()[last] / d.k();
                        int next = (token + 1) % x.shape()[0];
                        System.arraycopy(x.bits(), next * width, bits, last * width, width);
                    }
                    d.run().writeBits(0, bits);
                }),
                dispatchIds(
                        "duplicates-dropped",
                        "The same expert twice in one token makes one row.",
                        "DISPATCH-003",
                        (ids, k, _) -> {
                            for (int index = 0; index < ids.length; index++) {
                                for (int before = index / k * k; before < index; before++) {
                                    ids[index] = ids[before] == ids[index] ? -1 : ids[index];
                                }
                            }
                        }),
                dispatchIds(
                        "sentinel-taken-for-the-first-expert",
                        "The id -1 goes to the first local expert.",
                        "DISPATCH-003",
                        (ids, _, op) -> {
                            for (int index = 0; index < ids.length; index++) {
                                ids[index] = ids[index] == -1 ? op.firstExpert() : ids[index];
                            }
                        }),
                dispatchIds(
                        "other-ranks-experts-wrapped",
                        "Ids of another rank are taken modulo the local experts.",
                        "DISPATCH-003",
                        (ids, _, op) -> {
                            for (int index = 0; index < ids.length; index++) {
                                ids[index] = ids[index] < 0
                                        ? ids[index]
                                        : op.firstExpert()
                                                + Math.floorMod(ids[index] - op.firstExpert(), op.localExperts());
                            }
                        }),
                dispatchIds(
                        "expert-overfull-at-eight",
                        "An expert has room for eight rows: those beyond are dropped.",
                        "DISPATCH-002",
                        (ids, _, op) -> {
                            int[] room = new int[op.localExperts()];
                            for (int index = 0; index < ids.length; index++) {
                                int local = ids[index] - op.firstExpert();
                                if (local >= 0 && local < room.length && room[local]++ >= 8) {
                                    ids[index] = -1;
                                }
                            }
                        }),
                dispatchIds(
                        "last-expert-has-no-rows",
                        "The last local expert is taken for another rank's.",
                        "DISPATCH-003",
                        (ids, _, op) -> {
                            for (int index = 0; index < ids.length; index++) {
                                ids[index] = ids[index] == op.firstExpert() + op.localExperts() - 1 ? -1 : ids[index];
                            }
                        }));
    }

    /** What one row adds to its token. */
    @FunctionalInterface
    private interface Share {
        double of(double weight, double row, double before);
    }

    /** Combines again, slot by slot. */
    private static Fault combine(String name, String description, String rule, Share share) {
        return combine(name, description, rule, share, (weights, _) -> weights);
    }

    /** Changes weights [T, k]. */
    @FunctionalInterface
    private interface WeightChange {
        double[] of(double[] weights, int k);
    }

    private static Fault combine(String name, String description, String rule, Share share, WeightChange change) {
        return new OperatorFault<>("combine/" + name, description, rule, Op.Combine.class, run -> {
            HostTensor rows = run.operand(0);
            int[] origins = run.integers(1);
            int k = run.operand(2).shape()[1];
            double[] weights = change.of(run.numbers(2), k);
            double[] values = rows.doubles();
            int width = rows.shape()[1];
            int[] rowOf = new int[weights.length];
            Arrays.fill(rowOf, -1);
            for (int row = 0; row < origins.length; row++) {
                if (origins[row] >= 0) {
                    rowOf[origins[row]] = row;
                }
            }
            double[] y = new double[weights.length / k * width];
            for (int slot = 0; slot < rowOf.length; slot++) {
                for (int column = 0; column < width && rowOf[slot] >= 0; column++) {
                    int at = slot / k * width + column;
                    y[at] = share.of(weights[slot], values[rowOf[slot] * width + column], y[at]);
                }
            }
            run.write(0, y);
        });
    }

    private static double[] reversed(double[] weights, int k) {
        double[] changed = new double[weights.length];
        for (int slot = 0; slot < weights.length; slot++) {
            changed[slot] = weights[slot / k * k + k - 1 - slot % k];
        }
        return changed;
    }

    static List<Fault> combines() {
        return List.of(
                combine(
                        "weights-ignored",
                        "Rows are added without their weights.",
                        "COMBINE-003",
                        (_, row, before) -> before + row),
                combine(
                        "weights-applied-twice",
                        "Each weight is applied to the row and again to the sum.",
                        "COMBINE-003",
                        (weight, row, before) -> before + weight * weight * row),
                combine(
                        "weights-in-bfloat16",
                        "Weights are rounded to bfloat16.",
                        "COMBINE-001",
                        (weight, row, before) -> before + FloatFormat.BF16.round(weight) * row),
                combine(
                        "sum-in-bfloat16",
                        "The sum is kept in bfloat16.",
                        "COMBINE-001",
                        (weight, row, before) -> FloatFormat.BF16.round(before + weight * row)),
                combine(
                        "sum-in-float16",
                        "The sum is kept in float16.",
                        "COMBINE-001",
                        (weight, row, before) -> FloatFormat.F16.round(before + weight * row)),
                combine(
                        "weights-reversed",
                        "The weights of a token are taken in reverse order.",
                        "COMBINE-001",
                        (weight, row, before) -> before + weight * row,
                        RowFaults::reversed),
                combine(
                        "weights-of-the-next-token",
                        "Each token uses the next one's weights.",
                        "COMBINE-001",
                        (weight, row, before) -> before + weight * row,
                        (weights, k) -> {
                            double[] changed = new double[weights.length];
                            for (int slot = 0; slot < weights.length; slot++) {
                                changed[slot] = weights[(slot + k) % weights.length];
                            }
                            return changed;
                        }),
                combine(
                        "last-row-wins",
                        "Rows of one token overwrite each other.",
                        "COMBINE-001",
                        (weight, row, _) -> weight * row),
                new OperatorFault<>(
                        "combine/missing-slot-poisons",
                        "A slot without a row adds its weight times zero.",
                        "COMBINE-002",
                        Op.Combine.class,
                        run -> {
                            double[] weights = run.numbers(2);
                            int k = run.operand(2).shape()[1];
                            HostTensor result = run.result(0);
                            double[] y = result.doubles();
                            int width = result.shape()[1];
                            for (int slot = 0; slot < weights.length; slot++) {
                                for (int column = 0; column < width; column++) {
                                    y[slot / k * width + column] += 0 * weights[slot];
                                }
                            }
                            run.write(0, y);
                        }),
                new OperatorFault<>(
                        "combine/token-without-rows-left-out",
                        "A token without rows keeps what memory held.",
                        "COMBINE-002",
                        Op.Combine.class,
                        run -> {
                            int[] origins = run.integers(1);
                            int k = run.operand(2).shape()[1];
                            HostTensor result = run.result(0);
                            double[] y = result.doubles();
                            boolean[] has = new boolean[result.shape()[0]];
                            for (int origin : origins) {
                                if (origin >= 0) {
                                    has[origin / k] = true;
                                }
                            }
                            for (int index = 0; index < y.length; index++) {
                                // 12.1: what a poisoned F32 buffer holds; any number but zero would do.
                                y[index] = has[index / result.shape()[1]] ? y[index] : 12.1;
                            }
                            run.write(0, y);
                        }),
                new OperatorFault<>(
                        "combine/columns-beyond-eight-from-the-first-row",
                        "Columns after the first vector are the first row's.",
                        "COMBINE-001",
                        Op.Combine.class,
                        run -> {
                            HostTensor result = run.result(0);
                            double[] y = result.doubles();
                            int width = result.shape()[1];
                            for (int index = width; index < y.length; index++) {
                                y[index] = index % width < 8 ? y[index] : y[index % width];
                            }
                            run.write(0, y);
                        }));
    }
}
