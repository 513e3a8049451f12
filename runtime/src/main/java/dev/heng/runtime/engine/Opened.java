package dev.heng.runtime.engine;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** What was opened, to be closed in the opposite order. */
final class Opened implements AutoCloseable {

    private final Deque<Runnable> closings = new ArrayDeque<>();

    /** Notes how to close {@code thing} and returns it. */
    <T> T add(T thing, Runnable closing) {
        closings.push(closing);
        return thing;
    }

    /** Closes everything, also when closing something fails; the first failure is thrown. Idempotent. */
    @Override
    public void close() {
        @Nullable RuntimeException failure = null;
        while (!closings.isEmpty()) {
            try {
                closings.pop().run();
            } catch (RuntimeException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
