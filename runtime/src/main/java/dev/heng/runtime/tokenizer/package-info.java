/**
 * Text to token ids and back.
 *
 * <p>Rule: {@code tokenizer.json} alone decides how text becomes ids; {@code tokenizer_class} is never read. What a user writes never becomes
 * a control token, however much it looks like one.
 */
@NullMarked
package dev.heng.runtime.tokenizer;

import org.jspecify.annotations.NullMarked;
