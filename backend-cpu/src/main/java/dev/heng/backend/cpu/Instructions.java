package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Instructions as they are written, with what each reads and writes.
 *
 * <p>From reads and writes follows which neighbours may overlap: an instruction overlaps with its successor if the successor touches nothing
 * that any instruction since the last meeting of the threads writes, and writes nothing that they read.
 */
final class Instructions {

    /** Whose memory a region is. */
    private enum Owner {
        SCRATCH,
        INPUT,
        OUTPUT,
        STATE
    }

    /** Memory that an instruction touches: an interval of the scratch memory, or the name of what a run binds. */
    private record Region(Owner owner, String name, long begin, long end) {
        static Region scratch(long begin, long bytes) {
            return new Region(Owner.SCRATCH, "", begin, begin + bytes);
        }

        static Region bound(Owner owner, String name) {
            return new Region(owner, name, 0, Long.MAX_VALUE);
        }

        /**
         * Whether the two may be the same memory. An output's buffer may be an input's too (RUN-004), which nobody knows before the run, so
         * that an output meets everything that is bound but other outputs.
         */
        boolean meets(Region other) {
            if (owner == Owner.SCRATCH || other.owner == Owner.SCRATCH) {
                return owner == other.owner && begin < other.end && other.begin < end;
            }
            return name.equals(other.name) || (owner == Owner.OUTPUT) != (other.owner == Owner.OUTPUT);
        }
    }

    /** A pointer that every run sets: where it is stored, and how far into the bound buffer it points. */
    record Patch(long address, long offsetBytes) {}

    private static final class Written {
        final String opcode;
        final Map<String, Long> fields = new LinkedHashMap<>();
        final Map<String, String> patches = new LinkedHashMap<>();
        final Set<String> relative = new HashSet<>();
        final List<Region> reads = new ArrayList<>();
        final List<Region> writes = new ArrayList<>();
        final Dim rows;

        Written(String opcode, Dim rows) {
            this.opcode = opcode;
            this.rows = rows;
        }
    }

    private final CpuLayout layout;
    private final Map<String, Integer> symbols;
    private final List<Written> written = new ArrayList<>();

    Instructions(CpuLayout layout, Map<String, Integer> symbols) {
        this.layout = layout;
        this.symbols = symbols;
    }

    /** Starts the next instruction. Its fields are named without the operation. */
    Instructions next(String opcode, Dim rows) {
        written.add(new Written(opcode, rows));
        return this;
    }

    Instructions set(String field, long value) {
        last().fields.put(field, value);
        return this;
    }

    Instructions set(String field, double value) {
        last().fields.put(field, Double.doubleToRawLongBits(value));
        return this;
    }

    Instructions set(String field, boolean value) {
        return set(field, value ? 1L : 0L);
    }

    Instructions set(String field, DType type) {
        return set(field, (long) typeOf(type));
    }

    /** Sets the two words of a count field. */
    Instructions set(String field, Dim dim) {
        last().fields.put(field, dim.factor());
        last().fields.put(field + "+8", (long) symbolOf(dim));
        return this;
    }

    /** Sets a pointer to where a value lies, and notes that it is read. */
    Instructions reads(String field, Place place, long bytes) {
        return touch(field, place, bytes, last().reads, Owner.INPUT);
    }

    /** Sets a pointer to where a value lies, and notes that it is written. */
    Instructions writes(String field, Place place, long bytes) {
        return touch(field, place, bytes, last().writes, Owner.OUTPUT);
    }

    /** Notes that a state is read, which is reached through a structure and not a pointer of the instruction. */
    Instructions readsState(String name) {
        last().reads.add(Region.bound(Owner.STATE, name));
        return this;
    }

    /** Notes that a state is written. */
    Instructions writesState(String name) {
        last().writes.add(Region.bound(Owner.STATE, name));
        return this;
    }

    int count() {
        return written.size();
    }

    /** Returns the operation of instruction {@code index}. */
    String opcode(int index) {
        return written.get(index).opcode;
    }

