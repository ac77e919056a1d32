/**
 * The backends over kernel libraries of one C interface ({@link
 * org.reformer4j.binding.KernelLibrary}): {@code cuda} for NVIDIA GPUs, with matrix products
 * through cuBLASLt, and {@code cpu} for the processor. Parameters are never null unless said
 * otherwise; a backend is used by one thread at a time; memory belongs to the scope that allocated
 * it.
 */
package org.reformer4j.kernels;
