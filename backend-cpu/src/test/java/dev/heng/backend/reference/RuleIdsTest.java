package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** docs/ops.md and the code speak of the same rules. */
class RuleIdsTest {

    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern DEFINITION = Pattern.compile("(?m)^\\*\\*([A-Z]+-\\d{3})\\*\\*");

    @Test
    void everyRuleIsDefinedOnceAndInItsOwnSection() throws IOException {
        String text = Files.readString(ROOT.resolve("docs/ops.md"));
        Map<String, Long> definitions = DEFINITION
                .matcher(text)
                .results()
                .map(match -> match.group(1))
                .collect(Collectors.groupingBy(id -> id, TreeMap::new, Collectors.counting()));
        assertTrue(definitions.size() > 100, "only " + definitions.size() + " rules were found");
        definitions.forEach((id, count) -> assertEquals(1, count, id + " is defined more than once"));
        for (String section : text.split("(?m)^## ", -1)) {
            String prefix = section.split("\\W", 2)[0];
            DEFINITION
                    .matcher(section)
                    .results()
                    .forEach(match -> assertTrue(
                            match.group(1).startsWith(prefix + "-"), match.group(1) + " stands in section " + prefix));
        }
    }

    @Test
    void everyRuleThatCodeOrTheSpecificationCitesExists() throws IOException {
        String specification = Files.readString(ROOT.resolve("docs/ops.md"));
        Set<String> defined = DEFINITION
                .matcher(specification)
                .results()
                .map(match -> match.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> prefixes = defined.stream()
                .map(id -> id.substring(0, id.indexOf('-')))
                .collect(Collectors.toCollection(TreeSet::new));
        Pattern citation = Pattern.compile("\\b(?:" + String.join("|", prefixes) + ")-\\d{3}\\b");
        Set<String> unknown = new TreeSet<>();
        int cited = collectUnknown(citation.matcher(specification), defined, "docs/ops.md", unknown);
        try (Stream<Path> modules = Files.list(ROOT)) {
            for (Path sources : modules.map(module -> module.resolve("src"))
                    .filter(Files::isDirectory)
                    .toList()) {
                try (Stream<Path> files = Files.walk(sources)) {
                    for (Path file :
                            files.filter(f -> f.toString().endsWith(".java")).toList()) {
                        cited += collectUnknown(
                                citation.matcher(Files.readString(file)),
                                defined,
                                ROOT.relativize(file).toString(),
                                unknown);
                    }
                }
            }
        }
        assertEquals(Set.of(), unknown);
        assertTrue(cited > 200, "only " + cited + " citations were found");
    }

    private static int collectUnknown(Matcher citations, Set<String> defined, String file, Set<String> unknown) {
        int count = 0;
        while (citations.find()) {
            count++;
            if (!defined.contains(citations.group())) {
                unknown.add(file + ": " + citations.group());
            }
        }
        return count;
    }
}
