package dev.heng.runtime.template;

import org.jspecify.annotations.Nullable;

/** Finds the elements of a slice, as Python does: bounds may be negative, missing or far outside. */
final class Slices {

    private Slices() {}

    static int[] indices(int size, @Nullable Long from, @Nullable Long to, @Nullable Long step, int position) {
        long stride = step == null ? 1 : step;
        if (stride == 0) {
            throw new TemplateException(position, "a slice cannot step by zero");
        }
        long lowest = stride > 0 ? 0 : -1;
        long highest = stride > 0 ? size : size - 1L;
        long start = from == null ? (stride > 0 ? lowest : highest) : clamp(from, size, lowest, highest);
        long end = to == null ? (stride > 0 ? highest : lowest) : clamp(to, size, lowest, highest);
        long distance = stride > 0 ? end - start : start - end;
        // The stride may be as far out as Long.MIN_VALUE, whose absolute value does not exist.
        long pace = stride == Long.MIN_VALUE ? Long.MAX_VALUE : Math.abs(stride);
        int[] indices = new int[distance <= 0 ? 0 : Math.toIntExact((distance - 1) / pace + 1)];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = Math.toIntExact(start + i * stride);
        }
        return indices;
    }

    private static long clamp(long bound, int size, long lowest, long highest) {
        long absolute = bound < 0 ? bound + size : bound;
        return Math.clamp(absolute, lowest, highest);
    }
}
