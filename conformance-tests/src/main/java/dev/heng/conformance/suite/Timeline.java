package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Batch;
import dev.heng.spi.tensor.Dim;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How sequences grow over the steps of a scenario with paged caches: prefill, chunks and decode, rows of padding among them, pages in no
 * order, and table entries that no position needs holding what would be caught if it were followed.
 */
final class Timeline {

    /** An entry of the page table that must never be followed (KV-002). */
    private static final int POISON = 0x7ffffff0;

    private final int[][] lengths;
    private final boolean padded;
    private final int pages;
    private final int entries;
    private final int[] table;

    /**
     * Plans the pages.
     *
     * @param lengths what each sequence has reached after each step: steps x sequences, never shrinking
     * @param padded whether a row of padding stands before each sequence's rows
     */
    Timeline(RandomStream stream, int[][] lengths, boolean padded, int pageSize) {
        this.lengths = lengths;
        this.padded = padded;
        int sequences = lengths[0].length;
        int[] last = lengths[lengths.length - 1];
        this.entries = Math.ceilDiv(Arrays.stream(last).max().orElse(1), pageSize) + 1;
        this.pages = sequences * entries + 2;
        int[] order = stream.permutation(pages);
        this.table = new int[sequences * entries];
        for (int sequence = 0; sequence < sequences; sequence++) {
            for (int entry = 0; entry < entries; entry++) {
                boolean needed = entry * pageSize < last[sequence];
                table[sequence * entries + entry] = needed ? order[sequence * entries + entry] : POISON;
            }
        }
    }

    /**
     * Returns the shape of lengths: sequences, steps, and what no sequence outgrows. A shape with less of them is the plan cut off there, so that
     * it is a plan as well.
     *
     * @param lengths as of the constructor
     */
    static CaseShape shape(int[][] lengths) {
        int longest = Arrays.stream(lengths[lengths.length - 1]).max().orElse(0);
        return CaseShape.FIXED
                .and("sequences", lengths[0].length, 1)
                .and("steps", lengths.length, 1)
                .and("longest", longest, Math.min(1, longest));
    }

    /** Returns lengths cut to a shape that {@link #shape} made of them. */
    static int[][] lengths(int[][] lengths, CaseShape shape) {
        int[][] cut = new int[shape.get("steps")][shape.get("sequences")];
        for (int step = 0; step < cut.length; step++) {
            for (int sequence = 0; sequence < cut[step].length; sequence++) {
                cut[step][sequence] = Math.min(lengths[step][sequence], shape.get("longest"));
            }
        }
        return cut;
    }

    /** Returns the number of steps. */
    int steps() {
        return lengths.length;
    }

    /**
     * One step.
     *
     * @param positions of each row, -1 for padding
     * @param sequences of each row
     * @param ends the row of each sequence's last position in this step, for sequences that grew
     */
    @SuppressWarnings("ArrayRecordComponent") // Handed on, never compared.
    record Rows(int[] positions, int[] sequences, int[] ends, Batch batch) {
        int count() {
            return positions.length;
        }
    }

    /** Returns the rows of a step. */
    Rows rows(int step) {
        List<Integer> positions = new ArrayList<>();
        List<Integer> owners = new ArrayList<>();
        List<Integer> ends = new ArrayList<>();
        List<Batch.Span> spans = new ArrayList<>();
        for (int sequence = 0; sequence < lengths[step].length; sequence++) {
            int before = step == 0 ? 0 : lengths[step - 1][sequence];
            int after = lengths[step][sequence];
            if (padded) {
                positions.add(-1);
                owners.add(-77);
            }
            for (int position = before; position < after; position++) {
                positions.add(position);
                owners.add(sequence);
            }
            if (after > before) {
                ends.add(positions.size() - 1);
                spans.add(new Batch.Span(sequence, after - before, before));
            }
        }
        return new Rows(array(positions), array(owners), array(ends), new Batch(spans));
    }

    /** Returns the sizes of a step's symbols, and of the outputs where {@code outputs} asks for them. */
    Map<String, Long> dims(int step, boolean outputs) {
        Rows rows = rows(step);
        Map<String, Long> dims = new HashMap<>(Map.of(
                Dim.TOKENS,
                (long) rows.count(),
                Dim.SEQUENCES,
                (long) lengths[step].length,
                Dim.PAGES,
                (long) pages,
                Dim.PAGES_PER_SEQUENCE,
                (long) entries));
        if (outputs) {
            dims.put(Dim.OUTPUTS, (long) rows.ends().length);
        }
        return dims;
    }

    /** Returns the inputs positions, sequences and page_table of a step, in a map that may be added to. */
    Map<String, HostTensor> inputs(int step) {
        Rows rows = rows(step);
        return new HashMap<>(Map.of(
                "positions",
                HostTensor.ints(new int[] {rows.count()}, rows.positions()),
                "sequences",
                HostTensor.ints(new int[] {rows.count()}, rows.sequences()),
                "page_table",
                HostTensor.ints(new int[] {lengths[0].length, entries}, table)));
    }

    private static int[] array(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }
}
