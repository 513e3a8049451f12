package dev.heng.backend.cpu;

/** Where a value lies. */
sealed interface Place {

    /**
     * At a fixed address.
     *
     * @param address of the first element
     */
    record Memory(long address) implements Place {}

    /**
     * In the program's scratch memory.
     *
     * @param offsetBytes from its start
     */
    record Scratch(long offsetBytes) implements Place {}

    /**
     * In a buffer that each run binds.
     *
     * @param name of the input, state or output
     * @param offsetBytes from the buffer's start
     */
    record Bound(String name, long offsetBytes) implements Place {}

    /** Returns the place so many bytes further. */
    default Place plus(long bytes) {
        return switch (this) {
            case Memory memory -> new Memory(memory.address() + bytes);
            case Scratch scratch -> new Scratch(scratch.offsetBytes() + bytes);
            case Bound bound -> new Bound(bound.name(), bound.offsetBytes() + bytes);
        };
    }
}
