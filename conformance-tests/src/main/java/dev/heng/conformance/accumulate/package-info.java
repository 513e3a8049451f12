/**
 * Matrix units on paper: profiles of accumulation and a CPU emulator that follows them bit for bit.
 *
 * <p>Rule: the emulator computes with integers and exact double operations only, so that what it returns is the profile's answer and not the host's.
 */
@NullMarked
package dev.heng.conformance.accumulate;

import org.jspecify.annotations.NullMarked;
