package dev.heng.runtime.bench;

/**
 * Which weights are stored how. Embeddings, routers, norms and biases are plain whatever the matrices are, as in published checkpoints.
 *
 * @param body attention, dense MLPs and shared experts
 * @param experts routed experts
 * @param head the output head; a head that is tied to the embedding table is plain
 */
public record WeightFormats(WeightFormat body, WeightFormat experts, WeightFormat head) {

    /** Returns the formats of a checkpoint that is quantised as usual: everything but the head. */
    public static WeightFormats of(WeightFormat format) {
        WeightFormat plain = switch (format) {
            case F32, F16, BF16 -> format;
            case FP8, FP8A8, INT8, W8A8, INT4, INT4G32 -> WeightFormat.BF16;
        };
        return new WeightFormats(format, format, plain);
    }

    @Override
    public String toString() {
        return body.label() + ", experts " + experts.label() + ", head " + head.label();
    }
}
