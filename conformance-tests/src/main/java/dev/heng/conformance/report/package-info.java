/**
 * Writes what a run found, for people and for machines.
 *
 * <p>Rule: a report is written beside its place and renamed into it, and says nothing that the run did not find.
 */
@NullMarked
package dev.heng.conformance.report;

import org.jspecify.annotations.NullMarked;
