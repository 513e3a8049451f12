/**
 * What config.json says, checked and in one vocabulary for every family.
 *
 * <p>Rule: a {@link dev.heng.runtime.config.ModelConfig} that exists is consistent; whatever is missing, unknown or impossible ended in one
 * {@link dev.heng.runtime.HengException} that names the file and the field. An absent key takes the default of the family's own configuration class
 * only where that default is certain; nothing is guessed from sizes or names.
 */
@NullMarked
package dev.heng.runtime.config;

import org.jspecify.annotations.NullMarked;
