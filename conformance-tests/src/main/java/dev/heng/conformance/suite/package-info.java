/**
 * The cases: for each operator a family of graphs with inputs that make faults visible, and a judge for each.
 *
 * <p>Rule: a case is a pure function of its id and a seed; its expectation is computed here in double, never taken from the backend under test.
 */
@NullMarked
package dev.heng.conformance.suite;

import org.jspecify.annotations.NullMarked;
