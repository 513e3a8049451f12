package dev.heng.backend.cpu.vector;

/** The order in which {@link Dot} wants activations, so that vectors of packed weights meet vectors of adjacent activations. */
final class Prepared {

    private Prepared() {}

    /**
     * Returns the columns that one stored word holds, by which activations are dealt out: block b of {@code LANES * n} columns becomes, for p below n,
     * all columns whose place in their word is p. 1 if they stay in their own order.
     */
    static int columnsPerWord(Weight w) {
        return switch (w.type()) {
            case BF16 -> 2;
            case I4 -> w.wordsAreWhole() ? 8 : 1;
            case F32, F16, E4M3, E8M0, I8 -> 1;
        };
    }

    /** Deals out one row; columns behind the last whole block keep their order. */
    static void order(Weight w, float[] x, int from, float[] target, int to) {
        int columns = w.columns();
        int places = columnsPerWord(w);
        int block = places * Simd.LANES;
        int whole = columns / block * block;
        for (int b = 0; b < whole; b += block) {
            for (int p = 0; p < places; p++) {
                int out = to + b + p * Simd.LANES;
                int in = from + b + p;
                for (int lane = 0; lane < Simd.LANES; lane++) {
                    target[out + lane] = x[in + lane * places];
                }
            }
        }
        System.arraycopy(x, from + whole, target, to + whole, columns - whole);
    }
}
