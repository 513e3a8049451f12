package dev.heng.conformance.run;

import dev.heng.conformance.suite.OperatorRules;
import dev.heng.conformance.suite.Suite;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Identifies what was run: the ids, rules and levels of all cases and the text of the rules. Judges' code is not in it yet. */
final class SuiteHash {

    private SuiteHash() {}

    static String compute() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            Suite.standard()
                    .cases()
                    .forEach(one -> digest.update(
                            (one.id() + one.rules() + one.level() + "\n").getBytes(StandardCharsets.UTF_8)));
            digest.update(OperatorRules.text().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java runtime lacks SHA-256, which every Java platform must have", e);
        }
    }
}
