package dev.heng.conformance.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page is well-formed, refers to nothing that is not in it, and a browser shows it. */
final class HtmlReportTest {

    private static final Pattern TAG = Pattern.compile("<(/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*?)(/?)>");
    private static final Set<String> VOID = Set.of("meta", "input", "br");

    private static ReportDocument document(String fault) {
        RunReport report = ParityRun.run(
                Suite.standard(),
                RunRequest.of("acme", Level.SMOKE).onlyCases("smoke_ADD_001_*"),
                () -> fault.isEmpty()
                        ? Backends.reference()
                        : Faults.named(fault).plant(Backends.reference()),
                Backends::reference);
        return JsonReport.of(report, Environment.current(List.of()));
    }

    private static String page() {
        return HtmlReport.of(List.of(document(""), document("add/tail-of-eight-copied")));
    }

    private static Set<String> all(String pattern, String page) {
        Set<String> found = new HashSet<>();
        Matcher matcher = Pattern.compile(pattern).matcher(page);
        while (matcher.find()) {
            found.add(matcher.group(1));
        }
        return found;
    }

    @Test
    void everyTagClosesEveryLinkLeadsSomewhereAndNothingIsLoaded() {
        String page = page();
        String markup = page.replaceAll("(?s)<style>.*?</style>|<script>.*?</script>", "");
        Deque<String> open = new ArrayDeque<>();
        Matcher tags = TAG.matcher(markup);
        while (tags.find()) {
            String name = tags.group(2);
            if (VOID.contains(name) || !tags.group(4).isEmpty()) {
                continue;
            }
            if (tags.group(1).isEmpty()) {
                open.push(name);
            } else {
                assertEquals(
                        open.pop(), name, () -> "at " + markup.substring(Math.max(0, tags.start() - 80), tags.end()));
            }
        }
        assertTrue(open.isEmpty(), open::toString);
        Set<String> ids = all(" id=\"([^\"]+)\"", markup);
        Set<String> links = all(" href=\"#([^\"]+)\"", markup);
        assertFalse(links.isEmpty());
        assertTrue(ids.containsAll(links));
        assertFalse(Pattern.compile("https?:|src=|@import|url\\(").matcher(page).find(), "the page loads something");
    }

    @Test
    void bothLanguagesAndAllThatAReaderNeedsAreThere() {
        String page = page();
        for (String part : List.of(
                "用例",
                "误差 / 界",
                "class=\"hist\"",
                "class=\"over\"",
                "heng parity --backend acme --case",
                "suite",
                "GREEN",
                "未通过")) {
            assertTrue(page.contains(part), part);
        }
        // As many pieces in one language as in the other, or one reader misses something.
        assertEquals(page.split("<span lang=\"en\">", -1).length, page.split("<span lang=\"zh\">", -1).length);
    }

    /** Runs nightly, and only where Chromium is installed; without it this is skipped, which the runner's count of skipped tests says. */
    @Test
    @Tag("nightly")
    void aBrowserShowsItAtPhoneAndDesktopWidth(@TempDir Path folder) throws Exception {
        Path chromium = Stream.of("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
                .map(Path::of)
                .filter(Files::isExecutable)
                .findFirst()
                .orElse(null);
        Assumptions.assumeTrue(chromium != null, "NOT LOOKED AT: no Chromium is installed here");
        Path file = folder.resolve("page.html");
        // The page reports its own measures where the dump of the document shows them.
        Files.writeString(
                file,
                page().replace(
                                "</body>",
                                "<script>document.title='width '+document.documentElement.scrollWidth+' of '+innerWidth"
                                        + "+' language '+document.documentElement.lang;</script></body>"));
        for (int width : new int[] {500, 1280}) {
            String dom =
                    browse(String.valueOf(chromium), folder, width, file.toUri().toString());
            Matcher title = Pattern.compile("<title>width (\\d+) of (\\d+) language en</title>")
                    .matcher(dom);
            assertTrue(
                    title.find(),
                    () -> "the page's script did not run: " + dom.substring(0, Math.min(300, dom.length())));
            assertTrue(
                    Integer.parseInt(title.group(1)) <= Integer.parseInt(title.group(2)),
                    "the page scrolls sideways at " + width + ": " + title.group());
        }
        assertTrue(browse(String.valueOf(chromium), folder, 1280, file.toUri() + "#c1-Add-f32")
                .contains("id=\"c1-Add-f32\" open"));
    }

    private static String browse(String chromium, Path folder, int width, String address) throws Exception {
        Path out = folder.resolve("dom.html");
        Process browser = new ProcessBuilder(
                        chromium,
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--user-data-dir=" + folder.resolve("profile"),
                        "--window-size=" + width + ",900",
                        "--lang=en",
                        "--virtual-time-budget=3000",
                        "--dump-dom",
                        address)
                .redirectOutput(out.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertTrue(browser.waitFor(60, TimeUnit.SECONDS), "the browser hangs");
        return Files.readString(out, StandardCharsets.UTF_8);
    }
}
