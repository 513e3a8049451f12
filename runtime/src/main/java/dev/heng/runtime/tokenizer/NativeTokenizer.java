package dev.heng.runtime.tokenizer;

import dev.heng.runtime.HengException;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Owns one native tokenizer.
 *
 * <p><b>Threading</b>: safe; {@link #close()} waits for encodings under way. <b>Errors</b>: use after close is an
 * {@link IllegalStateException}.
 */
final class NativeTokenizer implements AutoCloseable {

    private final TokenizersNative library;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final String origin;
    private long handle;

    /**
     * Parses a tokenizer.
     *
     * @param json the text of tokenizer.json
     * @param origin where the text is from, for messages
     */
    NativeTokenizer(String json, String origin) {
        this.library = NativeLibrary.entryPoints();
        this.origin = origin;
        this.handle = parse(json);
        library.disableTruncation(handle);
        library.disablePadding(handle);
    }

    private long parse(String json) {
        try {
            return library.createTokenizerFromString(json);
        } catch (RuntimeException failure) {
            throw new HengException(
                    origin + " is not a tokenizer: " + failure.getMessage(),
                    "download the file again from the model's page",
                    failure);
        }
    }

    /** Encodes a text; added tokens that occur in it become their ids, and nothing is put before or behind. */
    int[] encode(String text) {
        String wellFormed = WellFormed.of(text);
        lock.readLock().lock();
        try {
            long encoding = library.encode(open(), wellFormed, false);
            try {
                return narrow(library.getTokenIds(encoding));
            } finally {
                library.deleteEncoding(encoding);
            }
        } catch (IllegalStateException misuse) {
            throw misuse;
        } catch (RuntimeException failure) {
            throw new HengException(
                    "the tokenizer " + origin + " cannot encode the text: " + failure.getMessage(),
                    "check the tokenizer file",
                    failure);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Decodes as the library does; Heng's own decoder must agree with it. */
    String decode(int[] ids, boolean skipSpecialTokens) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        lock.readLock().lock();
        try {
            return library.decode(open(), wide, skipSpecialTokens);
        } finally {
            lock.readLock().unlock();
        }
    }

    private long open() {
        if (handle == 0) {
            throw new IllegalStateException("the tokenizer " + origin + " is closed");
        }
        return handle;
    }

    private static int[] narrow(long[] ids) {
        int[] narrow = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            narrow[i] = Math.toIntExact(ids[i]);
        }
        return narrow;
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                library.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
