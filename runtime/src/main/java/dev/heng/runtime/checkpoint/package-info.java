/**
 * Weights as they lie on disk: safetensors files by memory map, and the catalogue that says how each stored tensor stands for a weight.
 *
 * <p>Rule: a file is evidence and not a promise. Every size, offset, type and name in it is checked before it is used, nothing is allocated by a number that a
 * file states, and what does not fit ends in one {@link dev.heng.runtime.HengException} that names file and tensor. Bytes stay where they are mapped.
 */
@NullMarked
package dev.heng.runtime.checkpoint;

import org.jspecify.annotations.NullMarked;
