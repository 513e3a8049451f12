/**
 * Huawei's CANN, simulated on the host.
 *
 * <p>Rule: what the simulator lets pass, the documentation allows; what it refuses names the rule and its source. Its results say nothing about
 * a device's arithmetic or speed.
 */
@NullMarked
package dev.heng.simulators.ascend;

import org.jspecify.annotations.NullMarked;
