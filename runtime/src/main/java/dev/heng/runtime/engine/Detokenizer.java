package dev.heng.runtime.engine;

import dev.heng.runtime.generate.TextDecoder;
import dev.heng.runtime.tokenizer.StreamingDecoder;

/** Gives generation the tokenizer's decoder: generation knows nothing of files, tokenizers nothing of generation. */
record Detokenizer(StreamingDecoder decoder) implements TextDecoder {

    @Override
    public String add(int token) {
        return decoder.add(token);
    }

    @Override
    public String finish() {
        return decoder.finish();
    }
}
