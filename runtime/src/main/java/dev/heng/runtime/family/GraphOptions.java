package dev.heng.runtime.family;

import dev.heng.runtime.checkpoint.Share;
import dev.heng.spi.tensor.DType;

/**
 * What a model's graph is built for.
 *
 * @param activations the type of every activation, of the caches and of the logits. Router logits are F32, or F64 in a graph of F64, the double truth that only
 *     {@code reference} computes
 * @param pageSize positions in one page of a cache
 * @param logits whether a run leaves {@code logits} [outputs, vocabulary]
 * @param hiddenStates whether a run leaves {@code hidden_states.N} [tokens, hidden]: N = 0 for the embedding, then after each layer, the last one after the final norm
 * @param sampling whether a run leaves {@code next_token} I32 [outputs], sampled on the device
 * @param share which part of the model the graph computes; the sums over all ranks are AllReduce nodes
 */
public record GraphOptions(
        DType activations, int pageSize, boolean logits, boolean hiddenStates, boolean sampling, Share share) {

    /** Positions in one page where nobody says otherwise: what paged attention kernels of all vendors take. */
    public static final int DEFAULT_PAGE_SIZE = 64;

    public GraphOptions {
        if (!activations.isActivation()) {
            throw new IllegalArgumentException(activations + " is not an activation type");
        }
        if (pageSize <= 0) {
            throw new IllegalArgumentException("pages of " + pageSize + " positions");
        }
        if (!logits && !sampling) {
            throw new IllegalArgumentException("a graph that leaves neither logits nor a next token");
        }
    }

    /** Describes the graph of a whole model. */
    public GraphOptions(DType activations, int pageSize, boolean logits, boolean hiddenStates, boolean sampling) {
        this(activations, pageSize, logits, hiddenStates, sampling, Share.WHOLE);
    }

    /** Returns the options of a graph that samples the next token and leaves nothing else. */
    public static GraphOptions generation(DType activations) {
        return new GraphOptions(activations, DEFAULT_PAGE_SIZE, false, false, true);
    }

    /** Returns the options of a graph that leaves logits and all hidden states. */
    public static GraphOptions inspection(DType activations) {
        return new GraphOptions(activations, DEFAULT_PAGE_SIZE, true, true, false);
    }

    /** Returns the same options with pages of {@code positions}. */
    public GraphOptions withPageSize(int positions) {
        return new GraphOptions(activations, positions, logits, hiddenStates, sampling, share);
    }

    /** Returns the same options for one rank's part of the model. */
    public GraphOptions withShare(Share part) {
        return new GraphOptions(activations, pageSize, logits, hiddenStates, sampling, part);
    }
}
