package dev.heng.runtime.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.heng.runtime.HengException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Hostile templates end in an error within seconds, in the 2 GB heap and default stack that tests run with. */
class TemplateLimitsTest {

    private static final Duration LIMIT = Duration.ofSeconds(20);

    private static String render(String template, Map<String, ?> variables) {
        return ChatTemplate.parse("hostile", template, Map.of())
                .renderWith(variables)
                .characters();
    }

    private static void assertRefused(String template) {
        assertTimeoutPreemptively(LIMIT, () -> {
            HengException refused = assertThrows(HengException.class, () -> render(template, Map.of()));
            assertFalse(refused.remedy().isBlank());
        });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                // Loops without end.
                "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                "{% for a in range(100000) %}{% for b in range(100000) if false %}{% endfor %}{% endfor %}",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% macro f() %}{% for i in [1] %}{% if true %}{{ (((f()))) | upper }}{% endif %}{% endfor %}{% endmacro %}{{ f() }}",
                "{% macro f(x) %}{{ f(f(x)) }}{% endmacro %}{{ f(1) }}",
                "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
                // Texts that grow.
                "{{ 'a' * 1000000000000 }}",
                "{{ 'ab' * 9223372036854775807 }}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s.replace('a', n.s) %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s | replace('', n.s) %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s.join(n.s) %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = [n.s, n.s] | join(n.s) %}{% endfor %}",
                "{% set n = namespace(s='a\\na') %}{% for i in range(99) %}{% set n.s = n.s | indent(n.s) %}{% endfor %}",
                "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}{% endfor %}",
                "{% for i in range(100000) %}{{ 'aaaaaaaaaa' * 100000 }}{% endfor %}",
                "{{ 'a'.center(9999999999) }}{{ 'a' | indent(99999999999, true) }}",
                "{{ 'a' | indent(99999999999, true) }}",
                "{{ [[1]] | tojson(indent=99999999999) }}",
                // Lists that grow.
                "{{ range(9223372036854775807) }}",
                "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | length + 'x' }}",
                "{{ [1] * 1000000000 }}",
                "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                "{{ [1] | batch(9999999999) }}",
                // Nesting.
                "{% set n = namespace(s=[1]) %}{% for i in range(100000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}",
                "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
                "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = {'a': n.s, 'b': n.s} %}{% endfor %}{{ n.s | tojson }}",
                "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}",
                // Work inside one operation.
                "{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{{ 'b' in s }}{% endfor %}",
                "{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{{ s.find('b') }}{% endfor %}",
                "{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s == s[1:] %}{% endfor %}",
                "{% set s = range(100000) | list %}{% for i in range(100000) %}{{ -1 in s }}{% endfor %}",
                "{% set s = range(100000) | list %}{% for i in range(100000) %}{% set x = s | sort | first %}{% endfor %}",
                "{% set s = 'a' * 10000000 %}{% for i in range(100000) %}{% set x = s | length %}{% set y = s | upper %}{% endfor %}",
                "{% set s = 'a' * 1000000 %}{{ s.split('') }}",
                "{{ 2 ** 9999999999 }}"
            })
    void refusesToGoOnForever(String template) {
        assertRefused(template);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(",
                "[",
                "{1:",
                "-",
                "not ",
                "+",
                "x if ",
                "x if x else ",
                "x is eq x.",
                "x[",
                "x(",
                "f(a=",
                "x|d("
            })
    void refusesToNestForever(String opening) {
        assertRefused("{{ " + opening.repeat(50_000) + " }}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"+x", "~x", " or x", " and x", "*x", "**x", "|d", ".x", "[0]", "()", " is eq x"})
    void refusesChainsWithoutEnd(String link) {
        assertRefused("{{ x" + link.repeat(50_000) + " }}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% if x %}",
                "{% for x in y %}",
                "{% set x %}",
                "{% macro f() %}",
                "{% filter upper %}",
                "{% with %}",
                "{% call f() %}",
                "{% generation %}"
            })
    void refusesBlocksWithoutEnd(String opening) {
        assertRefused(opening.repeat(20_000));
    }

    @Test
    void refusesParenthesesAroundNamesWithoutEnd() {
        assertRefused("{% set " + "(".repeat(50_000) + "x" + ")".repeat(50_000) + " = 1 %}");
    }

    @Test
    void refusesDeepValues() {
        Object nested = new ArrayList<>();
        for (int i = 0; i < 100_000; i++) {
            nested = List.of(nested);
        }
        Map<String, Object> variables = Map.of("x", nested);
        assertThrows(HengException.class, () -> render("{{ x }}", variables));
    }

    @Test
    void refusesAHugeTemplate() {
        assertThrows(HengException.class, () -> ChatTemplate.parse("hostile", "a".repeat(2 << 20), Map.of()));
    }

    /** What is long but honest goes through. */
    @Test
    void takesALongConversation() {
        String said = "明月几时有？把酒问青天。".repeat(500);
        List<Map<String, String>> messages = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", said));
        }
        String template = "{% for m in messages %}{{ '<' + m.role + '>' + m['content'] | trim + '\\n' }}{% endfor %}";
        long expected = 150L * ("user".length() + "assistant".length()) + 300L * (said.length() + 3);
        String rendered = assertTimeoutPreemptively(LIMIT, () -> render(template, Map.of("messages", messages)));
        assertEquals(expected, rendered.length());
    }

    @Test
    void countsElifBranchesAsOneLevel() {
        StringBuilder template = new StringBuilder("{% if x == -1 %}");
        for (int i = 0; i < 2_000; i++) {
            template.append("{% elif x == ").append(i).append(" %}").append(i);
        }
        assertEquals("1999", render(template + "{% endif %}", Map.of("x", 1999)));
    }
}
