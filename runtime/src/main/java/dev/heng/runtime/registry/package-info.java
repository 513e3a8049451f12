/**
 * Finds backends, keeps what it could not use with the reason, and chooses.
 *
 * <p>Rule: nothing that a provider does wrong goes unreported, and nothing that it does wrong stops another provider, short of an exhausted
 * virtual machine. Only this package meets {@link java.util.ServiceLoader}.
 */
@NullMarked
package dev.heng.runtime.registry;

import org.jspecify.annotations.NullMarked;
