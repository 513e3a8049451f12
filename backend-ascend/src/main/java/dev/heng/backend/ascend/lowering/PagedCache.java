package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.Arrays;

/**
 * Where the rows of a run lie in a paged key-value cache: worked out on the host, which knows positions and page table, and sent along.
 *
 * @param positions of the rows, negative for padding
 * @param sequences of the rows: rows of the page table
 * @param pageTable row-major [sequences, perSequence]
 * @param perSequence entries in one row of the page table
 * @param pages of the cache
 * @param pageSize slots of a page
 * @param device how messages call the device
 */
record PagedCache(
        Value positions, Value sequences, Value pageTable, int perSequence, long pages, long pageSize, String device) {

    /** Returns the layout that a node's operands give, of which positions, sequences and page table begin at {@code first}. */
    static PagedCache of(Run run, Node node, int cache, int first) {
        TensorView view = run.in(node, cache);
        return new PagedCache(
                node.operand(first),
                node.operand(first + 1),
                node.operand(first + 2),
                (int) run.in(node, first + 2).dim(1),
                view.dim(0),
                view.dim(1),
                run.device());
    }

    /** Whether the host knows everything of it before a run. */
    static boolean isKnown(Node node, int first) {
        return node.operand(first).role() == Value.Role.INPUT
                && node.operand(first + 1).role() == Value.Role.INPUT
                && node.operand(first + 2).role() == Value.Role.INPUT;
    }

    /** The integers of one run. */
    final class Rows {
        private final int[] position;
        private final int[] sequence;
        private final int[] table;

        private final String node;

        private Rows(HostInputs inputs, String node) {
            this.node = node;
            position = inputs.integers(positions);
            sequence = inputs.integers(sequences);
            table = inputs.integers(pageTable);
        }

        int position(int row) {
            return position[row];
        }

        /** Returns the page of an entry of a row's sequence, without a look at it: entries that no position needs may hold anything. */
        int entry(int row, int entry) {
            return table[sequence[row] * perSequence + entry];
        }

        /** Returns the slot of a position of a row's sequence, checked (KV-004). */
        int slot(int row, int at) {
            long entry = at / pageSize;
            int rowsOfTable = perSequence == 0 ? 0 : table.length / perSequence;
            if (sequence[row] < 0 || sequence[row] >= rowsOfTable || entry >= perSequence) {
                throw bad(
                        node,
                        "position " + at + " of sequence " + sequence[row] + " is not in the page table of "
                                + rowsOfTable + " sequences with " + perSequence + " pages each");
            }
            int page = entry(row, (int) entry);
            if (page < 0 || page >= pages) {
                throw bad(
                        node,
                        "sequence " + sequence[row] + " has page " + page + " at position " + at
                                + ", and the cache has " + pages);
            }
            return (int) (page * pageSize + at % pageSize);
        }
    }

    /** Returns the integers of a run as a node looks at them. */
    Rows rows(HostInputs inputs, Node node) {
        return new Rows(inputs, node.name());
    }

    /** Returns the rows whose position is not negative. */
    static int[] present(int[] positions) {
        int[] rows = new int[positions.length];
        int count = 0;
        for (int row = 0; row < positions.length; row++) {
            if (positions[row] >= 0) {
                rows[count++] = row;
            }
        }
        return Arrays.copyOf(rows, count);
    }

    private BackendException bad(String node, String what) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA,
                device + ": node " + node + ": " + what,
                "correct the data that the run was given");
    }
}
