package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The door to the audit; what it finds is tested where the tables are. */
final class AbiAuditCommandTest {

    private static final Path HEADERS = Path.of("../simulators/ascend/include");

    @Test
    void theSimulatorsHeadersPass() {
        Command.Result command = Command.run("abi-audit", "--vendor", "ascend", "--include", HEADERS.toString());
        assertEquals(0, command.code(), command.err());
        assertTrue(command.out().contains(" MATCHES"), command.out());
        assertTrue(!command.out().contains("DIFFERS"), command.out());
    }

    @Test
    void aWrongConstantEndsInStatusOneAndIsQuoted(@TempDir Path folder) throws IOException {
        Files.createDirectories(folder.resolve("acl"));
        String right = Files.readString(HEADERS.resolve("acl/acl.h"));
        Files.writeString(folder.resolve("acl/acl.h"), right.replace("ACL_BF16 = 27", "ACL_BF16 = 28"));
        Command.Result command = Command.run("abi-audit", "--vendor", "ascend", "--include", folder.toString());
        assertEquals(1, command.code(), command.err());
        assertTrue(command.out().contains("DIFFERS ACL_BF16 = 27"), command.out());
        assertTrue(command.out().contains("hicann/runtime@"), command.out());
    }

    @Test
    void mistakesOfTheUserAreNamed(@TempDir Path empty) {
        assertMistake("no backend 'nobody'", "abi-audit", "--vendor", "nobody", "--include", empty.toString());
        assertMistake("has no audit", "abi-audit", "--vendor", "cpu", "--include", empty.toString());
        assertMistake("no verdict", "abi-audit", "--vendor", "ascend", "--include", empty.toString());
        assertMistake(
                "no verdict",
                "abi-audit",
                "--vendor",
                "ascend",
                "--include",
                HEADERS.toString(),
                "--compiler",
                "no-such-compiler");
    }

    private static void assertMistake(String words, String... arguments) {
        Command.Result command = Command.run(arguments);
        assertEquals(2, command.code(), command.err());
        assertTrue(command.err().contains(words) && command.err().contains("remedy: "), command.err());
    }
}
