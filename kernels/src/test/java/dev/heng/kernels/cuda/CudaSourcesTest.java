package dev.heng.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The sources as NVRTC gets them: whole, each file once, and the modules that the build makes. */
final class CudaSourcesTest {

    @Test
    void includesEveryFileOnceAndNothingIsLeftToInclude() {
        for (CudaSources.Unit unit : CudaSources.units("sm_90a")) {
            assertFalse(unit.text().lines().anyMatch(line -> line.startsWith("#include")), unit.name());
            assertFalse(unit.text().lines().anyMatch("#pragma once"::equals), unit.name());
            List<String> beginnings = unit.text()
                    .lines()
                    .filter(line -> line.startsWith("#line 1 "))
                    .toList();
            assertEquals(beginnings.size(), Set.copyOf(beginnings).size(), unit.name() + ": " + beginnings);
        }
        CudaSources.Unit products = CudaSources.units("sm_90a").stream()
                .filter(unit -> unit.name().equals("grouped_bf16"))
                .findFirst()
                .orElseThrow();
        assertTrue(products.text().contains("struct alignas(64) TensorMap {"));
        assertTrue(products.text().contains("HENG_GROUPED(heng_grouped_bf16_wide,"));
    }

    @Test
    void hasTheModulesThatTheBuildMakes() throws IOException {
        for (String target : List.of("sm_90a", "compute_80")) {
            Path built = Path.of("target", "cuda", target, "modules.txt");
            // Without nvcc nothing was built, and there is nothing to hold the list against.
            if (Files.exists(built)) {
                Set<String> units = CudaSources.units(target).stream()
                        .map(CudaSources.Unit::name)
                        .collect(Collectors.toCollection(TreeSet::new));
                assertEquals(new TreeSet<>(Files.readAllLines(built)), units, target);
            }
        }
    }
}
