/**
 * What a value is: element types, shapes with symbolic dimensions, and the storage formats of quantised weights.
 *
 * <p>Rule: a type states sizes and layouts exactly, in elements or bytes as each method says; it never holds data.
 */
@NullMarked
package dev.heng.spi.tensor;

import org.jspecify.annotations.NullMarked;
