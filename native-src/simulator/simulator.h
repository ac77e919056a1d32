// CUDA for the host: kernels compiled by g++ or clang++ include this instead of the CUDA headers
// and run on the CPU, one thread at a time. No file of the CUDA toolkit is needed. See README.md.
#ifndef REFORMER_SIMULATOR_H
#define REFORMER_SIMULATOR_H

#include "sim_types.h"

#include "sim_runtime.h"

#include "sim_engine.h"

#include "sim_shared.h"

#include "sim_intrinsics.h"

#include "sim_atomics.h"

#include "sim_portable.h"

#endif
