package dev.heng.backend.ascend;

import dev.heng.conformance.junit.BackendConformanceKit;

/** The suite against the simulated A2. */
final class AscendConformanceTest extends BackendConformanceKit {
    AscendConformanceTest() {
        super("ascend");
    }
}
