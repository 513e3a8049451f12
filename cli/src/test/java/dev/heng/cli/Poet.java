package dev.heng.cli;

import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.StoredTensor;
import dev.heng.runtime.tokenizer.Tokenizer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** The embedded model and its goldens, computed by transformers. */
final class Poet {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Poet() {}

    /** Returns the root of the checkout. */
    static Path home() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(folder.resolve("models/poet"))) {
            Path parent = folder.getParent();
            if (parent == null) {
                throw new IllegalStateException(
                        "not inside the checkout: " + Path.of("").toAbsolutePath());
            }
            folder = parent;
        }
        return folder;
    }

    static Path folder() {
        return home().resolve("models/poet");
    }

    /**
     * A golden prompt.
     *
     * @param prompt what a user types
     * @param tokens how many tokens were generated
     * @param answer their text
     */
    record Golden(String prompt, int tokens, String answer) {}

    static Golden golden(String name) {
        try (Checkpoint file = Checkpoint.open(folder().resolve("golden.safetensors"));
                Tokenizer tokenizer = Tokenizer.load(folder())) {
            int[] prompt = ids(file.require(name + ".prompt"));
            int[] all = ids(file.require(name + ".greedy"));
            int[] made = Arrays.copyOfRange(all, prompt.length, all.length);
            // Control tokens of the template and the token that begins every text are special and leave the user's
            // words.
            return new Golden(tokenizer.decode(prompt, true), made.length, tokenizer.decode(made, true));
        }
    }

    private static int[] ids(StoredTensor tensor) {
        MemorySegment data = tensor.data();
        int count = Math.toIntExact(tensor.shape().elements());
        boolean wide = data.byteSize() == 8L * count;
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = wide ? Math.toIntExact(data.getAtIndex(LONG, i)) : data.getAtIndex(INT, i);
        }
        return ids;
    }
}
