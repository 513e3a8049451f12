package dev.heng.spi.graph;

import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.RopeFrequencies;

/**
 * The operators of a graph: a closed family of records that hold attributes only. Operands belong to the {@link Node}.
 *
 * <p>Each record lists its operands in order with their shapes, then its results. T is the number of tokens of a run, O the rows
 * for which logits are wanted, R the rows of dispatched experts (capacity T times k), E the experts, k the experts per token.
 * The numbers are pinned by docs/ops.md, whose rule ids (EMBED-001, ROUTE-004, ...) are cited here. Unless a rule says otherwise,
 * an operator reads exactly the bits of its operands, computes as if in real arithmetic, and rounds once, to nearest even, to
 * the type of its result; how far a device may stray from that is judged by its {@link dev.heng.spi.NumericsProfile}.
 *
 * <p>Fine-grained operators express the graph; a backend sees the whole graph when it compiles and may fuse any chain.
 *
 * @since 1.0
 */
public sealed interface Op {

    /** Returns the operator's name as graphs, plans and reports print it: the name of its record. */
    default String name() {
        return getClass().getSimpleName();
    }

    /**
     * Gathers rows of an embedding table (EMBED).
     *
     * <p>Operands: table [V, H]; ids I32 [T]. Result: out [T, H]. An id outside 0..V-1 is an error that names it.
     *
     * @param out the activation type of the result
     */
    record Embed(DType out) implements Op {}

    /** Adds elementwise (ADD). Operands: a and b of one activation type and shape. Result: the same type and shape. */
    record Add() implements Op {}

    /**
     * Converts the element type (CAST). Operand: x of an activation type. Result: the same shape in type {@code to}.
     *
     * @param to an activation type
     */
    record Cast(DType to) implements Op {}

    /**
     * Takes adjacent columns (SLICE). Operand: x [T, W]. Result: [T, length], columns from..from+length-1.
     *
     * @param from the first column, in elements
     * @param length the number of columns, in elements
     */
    record Slice(int from, int length) implements Op {}

    /**
     * Takes rows by index (SELECT). Operands: x [T, W]; rows I32 [O], each 0..T-1. Result: [O, W], bit for bit.
     */
    record SelectRows() implements Op {}

    /**
     * Root-mean-square normalisation (NORM).
     *
     * <p>Operands: x [T, G*D]; weight [D], plain. Result: like x. Each run of D elements is a group of its own, so that G = 1 is the
     * ordinary norm of a row, and D = head dimension the per-head norm of queries and keys:
     * {@code y = x / sqrt(mean(x^2) + epsilon) * weight}, rounded once.
     *
     * @param epsilon added to the mean of squares
     */
    record RmsNorm(double epsilon) implements Op {
        public RmsNorm {
            if (!(epsilon >= 0) || !Double.isFinite(epsilon)) {
                throw new IllegalArgumentException("RmsNorm epsilon " + epsilon + " is not a finite number >= 0");
            }
        }
    }

    /**
     * Multiplies with a transposed weight (LINEAR).
     *
     * <p>Operands: x [T, K]; weight [N, K], plain or quantised; optionally bias [N], plain. Result: [T, N],
     * {@code y[t][n] = sum_k x[t][k] * W[n][k] + bias[n]}.
     *
     * @param activation whether and how the device must round x before the product
     * @param out the activation type of the result
     */
    record Linear(ActivationFormat activation, DType out) implements Op {}

    /**
     * Rotates pairs of dimensions by an angle that grows with the position (ROPE).
     *
     * <p>Operands: x [T, heads*headDim]; positions I32 [T], negative for a row of padding, whose result is unspecified. Result: like x. In each head the dimensions
     * offset..offset+2*pairs-1 are rotated, all others are copied bit for bit. Angles are exact at every position
     * up to 2^31 - 1: at least binary64 arithmetic, or an argument reduction as good.
     *
     * @param headDim elements of one head
     * @param offset the first rotated element of a head
     * @param pairing which elements form pair i
     * @param frequencies inverse frequencies, one for each pair, and the factor
     */
    record Rope(int headDim, int offset, Pairing pairing, RopeFrequencies frequencies) implements Op {
        public Rope {
            if (headDim <= 0 || offset < 0 || offset + 2 * frequencies.pairs() > headDim) {
                throw new IllegalArgumentException("Rope of " + 2 * frequencies.pairs() + " dimensions from " + offset
                        + " does not fit a head of " + headDim);
            }
        }
    }

