package dev.heng.runtime.checkpoint;

import dev.heng.runtime.HengException;

/**
 * Which part of a model one rank of a group holds.
 *
 * <p>Tensor parallelism splits heads and the inner width of MLPs: each rank has its rows of the first matrices and its columns of the last, and the sum over ranks of what comes out
 * is the block's result (Shoeybi et al., Megatron-LM, 2019, section 3). Expert parallelism gives each rank its experts, all of each; rows of other ranks' experts make no rows
 * here, and the sum over ranks is the layer's result (DeepSeek-V3 inference/model.py, MoE). Embedding, norms, latent projections, routers and the head are every rank's.
 *
 * @param rank this rank, from 0
 * @param ranks the number of ranks
 * @param tensors whether heads and inner widths are split
 * @param experts whether experts are split by their number
 */
public record Share(int rank, int ranks, boolean tensors, boolean experts) {

    /** The whole model. */
    public static final Share WHOLE = new Share(0, 1, false, false);

    public Share {
        if (ranks < 1 || rank < 0 || rank >= ranks) {
            throw new IllegalArgumentException("rank " + rank + " of " + ranks);
        }
        if (ranks > 1 && !tensors && !experts) {
            throw new IllegalArgumentException(ranks + " ranks that split nothing");
        }
    }

    /** Returns whether nothing is split. */
    public boolean isWhole() {
        return ranks == 1;
    }

    /**
     * Returns what one rank has of {@code whole}.
     *
     * @param what for the message
     * @throws HengException if the ranks do not divide it
     */
    public int of(int whole, String what) {
        if (whole % ranks != 0) {
            throw new HengException(
                    whole + " " + what + " cannot be shared among " + ranks + " ranks",
                    "use a number of ranks that divides " + whole);
        }
        return whole / ranks;
    }
}
