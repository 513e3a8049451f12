package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed.Wanted;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SessionTest {

    private static final int[] FIRST = {3, 141, 59, 26, 5};
    private static final int[] SECOND = {271, 82, 8};

    private static Path folder() {
        return RepositoryFiles.of("goldens/qwen3-moe-tiny");
    }

    private static TestModel model(int sequences) {
        return TestModel.load(
                folder(),
                new GraphOptions(DType.F32, 4, true, false, true),
                new RunLimits(32, 16, Math.max(8, sequences), sequences));
    }

    private static int[] ids(int... ids) {
        // The model has 163 ids.
        return Arrays.stream(ids).map(id -> id % 163).toArray();
    }

    private static List<Integer> alone(int[] prompt, int tokens) {
        try (TestModel model = model(1);
                Session session = model.compiled().open()) {
            session.run(List.of(new Feed(0, ids(prompt), Wanted.LAST)));
            List<Integer> sampled = new ArrayList<>();
            for (int token = 0; token < tokens; token++) {
                sampled.add(session.sampledToken(0));
                session.continueSampled();
            }
            return sampled;
        }
    }

    @Test
    void sequencesOfABatchDoNotSeeEachOther() {
        try (TestModel model = model(3);
                Session session = model.compiled().open()) {
            session.choose(2, Sampling.GREEDY);
            session.run(List.of(new Feed(2, ids(FIRST), Wanted.LAST), new Feed(0, ids(SECOND), Wanted.LAST)));
            List<Integer> first = new ArrayList<>();
            List<Integer> second = new ArrayList<>();
            for (int token = 0; token < 12; token++) {
                first.add(session.sampledToken(0));
                second.add(session.sampledToken(1));
                session.continueSampled();
            }
            assertEquals(alone(FIRST, 12), first);
            assertEquals(alone(SECOND, 12), second);
            assertEquals(FIRST.length + 12, session.length(2));
            assertEquals(SECOND.length + 12, session.length(0));
            assertEquals(0, session.length(1));
        }
    }

    @Test
    void aShortenedSequenceGoesOnAsIfTheRestHadNeverBeen() {
        try (TestModel model = model(2);
                Session session = model.compiled().open()) {
            session.run(List.of(new Feed(0, ids(FIRST), Wanted.LAST)));
            float[] expected = session.floats(Names.LOGITS);
            session.truncate(0, 2);
            session.run(List.of(new Feed(0, ids(9, 9, 9, 9, 9, 9), Wanted.LAST)));
            session.truncate(0, 2);
            // Another sequence takes the pages that were given back.
            session.run(List.of(new Feed(1, ids(SECOND), Wanted.NONE)));
            session.run(List.of(new Feed(0, ids(FIRST[2], FIRST[3], FIRST[4]), Wanted.LAST)));
            assertArrayEquals(expected, session.floats(Names.LOGITS));
        }
    }

    private static float[] afterAssumed(int tokens, float value) {
        try (TestModel model = model(1);
                Session session = model.compiled().open()) {
            MemorySegment pattern = MemorySegment.ofArray(new byte[12]);
            for (int index = 0; index < 3; index++) {
                pattern.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * index, value * (1 + index));
            }
            session.fillCaches(_ -> pattern);
            session.assume(0, tokens);
            assertEquals(tokens, session.length(0));
            assertThrows(IllegalArgumentException.class, () -> session.assume(0, -1));
            assertThrows(HengException.class, () -> session.assume(0, 33 - tokens));
            assertEquals(tokens, session.length(0));
            session.run(List.of(new Feed(0, ids(FIRST), Wanted.LAST)));
            return session.floats(Names.LOGITS);
        }
    }

    @Test
    void assumedPositionsAreWhatTheCachesWereFilledWith() {
        float[] six = afterAssumed(6, 0.5f);
        assertArrayEquals(six, afterAssumed(6, 0.5f));
        assertFalse(Arrays.equals(six, afterAssumed(6, 0.25f)), "what is cached has no effect");
        assertFalse(Arrays.equals(six, afterAssumed(5, 0.5f)), "the length has no effect");
        assertArrayEquals(afterAssumed(0, 0.5f), afterAssumed(0, 0.25f));
    }

    @Test
    void wantedRowsAreThoseThatWereAskedFor() {
        try (TestModel model = model(2);
                Session session = model.compiled().open()) {
            session.run(List.of(new Feed(0, ids(FIRST), Wanted.ALL)));
            float[] all = session.floats(Names.LOGITS);
            int vocabulary = all.length / FIRST.length;
            session.truncate(0, 0);
            session.run(List.of(new Feed(0, ids(FIRST), Wanted.LAST), new Feed(1, ids(SECOND), Wanted.NONE)));
            assertEquals(1, session.outputRows());
            assertArrayEquals(
                    Arrays.copyOfRange(all, all.length - vocabulary, all.length), session.floats(Names.LOGITS));
            session.truncate(0, 0);
            session.run(List.of(new Feed(0, ids(FIRST), Wanted.NONE)));
            assertEquals(0, session.outputRows());
            assertEquals(0, session.floats(Names.LOGITS).length);
        }
    }

    @Test
    void runsBeyondTheLimitsAreRefusedAndAppendNothing() {
        try (TestModel model = model(2);
                Session session = model.compiled().open()) {
            assertThrows(IllegalArgumentException.class, () -> session.run(List.of()));
            assertThrows(
                    IllegalArgumentException.class, () -> session.run(List.of(new Feed(0, new int[17], Wanted.LAST))));
            assertThrows(
                    IllegalArgumentException.class, () -> session.run(List.of(new Feed(0, new int[9], Wanted.ALL))));
            assertThrows(IllegalArgumentException.class, () -> session.run(List.of(new Feed(2, ids(1), Wanted.LAST))));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> session.run(List.of(new Feed(0, ids(1), Wanted.LAST), new Feed(0, ids(2), Wanted.LAST))));
            assertThrows(HengException.class, () -> session.run(List.of(new Feed(0, new int[] {163}, Wanted.LAST))));
            assertThrows(IllegalArgumentException.class, () -> new Feed(0, new int[0], Wanted.LAST));
            assertThrows(IllegalStateException.class, session::continueSampled);
            assertThrows(IllegalArgumentException.class, () -> session.truncate(0, 1));
            assertEquals(0, session.length(0));
            session.run(List.of(new Feed(0, new int[16], Wanted.NONE)));
            session.run(List.of(new Feed(0, new int[16], Wanted.LAST)));
            assertThrows(HengException.class, session::continueSampled);
            assertThrows(HengException.class, () -> session.run(List.of(new Feed(0, ids(1), Wanted.LAST))));
            assertEquals(32, session.length(0));
        }
    }

    @Test
    void closingGivesAllMemoryBackAndUseAfterwardsIsNamed() {
        BackendOptions limited = new BackendOptions(Map.of("memory", Long.toString(64L << 20)));
        try (Backend backend = TestModel.reference(limited)) {
            long before = backend.memory().freeBytes();
            Session closed;
            try (TestModel model = TestModel.load(
                    folder(),
                    new GraphOptions(DType.F32, 4, true, false, true),
                    new RunLimits(32, 16, 8, 2),
                    backend)) {
                Session session = model.compiled().open();
                session.run(List.of(new Feed(0, ids(FIRST), Wanted.LAST)));
                assertTrue(backend.memory().freeBytes() < before);
                session.close();
                session.close();
                closed = session;
            }
            assertEquals(before, backend.memory().freeBytes());
            IllegalStateException named = assertThrows(
                    IllegalStateException.class, () -> closed.run(List.of(new Feed(0, ids(FIRST), Wanted.LAST))));
            assertTrue(named.toString().contains("qwen3_moe"), named.toString());
            assertThrows(IllegalStateException.class, () -> closed.floats(Names.LOGITS));
        }
    }

    @Test
    void aContextLongerThanTheModelsIsRefused() {
        HengException refused = assertThrows(HengException.class, () -> {
            try (TestModel model =
                    TestModel.load(folder(), GraphOptions.generation(DType.F32), RunLimits.generation(1 << 30, 16))) {
                model.compiled();
            }
        });
        assertTrue(refused.getMessage().contains("max_position_embeddings"), refused.getMessage());
    }
}
