/**
 * The suite as a JUnit class that a vendor extends in one line.
 *
 * <p>Rule: a run of the class in which nothing was executed fails.
 */
@NullMarked
package dev.heng.conformance.junit;

import org.jspecify.annotations.NullMarked;