    /** Which two elements of the rotary part form pair i of n. */
    enum Pairing {
        /** Elements 2i and 2i+1 (DeepSeek's MLA); the result stays interleaved. */
        INTERLEAVED,
        /** Elements i and i+n (llama, "neox"). */
        HALF
    }

    /**
     * Writes rows into a paged cache (KV).
     *
     * <p>Operands: cache [pages, pageSize, W], a state; then one or more parts [T, Wi] with sum Wi = W, laid side by side; then
     * positions I32 [T]; sequences I32 [T]; pageTable I32 [sequences, pagesPerSequence]. Result: the cache after the append, which
     * is the same buffer: readers depend on it, so that order is explicit. Row t goes to slot {@code positions[t] % pageSize} of page
     * {@code pageTable[sequences[t]][positions[t] / pageSize]}. A row with a negative position is skipped (padding).
     *
     * @param parts the number of parts
     */
    record KvAppend(int parts) implements Op {
        public KvAppend {
            if (parts < 1) {
                throw new IllegalArgumentException("KvAppend of " + parts + " parts");
            }
        }
    }

    /**
     * Multi-head latent attention over a paged latent cache (MLA). Source: DeepSeek-V2 paper, section 2.1.
     *
     * <p>Operands: q [T, heads*(nopeDim+ropeDim)], each head [nope, rope], rope already rotated; cache [pages, pageSize, L+ropeDim],
     * each row [normalised latent, rotated rope key]; kvB weight [heads*(nopeDim+valueDim), L], each head's rows [key, value];
     * positions I32 [T]; sequences I32 [T]; pageTable I32 [sequences, pagesPerSequence]. Result: [T, heads*valueDim].
     * Token t attends to the slots 0..positions[t] of its own sequence; the softmax is over
     * {@code scale * (q_nope . kvB_key c + q_rope . k_rope)}. Whether kvB is absorbed into q and the result is the backend's choice.
     * A row with a negative position gives zeros. Rows of one sequence are adjacent and in ascending order of position.
     *
     * @param heads query heads
     * @param nopeDim elements of a head's part without position
     * @param ropeDim elements of a head's rotated part
     * @param valueDim elements of a head's value
     * @param scale the softmax scale, with YaRN's mscale squared where the family says so
     * @param out the activation type of the result
     */
    record MlaAttention(int heads, int nopeDim, int ropeDim, int valueDim, double scale, DType out) implements Op {
        public MlaAttention {
            positive("MlaAttention", "heads", heads);
            positive("MlaAttention", "nopeDim", nopeDim);
            positive("MlaAttention", "ropeDim", ropeDim);
            positive("MlaAttention", "valueDim", valueDim);
            finite("MlaAttention", scale);
        }
    }

    /**
     * Grouped-query attention over paged key and value caches (GQA).
     *
     * <p>Operands: q [T, heads*headDim]; keys [pages, pageSize, kvHeads*headDim]; values [pages, pageSize, kvHeads*valueDim];
     * positions, sequences, pageTable as in {@link MlaAttention}. Result: [T, heads*valueDim]. Query head h reads key head
     * {@code h / (heads / kvHeads)}. Masking, padding and the order of rows are those of {@link MlaAttention}.
     *
     * @param heads query heads, a multiple of kvHeads
     * @param kvHeads key and value heads
     * @param headDim elements of a query or key head
     * @param valueDim elements of a value head
     * @param scale the softmax scale
     * @param out the activation type of the result
     */
    record GroupedQueryAttention(int heads, int kvHeads, int headDim, int valueDim, double scale, DType out)
            implements Op {
        public GroupedQueryAttention {
            positive("GroupedQueryAttention", "heads", heads);
            positive("GroupedQueryAttention", "kvHeads", kvHeads);
            positive("GroupedQueryAttention", "headDim", headDim);
            positive("GroupedQueryAttention", "valueDim", valueDim);
            finite("GroupedQueryAttention", scale);
            if (heads % kvHeads != 0) {
                throw new IllegalArgumentException("GroupedQueryAttention: " + heads
                        + " query heads do not divide into " + kvHeads + " key heads");
            }
        }
    }

