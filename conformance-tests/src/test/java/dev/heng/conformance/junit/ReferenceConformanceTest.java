package dev.heng.conformance.junit;

/** The oracle against expectations that the suite computes without it. */
final class ReferenceConformanceTest extends BackendConformanceKit {
    ReferenceConformanceTest() {
        super("reference");
    }
}
