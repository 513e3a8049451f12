package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class FormulaTest {

    @Test
    void everyFormulaIsDerivedInTheDocument() throws Exception {
        Path document = Path.of("..", "docs", "numerics.md");
        String text = Files.readString(document);
        for (Formula formula : Formula.values()) {
            assertTrue(text.contains("**" + formula + "**"), formula + " is not derived in " + document);
            assertFalse(formula.text().isBlank(), formula + " says nothing");
            assertTrue(
                    text.contains(formula.text()), formula + "'s text in " + document + " is not what results print");
        }
    }
}
