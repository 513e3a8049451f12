package dev.heng.conformance.fill;

/**
 * Inputs of the routing operation.
 *
 * @param tokens the number of tokens T
 * @param experts the number of experts E
 * @param logits router logits [T,E], row-major; owned by this record and not to be changed
 * @param bias choice bias [E]; owned by this record and not to be changed
 * @param normalize whether weights are normalised over the chosen experts
 * @param degeneracy what the fill triggered
 */
@SuppressWarnings("ArrayRecordComponent") // Inputs are handed on, never compared.
public record RoutingInputs(
        int tokens, int experts, float[] logits, float[] bias, boolean normalize, Degeneracy degeneracy) {

    public RoutingInputs {
        if (logits.length != Math.multiplyExact(tokens, experts) || bias.length != experts) {
            throw new IllegalArgumentException(logits.length + " logits and " + bias.length + " biases do not fit "
                    + tokens + " tokens and " + experts + " experts");
        }
    }
}
