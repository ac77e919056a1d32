/**
 * Kernel libraries opened at run time, and their functions. Nothing is loaded before it has been
 * found to be whole: a damaged file gives a {@link org.reformer4j.binding.LibraryException}, not
 * the end of the process. Parameters are never null; addresses belong to the caller.
 */
package org.reformer4j.binding;
