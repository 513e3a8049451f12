/**
 * What happens to nodes that a device declines: by default nothing runs and the error lists them; on demand a second device executes them.
 *
 * <p>Rule: nothing moves to another device unless the user has said so, and the plan then names the executor of each node and every copy.
 */
@NullMarked
package dev.heng.runtime.fallback;

import org.jspecify.annotations.NullMarked;
