package dev.heng.runtime.generate;

/** Turns tokens into text one by one, holding back what is not certain yet: half of a character. */
public interface TextDecoder {

    /** Adds a token and returns the text that it makes certain; may be empty. */
    String add(int token);

    /** Ends the text and returns what was held back. */
    String finish();
}
