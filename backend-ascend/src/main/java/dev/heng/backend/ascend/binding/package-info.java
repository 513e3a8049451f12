/**
 * CANN's C interface: its facts as tables ({@code *.abi} beside this class's resources), its libraries, and the way to call them.
 *
 * <p>Rule: names are the vendor's, verbatim, and every fact has its source in the tables. Nothing else in the backend meets native code.
 */
@NullMarked
package dev.heng.backend.ascend.binding;

import org.jspecify.annotations.NullMarked;
