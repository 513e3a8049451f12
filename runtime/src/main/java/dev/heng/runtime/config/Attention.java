package dev.heng.runtime.config;

import org.jspecify.annotations.Nullable;

/** The attention of every layer of a model. Sizes are in elements. */
public sealed interface Attention {

    /** Returns the number of query heads. */
    int heads();

    /**
     * Multi-head latent attention. Source: DeepSeek-V2 paper, section 2.1; names in brackets are those of config.json.
     *
     * <p>A query head is [nope, rope]; kv_a_proj_with_mqa gives [latent, rope]; a head of kv_b_proj gives [key without position, value].
     *
     * @param heads query heads [num_attention_heads]; num_key_value_heads says nothing here
     * @param queryLoraRank width of the compressed query [q_lora_rank], or null where q_proj is one matrix
     * @param keyValueLoraRank width of the latent [kv_lora_rank]
     * @param nopeDim part of a head without position [qk_nope_head_dim]
     * @param ropeDim rotated part of a head [qk_rope_head_dim]
     * @param valueDim a head's value [v_head_dim]
     * @param bias whether q_a_proj, kv_a_proj_with_mqa and o_proj have biases [attention_bias]; q_proj, q_b_proj and kv_b_proj never have
     */
    record Latent(
            int heads,
            @Nullable Integer queryLoraRank,
            int keyValueLoraRank,
            int nopeDim,
            int ropeDim,
            int valueDim,
            boolean bias)
            implements Attention {

        /** Epsilon of the norms of compressed query and latent, which are built without the config's own. */
        public static final double LATENT_NORM_EPSILON = 1e-6;

        public Latent {
            if (ropeDim % 2 != 0) {
                throw new IllegalArgumentException(
                        "qk_rope_head_dim " + ropeDim + " is odd, and dimensions rotate in pairs");
            }
            Limits.product(
                    "num_attention_heads x (qk_nope_head_dim + qk_rope_head_dim)", heads, (long) nopeDim + ropeDim);
            Limits.product("num_attention_heads x (qk_nope_head_dim + v_head_dim)", heads, (long) nopeDim + valueDim);
        }

        /** Returns the width of a query head, nope and rope. */
        public int headDim() {
            return nopeDim + ropeDim;
        }
    }

    /**
     * Grouped-query attention; with as many key heads as query heads, multi-head attention.
     *
     * @param heads query heads [num_attention_heads]
     * @param keyValueHeads key and value heads [num_key_value_heads]
     * @param headDim width of a head [head_dim]
     * @param rotaryDim rotated dimensions at the start of a head [head_dim x partial_rotary_factor]
     * @param queryKeyValueBias whether q_proj, k_proj and v_proj have biases
     * @param outputBias whether o_proj has one
     * @param queryKeyNorm whether each head of query and key passes an RMS norm of its own before rotation
     */
    record GroupedQuery(
            int heads,
            int keyValueHeads,
            int headDim,
            int rotaryDim,
            boolean queryKeyValueBias,
            boolean outputBias,
            boolean queryKeyNorm)
            implements Attention {

        public GroupedQuery {
            if (heads % keyValueHeads != 0) {
                throw new IllegalArgumentException(
                        "num_attention_heads " + heads + " is not a multiple of num_key_value_heads " + keyValueHeads);
            }
            if (rotaryDim <= 0 || rotaryDim > headDim || rotaryDim % 2 != 0) {
                throw new IllegalArgumentException("head_dim x partial_rotary_factor is " + rotaryDim + " of " + headDim
                        + " dimensions, not an even number of them");
            }
            Limits.product("num_attention_heads x head_dim", heads, headDim);
        }
    }
}
