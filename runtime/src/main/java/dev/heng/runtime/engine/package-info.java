/**
 * The one door for front ends: opens a model on a device and answers prompts.
 *
 * <p>Rule: it joins what the other packages do and decides nothing about numbers, files or devices itself; no other package of the runtime knows it.
 */
@NullMarked
package dev.heng.runtime.engine;

import org.jspecify.annotations.NullMarked;
