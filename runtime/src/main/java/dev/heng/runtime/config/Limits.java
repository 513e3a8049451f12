package dev.heng.runtime.config;

/** The largest sizes that are taken for a model and not for damage; far above any published one. */
final class Limits {

    static final int VOCABULARY = 1 << 24;
    static final int WIDTH = 1 << 20;
    static final int LAYERS = 1 << 12;
    static final int HEADS = 1 << 12;
    static final int HEAD_DIM = 1 << 14;
    static final int EXPERTS = 1 << 14;

    private Limits() {}

    /** Refuses a width that is a product and does not fit into the 2^31 - 1 elements of a row. */
    static void product(String what, long left, long right) {
        if (Math.multiplyHigh(left, right) != 0 || left * right > Integer.MAX_VALUE || left * right <= 0) {
            throw new IllegalArgumentException(what + " is " + left + " x " + right + ", not a possible width");
        }
    }
}
