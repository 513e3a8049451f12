/**
 * The {@code heng} command.
 *
 * <p>Rule: no logic of its own; it parses flags, calls the runtime or the conformance kit, and turns errors into one message.
 */
@NullMarked
package dev.heng.cli;

import org.jspecify.annotations.NullMarked;
