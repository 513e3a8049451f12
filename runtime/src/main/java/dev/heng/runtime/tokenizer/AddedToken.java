package dev.heng.runtime.tokenizer;

/**
 * Describes a token that stands beside the model's vocabulary and is found in the text before anything else.
 *
 * @param id its id
 * @param content the text that stands for it
 * @param special whether decoding may leave it out
 * @param stripsLeft whether it swallows the white space before it
 * @param stripsRight whether it swallows the white space behind it
 */
record AddedToken(int id, String content, boolean special, boolean stripsLeft, boolean stripsRight) {

    /**
     * Returns whether the token steers the model rather than being a piece of text, so that only the chat template may write it.
     *
     * <p>{@code special} alone does not tell: DeepSeek-V3's {@code <｜User｜>} is not special. Yet not every added token is control:
     * DeepSeek-V2's {@code ø} is a plain letter. Control is what is special or is written as markup, in angle or square brackets.
     */
    boolean isControl() {
        return special || isBracketed('<', '>') || isBracketed('[', ']');
    }

    private boolean isBracketed(char open, char close) {
        return content.length() > 2 && content.charAt(0) == open && content.charAt(content.length() - 1) == close;
    }
}
