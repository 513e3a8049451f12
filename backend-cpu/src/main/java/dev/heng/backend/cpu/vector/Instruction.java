package dev.heng.backend.cpu.vector;

import dev.heng.kernels.cpu.CpuKernelException;

/**
 * One instruction where it lies. Sizes, types and weights never change and are read once; pointers may be moved between runs and are read when used.
 */
final class Instruction {

    private final int index;
    private final Opcode opcode;
    private final long address;

    Instruction(int index, long address) {
        this.index = index;
        this.address = address;
        int constant = Memory.i32(address + Layouts.OPCODE);
        Opcode[] all = Opcode.values();
        if (constant < 0 || constant >= all.length) {
            throw new CpuKernelException(
                    CpuKernelException.Kind.INVALID,
                    "VectorProgram",
                    "instruction " + index + ": no operation has opcode " + constant);
        }
        this.opcode = all[constant];
    }

    int index() {
        return index;
    }

    Opcode opcode() {
        return opcode;
    }

    /** Returns the rows of a run of these sizes. */
    int rows(long[] sizes) {
        return count(address + Layouts.ROWS, sizes);
    }

    private int count(long at, long[] sizes) {
        long factor = Memory.i64(at);
        long symbol = Memory.i64(at + 8);
        if (factor < 0 || symbol >= sizes.length) {
            throw wrong("rows are " + factor + " times symbol " + symbol + " of " + sizes.length);
        }
        return Math.toIntExact(symbol < 0 ? factor : factor * sizes[(int) symbol]);
    }

    /** Returns a count of two words. */
    int count(String field, long[] sizes) {
        return count(at(field), sizes);
    }

    long word(String field) {
        return Memory.i64(at(field));
    }

    int integer(String field) {
        long value = word(field);
        if (value != (int) value) {
            throw wrong(field + " is " + value);
        }
        return (int) value;
    }

    /** Returns a size that must be positive. */
    int size(String field) {
        int value = integer(field);
        if (value < 1) {
            throw wrong(field + " is not positive");
        }
        return value;
    }

    boolean flag(String field) {
        return word(field) != 0;
    }

    double real(String field) {
        return Double.longBitsToDouble(word(field));
    }

    /** Returns a type of activations. */
    Element type(String field) {
        Element type = Element.of(word(field));
        return switch (type) {
            case F32, BF16, F16 -> type;
            case E4M3, E8M0, I8, I4 -> throw wrong(field + " is not F32, BF16 or F16");
        };
    }

    Pointer pointer(String field) {
        Pointer pointer = optional(field);
        if (pointer.get() == 0) {
            throw wrong(field + " is null");
        }
        return pointer;
    }

    /** Returns a pointer that may be null. */
    Pointer optional(String field) {
        return new Pointer(at(field), 0);
    }

    Weight weight(String field) {
        return weights(field, 1)[0];
    }

    Weight[] weights(String field, int count) {
        long at = pointer(field).get();
        Weight[] all = new Weight[count];
        for (int i = 0; i < count; i++) {
            all[i] = Weight.at(at + i * Layouts.WEIGHT_BYTES);
        }
        return all;
    }

    private long at(String field) {
        int place = opcode.fields().indexOf(field);
        if (place < 0) {
            throw new IllegalArgumentException(opcode + " has no field " + field);
        }
        return address + Layouts.FIELDS + 8L * place;
    }

    /** Returns the exception for an instruction that makes no sense. */
    CpuKernelException wrong(String text) {
        return new CpuKernelException(
                CpuKernelException.Kind.INVALID,
                "VectorProgram",
                "instruction " + index + " (" + opcode + "): " + text);
    }

    /**
     * A pointer where it is stored, or one that is stored nowhere and never moves.
     *
     * @param field the address of the field, or 0
     * @param fixed what it points to if there is no field
     */
    record Pointer(long field, long fixed) {

        static Pointer to(long address) {
            return new Pointer(0, address);
        }

        long get() {
            return field == 0 ? fixed : Memory.i64(field);
        }

        boolean isNull() {
            return get() == 0;
        }
    }
}
