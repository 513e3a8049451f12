package dev.heng.conformance.kill;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.suite.Check;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What became of one planted fault.
 *
 * @param fault the fault
 * @param killer what the case that found it saw, or null if the fault survived
 * @param tried cases that looked at the fault, the killer included
 * @param milliseconds how long it took
 * @param replay the command that repeats the kill, or empty
 */
public record Kill(Fault fault, @Nullable CaseResult killer, int tried, long milliseconds, String replay) {

    /** Returns whether a case found the fault. */
    public boolean isKilled() {
        return killer != null;
    }

    /** Returns what the smallest shape of the killer saw that finds the fault too; null if none was looked for. */
    public @Nullable CaseResult smallest() {
        return killer == null || killer.shrunk() == null
                ? null
                : killer.shrunk().smallest();
    }

    /** Returns everything that a replay must show again, bit for bit: state, reason, and the first bad element of every check. */
    public String evidence() {
        return killer == null ? "survived" : evidence(killer);
    }

    /** Returns the evidence of one result, as {@link #evidence()} does of the killer's. */
    public static String evidence(CaseResult result) {
        StringBuilder text = new StringBuilder(result.state() + " " + result.reason());
        for (Check check : result.checks()) {
            if (!check.held()) {
                text.append(String.format(
                        Locale.ROOT,
                        " | %s at %d expected %s %a got %s %a error %a bound %a",
                        check.what(),
                        check.verdict().index(),
                        check.verdict().expectedBits(),
                        check.verdict().expected(),
                        check.verdict().gotBits(),
                        check.verdict().got(),
                        check.verdict().error(),
                        check.verdict().bound()));
            }
        }
        return text.toString().replaceAll("\\s+", " ");
    }
}
