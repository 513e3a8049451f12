package dev.heng.backend.cpu.vector;

/** A paged cache, as the structure that every run fills in says. */
record Cache(
        long data,
        Element type,
        long rowStride,
        long pageTable,
        int sequences,
        int tableStride,
        int pageSize,
        int pages) {

    static Cache at(long address) {
        return new Cache(
                Memory.i64(address),
                Element.of(Memory.i64(address + 8)),
                Memory.i64(address + 16),
                Memory.i64(address + 24),
                Math.toIntExact(Memory.i64(address + 32)),
                Math.toIntExact(Memory.i64(address + 40)),
                Math.toIntExact(Memory.i64(address + 48)),
                Math.toIntExact(Memory.i64(address + 56)));
    }

    private int page(int sequence, int index) {
        return Memory.i32(pageTable + 4 * ((long) sequence * tableStride + index));
    }

    /** Returns the address of a column of a position. */
    long address(int sequence, int position, int column) {
        long row = (long) page(sequence, position / pageSize) * pageSize + position % pageSize;
        return data + (row * rowStride + column) * type.bytes();
    }

    /** Returns whether positions {@code first} to {@code last} of a sequence lie in pages that exist, and says what is wrong where they do not. */
    boolean holds(Context context, int sequence, int first, int last) {
        if (sequence < 0 || sequence >= sequences) {
            context.fail("sequence " + sequence + " is not one of " + sequences);
            return false;
        }
        if (last / pageSize >= tableStride) {
            context.fail("position " + last + " needs more than " + tableStride + " pages");
            return false;
        }
        for (int index = first / pageSize; index <= last / pageSize; index++) {
            int page = page(sequence, index);
            if (page < 0 || page >= pages) {
                context.fail("page " + page + " is not one of " + pages);
                return false;
            }
        }
        return true;
    }
}
