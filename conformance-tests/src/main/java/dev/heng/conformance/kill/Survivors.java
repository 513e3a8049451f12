package dev.heng.conformance.kill;

import java.util.Map;

/** Why planted faults survive that no case of the smoke level can find. An unexplained survivor is a missing case. */
final class Survivors {

    private static final Map<String, String> EXPLANATIONS = Map.of();

    private Survivors() {}

    /** Returns why the fault called {@code id} survives, or an empty text. */
    static String explanation(String id) {
        return EXPLANATIONS.getOrDefault(id, "");
    }
}
