package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;

/**
 * How the next token is chosen from the logits, on the device (SAMPLE).
 *
 * @param temperature what logits are divided by; 0 takes the largest
 * @param topK how many of the largest logits are candidates; 0 for all
 * @param topP the least probability that the candidates have together; 1 for all
 * @param seed what random numbers depend on, with the token's position: the same seed and logits give the same token on every device
 */
public record Sampling(float temperature, int topK, float topP, long seed) {

    /** Takes the largest logit. */
    public static final Sampling GREEDY = new Sampling(0, 0, 1, 0);

    public Sampling {
        if (!(temperature >= 0) || !Float.isFinite(temperature)) {
            throw new HengException(
                    "temperature " + temperature + " is not a number of at least 0",
                    "use 0 for the likeliest token, 0.6 for variety");
        }
        if (topK < 0) {
            throw new HengException("top-k " + topK + " is negative", "use 0 for no limit");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new HengException("top-p " + topP + " is not in (0, 1]", "use 1 for no limit");
        }
    }
}
