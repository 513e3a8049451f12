package com.acme.heng;

import dev.heng.conformance.junit.BackendConformanceKit;

final class AcmeConformanceTest extends BackendConformanceKit {
    AcmeConformanceTest() {
        super("acme");
    }
}
