/**
 * One GPU: context, stream, memory, modules and graphs, with checked calls.
 *
 * <p>Rule: every status of the driver becomes a {@code BackendException} that names the function, the status and what to do; nothing here knows graphs of operators.
 */
@NullMarked
package dev.heng.backend.cuda.device;

import org.jspecify.annotations.NullMarked;
