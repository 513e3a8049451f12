package dev.heng.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The arrows of docs/architecture.md. Every module but the simulators and the benchmarks is on the class path here. */
final class ArchitectureTest {

    private static final String[] JAVA = {"java..", "javax..", "jdk..", "com.sun.management..", "org.jspecify.."};

    private static JavaClasses heng = new ClassFileImporter().importClasses();

    @BeforeAll
    static void readClasses() {
        heng = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("dev.heng");
    }

    /** A rule about a room without classes would hold whatever it says, so the rooms that have code must be seen. */
    @Test
    void everyRoomWithCodeIsSeen() {
        for (String room : List.of("spi", "kernels", "backend.reference", "backend.cpu", "runtime", "cli")) {
            assertTrue(
                    heng.stream().anyMatch(type -> isIn(type, "dev.heng." + room)),
                    "no class of dev.heng." + room + " was imported");
        }
    }

    private static boolean isIn(JavaClass type, String root) {
        return type.getPackageName().equals(root) || type.getPackageName().startsWith(root + ".");
    }

    private static ArchRule room(String room, String... mayUse) {
        String own = "dev.heng." + room + "..";
        String[] allowed = Stream.of(Stream.of(own), Arrays.stream(JAVA), Arrays.stream(mayUse))
                .flatMap(all -> all)
                .toArray(String[]::new);
        return classes()
                .that()
                .resideInAPackage(own)
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(allowed)
                .allowEmptyShould(true);
    }

    @Test
    void spiDependsOnNothingButTheBaseModuleAndNullness() {
        DescribedPredicate<JavaClass> allowed =
                DescribedPredicate.describe("are of the spi, of java.base or of JSpecify", type -> {
                    JavaClass element = type.getBaseComponentType();
                    return element.isPrimitive()
                            || isIn(element, "dev.heng.spi")
                            || isIn(element, "org.jspecify")
                            || isInJavaBase(element);
                });
        classes()
                .that()
                .resideInAPackage("dev.heng.spi..")
                .should()
                .onlyDependOnClassesThat(allowed)
                .check(heng);
    }

    private static boolean isInJavaBase(JavaClass type) {
        try {
            return "java.base"
                    .equals(Class.forName(type.getName(), false, null)
                            .getModule()
                            .getName());
        } catch (ClassNotFoundException notOfThePlatform) {
            return false;
        }
    }

    @Test
    void kernelsUseJnaOnly() {
        room("kernels", "com.sun.jna..").check(heng);
    }

    @Test
    void backendsUseTheContractAndKernelsOnly() {
        // reference and cpu live in one room; a vendor's backend knows no other backend.
        room("backend.reference", "dev.heng.spi..", "dev.heng.kernels..").check(heng);
        room("backend.cpu", "dev.heng.spi..", "dev.heng.kernels..", "dev.heng.backend.reference..")
                .check(heng);
        for (String vendor : List.of("cuda", "ascend", "cambricon")) {
            room("backend." + vendor, "dev.heng.spi..", "dev.heng.kernels..", "com.sun.jna..")
                    .check(heng);
        }
    }

    @Test
    void runtimeUsesTheContractAndItsLibrariesOnly() {
        room("runtime", "dev.heng.spi..", "com.fasterxml.jackson..", "ai.djl..").check(heng);
    }

    @Test
    void conformanceUsesTheContractAndTheRuntimeOnly() {
        room(
                        "conformance",
                        "dev.heng.spi..",
                        "dev.heng.runtime..",
                        "com.fasterxml.jackson..",
                        "org.junit..",
                        "org.opentest4j..")
                .check(heng);
    }

    @Test
    void commandNamesNoBackend() {
        room(
                        "cli",
                        "dev.heng.spi..",
                        "dev.heng.runtime..",
                        "dev.heng.conformance..",
                        "com.fasterxml.jackson..",
                        "picocli..",
                        "org.jline..")
                .check(heng);
    }

    @Test
    void jnaIsUsedByBindingsAndKernelsOnly() {
        noClasses()
                .that()
                .resideOutsideOfPackages("..binding..", "dev.heng.kernels..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.sun.jna..")
                .check(heng);
    }

    @Test
    void familiesKnowGraphsAndNeitherBackendsNorTheirRegistry() {
        noClasses()
                .that()
                .resideInAPackage("dev.heng.runtime.family..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "dev.heng.backend..",
                        "dev.heng.runtime.registry..",
                        "dev.heng.runtime.engine..",
                        "dev.heng.runtime.generate..",
                        "dev.heng.runtime.tokenizer..",
                        "dev.heng.spi")
                .allowEmptyShould(true)
                .check(heng);
    }

    @Test
    void checkpointsKnowNoGraphs() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.heng.runtime.checkpoint..", "dev.heng.runtime.config..", "dev.heng.runtime.tokenizer..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "dev.heng.runtime.family..",
                        "dev.heng.runtime.generate..",
                        "dev.heng.runtime.engine..",
                        "dev.heng.runtime.registry..")
                .check(heng);
    }

    @Test
    void onlyTheRegistryMeetsServiceLoader() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.heng.runtime.registry")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.util.ServiceLoader")
                .check(heng);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("dev.heng.(**)").should().beFreeOfCycles().check(heng);
    }
}
