/**
 * Chat templates: a conversation becomes the prompt its model was trained on.
 *
 * <p>Rule: a template is a program of somebody else and a message is text of somebody else. The program runs within limits, and the text is
 * never run: every character of the prompt knows whether the template or a value wrote it.
 */
@NullMarked
package dev.heng.runtime.template;

import org.jspecify.annotations.NullMarked;
