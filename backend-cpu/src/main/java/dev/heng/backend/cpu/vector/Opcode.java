package dev.heng.backend.cpu.vector;

import java.util.List;

/**
 * The operations and the fields of each, by the names that {@code heng_cpu.h} gives them. A name that the lowering writes and this list does not know
 * is refused when a graph is compiled; a test compares the list with the library's own description.
 */
enum Opcode {
    EMBED("table tokens y y_stride round_to"),
    RMS_NORM("x x_stride addend addend_stride sum sum_stride sum_round_to weight y y_stride groups epsilon round_to"),
    LINEAR("weight x x_stride bias addend addend_stride y y_stride round_to sum_round_to quantize_activations"),
    GATED_LINEAR("gate up x x_stride y y_stride gate_round_to round_to quantize_activations"),
    SWIGLU("gate gate_stride up up_stride y y_stride columns round_to"),
    ADD("a a_stride b b_stride y y_stride columns round_to"),
    COPY("x x_stride x_type y y_stride y_type columns round_to"),
    ROPE_TABLE("positions inverse pairs factor table"),
    ROPE("x x_stride x_head_stride y y_stride y_head_stride table heads width offset pairs interleaved round_to"),
    CACHE_APPEND("x x_stride columns column_offset cache sequences positions"),
    ATTENTION(
            "q q_stride q_head_stride heads kv_heads key_width value_width latent nope rope kv_b keys values sequences positions max_context"
                    + " scale y y_stride round_to"),
    ROUTE(
            "logits logits_stride experts top_k score bias groups kept_groups group_score masked_to_zero normalize scaling ids weights"),
    GROUP("ids top_k first_expert experts offsets origins places"),
    EXPERT_LINEAR("weights experts offsets origins top_k x x_stride y y_stride round_to quantize_activations"),
    EXPERT_GATE_UP(
            "gate up experts offsets origins top_k x x_stride h h_stride gate_round_to round_to quantize_activations"),
    EXPERT_DOWN(
            "down first_expert experts ids offsets places top_k h h_stride weights addend addend_stride y y_stride down_round_to round_to"
                    + " sum_round_to quantize_activations"),
    COMBINE("x x_stride places weights top_k y y_stride columns round_to"),
    ARGMAX("x x_stride columns ids"),
    /** {@code x_rows} is a count of two words; the second has no name of its own. */
    GATHER("x x_stride x_rows x_rows_symbol rows_of divisor skip_negative y y_stride columns"),
    INVERT("origins places"),
    QUANTIZE_E4M3("x x_stride y y_stride columns power_of_two"),
    SAMPLE("x x_stride columns temperature top_k top_p seed counter ids");

    @SuppressWarnings("ImmutableEnumChecker") // made by List.of
    private final List<String> fields;

    Opcode(String fields) {
        this.fields = List.of(fields.split(" ", -1));
    }

    /** Returns the fields, each a word of eight bytes, in their order. */
    List<String> fields() {
        return fields;
    }
}
