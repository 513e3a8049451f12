package dev.heng.runtime.generate;

/** Writes tokens as {@code <id>}, for models without a tokenizer. */
final class IdDecoder implements TextDecoder {

    @Override
    public String add(int token) {
        return "<" + token + ">";
    }

    @Override
    public String finish() {
        return "";
    }
}
