package dev.heng.conformance.suite;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The rules of docs/ops.md, which the build copies beside this class. */
public final class OperatorRules {

    private static final Pattern RULE = Pattern.compile("(?m)^\\*\\*([A-Z0-9]+-\\d{3})\\*\\*");

    private OperatorRules() {}

    /** Returns the specification as it was when this suite was built. */
    public static String text() {
        try (InputStream file = OperatorRules.class.getResourceAsStream("ops.md")) {
            if (file == null) {
                throw new IllegalStateException("the build left out ops.md, the rules that cases cite");
            }
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the ids of all rules in the order of the document. */
    public static List<String> ids() {
        List<String> ids = new ArrayList<>();
        Matcher matcher = RULE.matcher(text());
        while (matcher.find()) {
            ids.add(matcher.group(1));
        }
        return List.copyOf(ids);
    }
}
