package dev.heng.runtime.bench;

/** One thing that is measured in each round. */
public sealed interface Measurement {

    /**
     * Reading a prompt into an empty sequence, to the token sampled after it.
     *
     * @param tokens its length
     */
    record Prefill(int tokens) implements Measurement {
        @Override
        public String toString() {
            return "prefill of " + tokens + " tokens";
        }
    }

    /**
     * Generating one token after another for several sequences together.
     *
     * @param batch sequences
     * @param context positions that each holds before
     * @param tokens tokens generated for each
     */
    record Decode(int batch, int context, int tokens) implements Measurement {
        @Override
        public String toString() {
            return "decode of " + tokens + " tokens, batch " + batch + ", context " + context;
        }
    }
}
