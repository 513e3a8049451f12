package dev.heng.runtime.registry;

import dev.heng.runtime.HengException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What was asked for with {@code --backend}. */
public sealed interface BackendWish {

    /** The word for {@link Auto}. */
    String AUTO_ID = "auto";

    /** The best device that is available. */
    BackendWish AUTO = new Auto();

    /** The available provider with the highest priority, and its first device. */
    record Auto() implements BackendWish {
        @Override
        public String toString() {
            return AUTO_ID;
        }
    }

    /**
     * One backend.
     *
     * @param id the backend's id
     * @param ordinal the device's number, from 0, or -1 for the first
     */
    record Named(String id, int ordinal) implements BackendWish {
        @Override
        public String toString() {
            return ordinal < 0 ? id : id + ":" + ordinal;
        }
    }

    /**
     * Returns the wish that {@code text} spells: {@code auto}, {@code ID} or {@code ID:ORDINAL}.
     *
     * @throws HengException if it spells none
     */
    static BackendWish parse(String text) {
        if (text.equals(AUTO_ID)) {
            return AUTO;
        }
        Matcher matcher =
                Pattern.compile("([a-z0-9]+(?:-[a-z0-9]+)*)(?::(\\d{1,6}))?").matcher(text);
        if (!matcher.matches()) {
            throw new HengException(
                    "'" + text + "' is not a backend",
                    "write 'auto', an id like 'reference', or an id and a device number like 'cuda:1'");
        }
        return new Named(matcher.group(1), matcher.group(2) == null ? -1 : Integer.parseInt(matcher.group(2)));
    }
}
