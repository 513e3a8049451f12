package dev.heng.runtime.checkpoint;

/** Whether a model is computed with the activation rounding that its quantisation states. */
public enum ActivationRounding {
    /** No product rounds its activations: quantised weights in full precision, which is what goldens from dequantised weights are compared with. */
    NONE,
    /** As config.json says: fp8 blocks with dynamic activations, int8 with activations by token. */
    AS_CONFIGURED
}
