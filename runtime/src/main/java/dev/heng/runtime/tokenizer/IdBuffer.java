package dev.heng.runtime.tokenizer;

import java.util.Arrays;

/** Gathers token ids without boxing them. Not thread-safe. */
final class IdBuffer {

    private int[] ids = new int[64];
    private int size;

    IdBuffer add(int[] more) {
        int needed = Math.addExact(size, more.length);
        if (needed > ids.length) {
            ids = Arrays.copyOf(ids, Math.max(needed, (int) Math.min((long) ids.length * 2, Integer.MAX_VALUE - 8)));
        }
        System.arraycopy(more, 0, ids, size, more.length);
        size = needed;
        return this;
    }

    int[] toArray() {
        return Arrays.copyOf(ids, size);
    }
}
