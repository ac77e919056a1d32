/**
 * The backend for NVIDIA GPUs: own kernels through {@link org.reformer4j.binding.KernelLibrary},
 * matrix products through cuBLASLt. Parameters are never null unless said otherwise; a backend is
 * used by one thread at a time; device memory belongs to the scope that allocated it.
 */
package org.reformer4j.cuda;
