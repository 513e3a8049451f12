package dev.heng.conformance.junit;

/** The backend {@code cpu}, as a vendor would write it. */
final class CpuConformanceTest extends BackendConformanceKit {
    CpuConformanceTest() {
        super("cpu");
    }
}
