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

    /** Returns everything that a replay must show again, bit for bit: state, reason, and the first bad element of every check. */
    public String evidence() {
        if (killer == null) {
            return "survived";
        }
        StringBuilder text = new StringBuilder(killer.state() + " " + killer.reason());
        for (Check check : killer.checks()) {
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