    /**
     * Chooses experts for each token (ROUTE). Source: DeepSeek-V3 report, section 2.1.2; DeepSeek-V2 report, section 2.2.
     *
     * <p>Operands: logits [T, E] in F32 (F64 in a double graph); optionally bias F32 [E], added for the choice only. Results: ids
     * I32 [T, k] in descending order of the choice score, ties to the lower id; weights [T, k], in the logits' type, from the
     * unbiased scores. A row that holds a NaN gets k distinct valid ids and disturbs no other row (ROUTE-011).
     *
     * @param experts E
     * @param topK k
     * @param score how logits become scores
     * @param groups groups of adjacent experts, 1 for no group limit
     * @param keptGroups groups that experts may be chosen from
     * @param groupScore what ranks a group
     * @param masked what replaces the choice score of experts in groups that were not kept
     * @param normalize whether weights are divided by (their sum + 1e-20)
     * @param scale what weights are multiplied with at the end; a family that does not scale passes 1
     */
    record Route(
            int experts,
            int topK,
            Score score,
            int groups,
            int keptGroups,
            GroupScore groupScore,
            Masked masked,
            boolean normalize,
            double scale)
            implements Op {

        /** How a logit becomes a score. */
        public enum Score {
            /** 1 / (1 + exp(-x)). */
            SIGMOID,
            /** Softmax over all experts, before any masking. */
            SOFTMAX,
            /** sqrt(log(1 + exp(x))). */
            SQRT_SOFTPLUS
        }

        /** What ranks a group of experts. */
        public enum GroupScore {
            /** Sum of the two largest choice scores (V3). */
            TOP_TWO_SUM,
            /** The largest choice score (V2). */
            MAXIMUM
        }

        /** The choice score of an expert whose group was not kept. */
        public enum Masked {
            /** Never chosen (V3). */
            NEGATIVE_INFINITY,
            /** Zero, so that negative choice scores lose against it (V2). */
            ZERO
        }

        public Route {
            positive("Route", "experts", experts);
            positive("Route", "topK", topK);
            positive("Route", "groups", groups);
            positive("Route", "keptGroups", keptGroups);
            finite("Route", scale);
            if (experts % groups != 0) {
                throw new IllegalArgumentException(
                        "Route: " + experts + " experts do not divide into " + groups + " groups");
            }
            if (keptGroups > groups) {
                throw new IllegalArgumentException("Route keeps " + keptGroups + " of " + groups + " groups");
            }
            if (topK > experts / groups * keptGroups) {
                throw new IllegalArgumentException("Route chooses " + topK + " experts, but only "
                        + experts / groups * keptGroups + " stand in the " + keptGroups + " kept groups");
            }
            if (groups > 1 && groupScore == GroupScore.TOP_TWO_SUM && experts / groups < 2) {
                throw new IllegalArgumentException("Route ranks groups by two experts, but a group has one");
            }
        }
    }

    /**
     * Sorts rows by expert (DISPATCH).
     *
     * <p>Operands: x [T, H]; ids I32 [T, k]. Results: rows [T*k, H], copies of x sorted by local expert, within an expert by
     * token * k + slot; offsets I32 [localExperts + 1], offsets[e]..offsets[e+1]-1 being the rows of expert firstExpert + e; origins
     * I32 [T*k], token * k + slot of each row. Ids outside firstExpert..firstExpert+localExperts-1 (another rank's experts, or the
     * sentinel -1) produce no row; rows past the last offset hold unspecified elements and origin -1, and nothing reads them.
     *
     * @param firstExpert the first expert of this device
     * @param localExperts the number of experts of this device
     */
    record Dispatch(int firstExpert, int localExperts) implements Op {
        public Dispatch {
            positive("Dispatch", "localExperts", localExperts);
            if (firstExpert < 0) {
                throw new IllegalArgumentException("Dispatch from expert " + firstExpert);
            }
        }
    }

