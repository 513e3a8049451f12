package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;

/** Sorting rows by the experts that were chosen: a few thousand integers, done by one thread. */
final class GroupOperations {

    private GroupOperations() {}

    static final class Group extends Operation {
        private final Pointer ids;
        private final int topK;
        private final int firstExpert;
        private final int experts;
        private final Pointer offsets;
        private final Pointer origins;
        private final Pointer places;

        Group(Instruction in) {
            super(in);
            ids = in.pointer("ids");
            topK = in.size("top_k");
            firstExpert = in.integer("first_expert");
            experts = in.size("experts");
            offsets = in.pointer("offsets");
            origins = in.pointer("origins");
            places = in.pointer("places");
        }

        @Override
        boolean worksWithoutRows() {
            return true;
        }

        @Override
        int tasks(Context context, int phase) {
            return 1;
        }

        @Override
        void task(Context context, int phase, int task) {
            int slots = Math.multiplyExact(context.rows(), topK);
            int[] next = context.integers(experts + 1);
            java.util.Arrays.fill(next, 0, experts + 1, 0);
            for (int slot = 0; slot < slots; slot++) {
                int expert = expert(slot);
                if (expert >= 0) {
                    next[expert + 1]++;
                }
            }
            for (int expert = 0; expert < experts; expert++) {
                next[expert + 1] += next[expert];
            }
            for (int expert = 0; expert <= experts; expert++) {
                Memory.putI32(offsets.get() + 4L * expert, next[expert]);
            }
            int placed = next[experts];
            for (int slot = 0; slot < slots; slot++) {
                int expert = expert(slot);
                int place = expert < 0 ? -1 : next[expert]++;
                Memory.putI32(places.get() + 4L * slot, place);
                if (place >= 0) {
                    Memory.putI32(origins.get() + 4L * place, slot);
                }
            }
            for (int row = placed; row < slots; row++) {
                Memory.putI32(origins.get() + 4L * row, -1);
            }
        }

        /** Returns the expert of a slot, counted from the first that is here, or -1 if it is elsewhere. */
        private int expert(int slot) {
            long expert = (long) Memory.i32(ids.get() + 4L * slot) - firstExpert;
            return expert >= 0 && expert < experts ? (int) expert : -1;
        }
    }

    static final class Invert extends Operation {
        private final Pointer origins;
        private final Pointer places;

        Invert(Instruction in) {
            super(in);
            origins = in.pointer("origins");
            places = in.pointer("places");
        }

        @Override
        int tasks(Context context, int phase) {
            return 1;
        }

        @Override
        void task(Context context, int phase, int task) {
            int rows = context.rows();
            for (int slot = 0; slot < rows; slot++) {
                Memory.putI32(places.get() + 4L * slot, -1);
            }
            for (int row = 0; row < rows; row++) {
                int slot = Memory.i32(origins.get() + 4L * row);
                if (slot == -1) {
                    continue;
                }
                if (slot < 0 || slot >= rows || Memory.i32(places.get() + 4L * slot) >= 0) {
                    context.fail("origin " + slot + " is out of range or stands twice among " + rows + " rows");
                    return;
                }
                Memory.putI32(places.get() + 4L * slot, row);
            }
        }
    }
}
