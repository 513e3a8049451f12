package dev.heng.runtime.family;

/** The names of a model graph's inputs and outputs, which are the same for every family. */
public final class Names {

    /** Input I32 [tokens]: the token ids of the run's rows. */
    public static final String TOKENS = "tokens";
    /** Input I32 [tokens]: each row's position in its sequence; negative for padding. */
    public static final String POSITIONS = "positions";
    /** Input I32 [tokens]: each row's sequence, a row of the page table. */
    public static final String SEQUENCES = "sequences";
    /** Input I32 [sequences, pages_per_sequence]. */
    public static final String PAGE_TABLE = "page_table";
    /** Input I32 [outputs]: the rows whose next token is asked for. */
    public static final String OUTPUT_ROWS = "output_rows";
    /** Input F32 [outputs] of graphs that sample: 0 picks the largest logit. */
    public static final String TEMPERATURE = "temperature";
    /** Input I32 [outputs] of graphs that sample: 0 for no limit. */
    public static final String TOP_K = "top_k";
    /** Input F32 [outputs] of graphs that sample: 1 for no limit. */
    public static final String TOP_P = "top_p";
    /** Input I64 [outputs] of graphs that sample. */
    public static final String SEED = "seed";
    /** Input I32 [outputs] of graphs that sample: the position of the sampled token. */
    public static final String COUNTER = "counter";
    /** Output [outputs, vocabulary]. */
    public static final String LOGITS = "logits";
    /** Output I32 [outputs]. */
    public static final String NEXT_TOKEN = "next_token";

    private static final String HIDDEN_STATES = "hidden_states.";

    private Names() {}

    /** Returns the name of output [tokens, hidden] number {@code index}, 0 being the embedding. */
    public static String hiddenStates(int index) {
        return HIDDEN_STATES + index;
    }

    /** Returns whether {@code output} is one of {@link #hiddenStates}. */
    public static boolean isHiddenStates(String output) {
        return output.startsWith(HIDDEN_STATES);
    }
}