    private Instructions touch(String field, Place place, long bytes, List<Region> regions, Owner owner) {
        switch (place) {
            // Constants: nothing writes them.
            case Place.Memory memory -> set(field, memory.address());
            case Place.Scratch scratch -> {
                set(field, scratch.offsetBytes());
                last().relative.add(field);
                regions.add(Region.scratch(scratch.offsetBytes(), bytes));
            }
            case Place.Bound bound -> {
                set(field, bound.offsetBytes());
                last().patches.put(field, bound.name());
                regions.add(Region.bound(owner, bound.name()));
            }
        }
        return this;
    }

    private Written last() {
        return written.getLast();
    }

    int typeOf(DType type) {
        return switch (type) {
            case F32 -> layout.constant("F32");
            case BF16 -> layout.constant("BF16");
            case F16 -> layout.constant("F16");
            case F8_E4M3 -> layout.constant("E4M3");
            case F8_E8M0 -> layout.constant("E8M0");
            case I8 -> layout.constant("I8");
            case I4 -> layout.constant("I4");
            // Integers are moved as 32-bit patterns, never computed with.
            case I32 -> layout.constant("F32");
            case F64, I64 -> throw new IllegalArgumentException("the kernels have no type " + type);
        };
    }

    private int symbolOf(Dim dim) {
        if (dim.symbol() == null) {
            return -1;
        }
        Integer index = symbols.get(dim.symbol());
        if (index == null) {
            throw new IllegalArgumentException("symbol '" + dim.symbol() + "' has no index");
        }
        return index;
    }

    /**
     * Writes all instructions as the kernels want them, and collects the pointers that runs set, by the name of what is bound.
     *
     * @param scratch the address of the scratch memory
     */
    MemorySegment encode(Arena arena, long scratch, Map<String, List<Patch>> patches) {
        long size = layout.size("instruction");
        MemorySegment memory = arena.allocate(Math.max(1, written.size()) * size, 64);
        List<Written> sinceMeeting = new ArrayList<>();
        for (int index = 0; index < written.size(); index++) {
            Written instruction = written.get(index);
            MemorySegment at = memory.asSlice(index * size, size);
            sinceMeeting.add(instruction);
            boolean overlaps = index + 1 < written.size() && independent(sinceMeeting, written.get(index + 1));
            if (!overlaps) {
                sinceMeeting.clear();
            }
            at.set(ValueLayout.JAVA_INT, layout.offset("instruction.opcode"), layout.constant(instruction.opcode));
            at.set(ValueLayout.JAVA_INT, layout.offset("instruction.flags"), overlaps ? layout.constant("OVERLAP") : 0);
            at.set(ValueLayout.JAVA_LONG, layout.offset("instruction.rows"), instruction.rows.factor());
            at.set(ValueLayout.JAVA_LONG, layout.offset("instruction.rows") + 8, symbolOf(instruction.rows));
            String prefix = instruction.opcode.toLowerCase(Locale.ROOT) + ".";
            instruction.fields.forEach((field, value) -> {
                boolean second = field.endsWith("+8");
                String name = second ? field.substring(0, field.length() - 2) : field;
                long base = instruction.relative.contains(field) ? scratch : 0;
                at.set(ValueLayout.JAVA_LONG, layout.offset(prefix + name) + (second ? 8 : 0), base + value);
            });
            instruction.patches.forEach((field, name) -> patches.computeIfAbsent(name, _ -> new ArrayList<>())
                    .add(new Patch(
                            at.address() + layout.offset(prefix + field), instruction.fields.getOrDefault(field, 0L))));
        }
        return memory;
    }

    private static boolean independent(List<Written> running, Written next) {
        for (Written earlier : running) {
            if (meet(earlier.writes, next.reads)
                    || meet(earlier.writes, next.writes)
                    || meet(earlier.reads, next.writes)) {
                return false;
            }
        }
        return true;
    }

    private static boolean meet(List<Region> left, List<Region> right) {
        for (Region a : left) {
            for (Region b : right) {
                if (a.meets(b)) {
                    return true;
                }
            }
        }
        return false;
    }
}