    /**
     * Multiplies rows with their own expert's weight (GROUPED).
     *
     * <p>Operands: rows [R, K], sorted by expert; offsets I32 [E + 1]; weight [E, N, K], plain or quantised. Result: [R, N],
     * {@code y[r] = rows[r] . W[e]^T} for offsets[e] <= r < offsets[e+1]. Experts may be empty. Rows past the last offset are
     * unspecified.
     *
     * @param activation whether and how the device must round rows before the product
     * @param out the activation type of the result
     */
    record GroupedLinear(ActivationFormat activation, DType out) implements Op {}

    /** Gated activation (SWIGLU). Operands: gate and up, one type and shape. Result: gate / (1 + exp(-gate)) * up, rounded once. */
    record Swiglu() implements Op {}

    /**
     * Sums the experts of each token (COMBINE).
     *
     * <p>Operands: rows [T*k, H]; origins I32 [T*k]; weights [T, k]. Result: [T, H],
     * {@code y[t] = sum over slots s, in order, of weights[t][s] * row(t, s)}, accumulated in F32 or better, rounded once. A slot without a row
     * adds nothing; each weight is applied once.
     *
     * @param out the activation type of the result
     */
    record Combine(DType out) implements Op {}

    /**
     * Picks the largest (ARGMAX). Operand: logits [O, V]. Result: I32 [O]; ties go to the lower index, a NaN is never picked, and a
     * row of nothing but NaN gives 0.
     */
    record Argmax() implements Op {}

    /**
     * Samples from the softmax by a counter-based generator (SAMPLE), so that a seed reproduces on every device that computes the same
     * logits.
     *
     * <p>Operands: logits [O, V]; temperature F32 [O], 0 meaning {@link Argmax}; topK I32 [O], 0 meaning no limit; topP F32 [O], 1
     * meaning no limit; seed I64 [O]; counter I32 [O], the position of the sampled token. Result: I32 [O]. By the Gumbel maximum over
     * Philox4x32-10 random numbers addressed by (seed, counter, candidate), so that no order of summation matters (SAMPLE-003).
     */
    record Sample() implements Op {}

    /**
     * Sums over all ranks (COMM). Operand: x [T, W]. Result: like x, the same on every rank, accumulated in F32 or better.
     *
     * @param ranks the number of ranks; 1 is a copy
     */
    record AllReduce(int ranks) implements Op {
        public AllReduce {
            positive("AllReduce", "ranks", ranks);
        }
    }

    /**
     * Sends dispatched rows to the ranks that own their experts (COMM).
     *
     * <p>Operands: rows [R, W], sorted by global expert; offsets I32 [ranks*localExperts + 1]. Results: received [ranks*R, W], sorted
     * by local expert, then source rank, then source order; receivedOffsets I32 [localExperts + 1]; receipt I32 [ranks,
     * localExperts], the rows that came from each rank for each local expert. Rank r owns the global experts
     * r*localExperts..(r+1)*localExperts-1.
     *
     * @param ranks the number of ranks
     * @param localExperts experts of each rank
     */
    record AllToAll(int ranks, int localExperts) implements Op {
        public AllToAll {
            positive("AllToAll", "ranks", ranks);
            positive("AllToAll", "localExperts", localExperts);
        }
    }

    /**
     * Sends expert results back (COMM): the inverse of {@link AllToAll}.
     *
     * <p>Operands: rows [ranks*R, W] in the order that AllToAll gave; receipt and offsets of that AllToAll. Result: [R, W] in the order that
     * its rows had.
     *
     * @param ranks the number of ranks
     * @param localExperts experts of each rank
     */
    record AllToAllReturn(int ranks, int localExperts) implements Op {
        public AllToAllReturn {
            positive("AllToAllReturn", "ranks", ranks);
            positive("AllToAllReturn", "localExperts", localExperts);
        }
    }

    private static void positive(String op, String attribute, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(op + ": " + attribute + " is " + value + ", not positive");
        }
    }

    private static void finite(String op, double scale) {
        if (!Double.isFinite(scale)) {
            throw new IllegalArgumentException(op + ": scale is " + scale);
        }
    }
}
