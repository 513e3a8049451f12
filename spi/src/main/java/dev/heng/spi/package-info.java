/**
 * x
 */
@NullMarked
package dev.heng.spi;

import org.jspecify.annotations.NullMarked;
