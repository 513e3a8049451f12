package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.generate.Generation.Finish;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GeneratorTest {

    private static final int CONTEXT = 40;
    private static final List<Integer> PROMPT = List.of(3, 141, 59, 26, 5, 35, 89, 79);

    private static TestModel model;
    private Session session;
    private Generator generator;

    @BeforeAll
    static void load() {
        model = TestModel.load(
                RepositoryFiles.of("goldens/deepseek-v3-tiny"),
                GraphOptions.generation(DType.F32).withPageSize(8),
                RunLimits.generation(CONTEXT, 3));
    }

    @AfterAll
    static void unload() {
        model.close();
    }

    @BeforeEach
    void open() {
        session = model.compiled().open();
        generator = new Generator(session);
    }

    @AfterEach
    void close() {
        session.close();
    }

    private static GenerationRequest greedy(List<Integer> prompt, @Nullable Integer maxTokens) {
        return new GenerationRequest(prompt, Sampling.GREEDY, Set.of(), List.of(), maxTokens);
    }

    private Generation run(GenerationRequest request, StringBuilder text) {
        return generator.generate(request, new IdDecoder(), text::append, () -> false);
    }

    private Generation run(GenerationRequest request) {
        return run(request, new StringBuilder());
    }

    private static String text(List<Integer> tokens) {
        return tokens.stream().map(token -> "<" + token + ">").collect(Collectors.joining());
    }

    @Test
    void asManyTokensComeAsWereAskedFor() {
        StringBuilder text = new StringBuilder();
        Generation generation = run(greedy(PROMPT, 10), text);
        assertEquals(10, generation.tokens().size());
        assertEquals(Finish.MAX_TOKENS, generation.finish());
        assertEquals(text(generation.tokens()), text.toString());
        assertEquals(PROMPT.size(), generation.promptTokens());
        assertEquals(0, generation.reusedTokens());
        assertTrue(generation.prefillTokensPerSecond() > 0 && generation.decodeTokensPerSecond() > 0);
    }

    @Test
    void noTokenCanBeAskedFor() {
        Generation generation = run(greedy(PROMPT, 0));
        assertEquals(List.of(), generation.tokens());
        assertEquals(Finish.MAX_TOKENS, generation.finish());
    }

    @Test
    void anEndTokenEndsTheTextAndIsNoPartOfIt() {
        List<Integer> all = run(greedy(PROMPT, 10)).tokens();
        int end = all.get(4);
        int first = all.indexOf(end);
        StringBuilder text = new StringBuilder();
        Generation generation = run(new GenerationRequest(PROMPT, Sampling.GREEDY, Set.of(end), List.of(), 10), text);
        assertEquals(Finish.END_TOKEN, generation.finish());
        assertEquals(all.subList(0, first + 1), generation.tokens());
        assertEquals(text(all.subList(0, first)), text.toString());
    }

    @Test
    void aStopStringAcrossTokensEndsTheTextBeforeIt() {
        List<Integer> all = run(greedy(PROMPT, 10)).tokens();
        String whole = text(all);
        // The end of one token and the beginning of the next.
        int border = text(all.subList(0, 5)).length();
        String stop = whole.substring(border - 2, border + 2);
        StringBuilder text = new StringBuilder();
        Generation generation =
                run(new GenerationRequest(PROMPT, Sampling.GREEDY, Set.of(), List.of("never", stop), 10), text);
        assertEquals(Finish.STOP_STRING, generation.finish());
        assertEquals(whole.substring(0, whole.indexOf(stop)), text.toString());
    }

    @Test
    void whatMightHaveBecomeAStopStringIsNotLost() {
        List<Integer> all = run(greedy(PROMPT, 10)).tokens();
        String last = text(all).substring(text(all).length() - 1);
        StringBuilder text = new StringBuilder();
        Generation generation =
                run(new GenerationRequest(PROMPT, Sampling.GREEDY, Set.of(), List.of(last + "and more"), 10), text);
        assertEquals(Finish.MAX_TOKENS, generation.finish());
        assertEquals(text(all), text.toString());
    }

    @Test
    void aSeedRepeatsATextWhateverTheChunksAndAnotherSeedDoesNot() {
        GenerationRequest seven = new GenerationRequest(PROMPT, new Sampling(2, 0, 1, 7), Set.of(), List.of(), 20);
        List<Integer> first = run(seven).tokens();
        assertEquals(first, run(seven).tokens());
        GenerationRequest eight = new GenerationRequest(PROMPT, new Sampling(2, 0, 1, 8), Set.of(), List.of(), 20);
        assertNotEquals(first, run(eight).tokens());
        try (TestModel other = TestModel.load(
                        RepositoryFiles.of("goldens/deepseek-v3-tiny"),
                        GraphOptions.generation(DType.F32).withPageSize(8),
                        RunLimits.generation(CONTEXT, CONTEXT));
                Session whole = other.compiled().open()) {
            assertEquals(
                    first,
                    new Generator(whole)
                            .generate(seven, new IdDecoder(), _ -> {}, () -> false)
                            .tokens());
        }
    }

    @Test
    void topOneIsGreedyAtAnyTemperature() {
        GenerationRequest one = new GenerationRequest(PROMPT, new Sampling(5, 1, 1, 7), Set.of(), List.of(), 12);
        assertEquals(run(greedy(PROMPT, 12)).tokens(), run(one).tokens());
    }

    @Test
    void theNextTurnComputesOnlyWhatIsNew() {
        Generation first = run(greedy(PROMPT, 6));
        List<Integer> next = new ArrayList<>(PROMPT);
        next.addAll(first.tokens());
        next.addAll(List.of(11, 12));
        Generation second = run(greedy(next, 6));
        // The last token of the first answer was never fed.
        assertEquals(PROMPT.size() + 5, second.reusedTokens());
        try (Session fresh = model.compiled().open()) {
            Generation alone = new Generator(fresh).generate(greedy(next, 6), new IdDecoder(), _ -> {}, () -> false);
            assertEquals(0, alone.reusedTokens());
            assertEquals(alone.tokens(), second.tokens());
        }
    }

    @Test
    void theSamePromptAgainRunsItsLastTokenOnly() {
        List<Integer> first = run(greedy(PROMPT, 6)).tokens();
        Generation again = run(greedy(PROMPT, 6));
        assertEquals(PROMPT.size() - 1, again.reusedTokens());
        assertEquals(first, again.tokens());
    }

    @Test
    void withoutALimitTheContextIsFilled() {
        Generation generation = run(greedy(PROMPT, null));
        assertEquals(CONTEXT - PROMPT.size(), generation.tokens().size());
        assertEquals(Finish.CONTEXT, generation.finish());
    }

    @Test
    void whatCannotFitIsRefusedBeforeItRuns() {
        int room = CONTEXT - PROMPT.size();
        assertEquals(room, run(greedy(PROMPT, room)).tokens().size());
        HengException more = assertThrows(HengException.class, () -> run(greedy(PROMPT, room + 1)));
        assertTrue(more.remedy().contains("at most " + room), more.remedy());
        List<Integer> full = Collections.nCopies(CONTEXT, 1);
        assertThrows(HengException.class, () -> run(greedy(full, null)));
        List<Integer> longer = Collections.nCopies(CONTEXT + 1, 1);
        HengException tooLong = assertThrows(HengException.class, () -> run(greedy(longer, 0)));
        assertTrue(tooLong.getMessage().contains("41 tokens"), tooLong.getMessage());
    }

    @Test
    void idsOutsideTheVocabularyAreRefusedAndNothingChanges() {
        run(greedy(PROMPT, 2));
        int length = session.length(0);
        for (int id : new int[] {-1, 384, Integer.MAX_VALUE}) {
            HengException refused = assertThrows(HengException.class, () -> run(greedy(List.of(1, id), 2)));
            assertTrue(refused.getMessage().contains("token 1 has the id " + id), refused.getMessage());
        }
        assertEquals(length, session.length(0));
    }

    @Test
    void requestsThatMakeNoSenseAreRefused() {
        assertThrows(HengException.class, () -> greedy(List.of(), 1));
        assertThrows(HengException.class, () -> greedy(PROMPT, -1));
        assertThrows(
                HengException.class,
                () -> run(new GenerationRequest(PROMPT, Sampling.GREEDY, Set.of(), List.of(""), 1)));
        assertThrows(HengException.class, () -> new Sampling(Float.NaN, 0, 1, 0));
        assertThrows(HengException.class, () -> new Sampling(-1, 0, 1, 0));
        assertThrows(HengException.class, () -> new Sampling(1, -1, 1, 0));
        assertThrows(HengException.class, () -> new Sampling(1, 0, 0, 0));
        assertThrows(HengException.class, () -> new Sampling(1, 0, 1.5F, 0));
    }

    @Test
    void cancellingKeepsWhatCameUntilThen() {
        List<Integer> all = run(greedy(PROMPT, 10)).tokens();
        AtomicInteger asked = new AtomicInteger();
        Generation generation =
                generator.generate(greedy(PROMPT, 10), new IdDecoder(), _ -> {}, () -> asked.incrementAndGet() == 4);
        assertEquals(Finish.CANCELLED, generation.finish());
        assertEquals(all.subList(0, 4), generation.tokens());
    }

    @Test
    void cancellingWithinThePromptGivesNothing() {
        Generation generation = generator.generate(greedy(PROMPT, 10), new IdDecoder(), _ -> {}, () -> true);
        assertEquals(Finish.CANCELLED, generation.finish());
        assertEquals(List.of(), generation.tokens());
        assertEquals(10, run(greedy(PROMPT, 10)).tokens().size());
    }

    @Test
    void afterAFailureNothingOfTheCachesIsTrusted() {
        List<Integer> expected = run(greedy(PROMPT, 6)).tokens();
        assertThrows(
                IllegalStateException.class,
                () -> generator.generate(
                        greedy(PROMPT, 6),
                        new IdDecoder(),
                        _ -> {
                            throw new IllegalStateException("the reader is gone");
                        },
                        () -> false));
        assertEquals(0, session.length(0));
        Generation again = run(greedy(PROMPT, 6));
        assertEquals(0, again.reusedTokens());
        assertEquals(expected, again.tokens());
    }
}
