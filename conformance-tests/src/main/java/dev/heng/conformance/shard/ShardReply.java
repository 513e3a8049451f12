package dev.heng.conformance.shard;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.suite.Check;
import dev.heng.spi.DeviceInfo;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a child answers, one line of JSON each.
 *
 * @param kind what it is about
 * @param device the opened device, with {@link Kind#OPENED}
 * @param profile its numerics as text, with {@link Kind#OPENED}
 * @param outcome a case's result, with {@link Kind#RESULT}
 * @param trouble what went wrong, or empty
 */
record ShardReply(
        Kind kind,
        @Nullable DeviceInfo device,
        String profile,
        @Nullable Outcome outcome,
        String trouble) {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    enum Kind {
        /** Both backends are open. */
        OPENED,
        /** They are not, and {@code trouble} says why; the child ends. */
        OBSTACLE,
        /** A case is done. */
        RESULT,
        /** Both backends are closed, with {@code trouble} if that failed; the child ends. */
        CLOSED
    }

    /** A result without its case, which the parent knows. */
    record Outcome(String id, CaseState state, String reason, List<Check> checks, long milliseconds, String replay) {
        static Outcome of(CaseResult result) {
            return new Outcome(
                    result.subject().id(),
                    result.state(),
                    result.reason(),
                    result.checks(),
                    result.milliseconds(),
                    result.replay());
        }
    }

    static ShardReply opened(DeviceInfo device, String profile) {
        return new ShardReply(Kind.OPENED, device, profile, null, "");
    }

    static ShardReply obstacle(String trouble) {
        return new ShardReply(Kind.OBSTACLE, null, "", null, trouble);
    }

    static ShardReply result(CaseResult result) {
        return new ShardReply(Kind.RESULT, null, "", Outcome.of(result), "");
    }

    static ShardReply closed(String trouble) {
        return new ShardReply(Kind.CLOSED, null, "", null, trouble);
    }

    /** Returns {@code value} as one line. */
    static String line(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a message that is no JSON", e);
        }
    }

    /**
     * Reads one line.
     *
     * @throws IllegalArgumentException if the line is not such a message
     */
    static <T> T read(String line, Class<T> type) {
        try {
            return MAPPER.readValue(line, type);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a " + type.getSimpleName() + ": " + e.getOriginalMessage(), e);
        }
    }
}
