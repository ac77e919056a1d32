// A kernel library opened at run time: one pointer for every function of reformer_kernels.h, named
// like it. For whoever calls kernels from C++, such as the Java binding.
#ifndef REFORMER_LIBRARY_H
#define REFORMER_LIBRARY_H

#include <dlfcn.h>

#include <cstdio>
#include <new>

#include "reformer_kernels.h"

// Every function of reformer_kernels.h; a test compares this list with that file.
#define RF_FUNCTIONS(X)                \
  X(rf_abi_version)                    \
  X(rf_description)                    \
  X(rf_device_count)                   \
  X(rf_status_name)                    \
  X(rf_status_text)                    \
  X(rf_status_fatal)                   \
  X(rf_context_create)                 \
  X(rf_context_destroy)                \
  X(rf_context_stream)                 \
  X(rf_context_threads)                \
  X(rf_context_cache)                  \
  X(rf_context_describe)               \
  X(rf_context_computes)               \
  X(rf_synchronize)                    \
  X(rf_timer_start)                    \
  X(rf_timer_stop)                     \
  X(rf_record_begin)                   \
  X(rf_record_end)                     \
  X(rf_replay)                         \
  X(rf_recording_destroy)              \
  X(rf_allocate)                       \
  X(rf_free)                           \
  X(rf_memory)                         \
  X(rf_upload)                         \
  X(rf_download)                       \
  X(rf_copy)                           \
  X(rf_fill)                           \
  X(rf_multiply_adds)                  \
  X(rf_gemm)                           \
  X(rf_residual_norm)                  \
  X(rf_layer_norm_backward_workspace)  \
  X(rf_layer_norm_backward)            \
  X(rf_residual_backward_workspace)    \
  X(rf_residual_backward)              \
  X(rf_feed_forward_workspace)         \
  X(rf_feed_forward)                   \
  X(rf_feed_forward_backward_workspace) \
  X(rf_feed_forward_backward)          \
  X(rf_activation)                     \
  X(rf_activation_backward_workspace)  \
  X(rf_activation_backward)            \
  X(rf_lsh_hash)                       \
  X(rf_lsh_sort_workspace)             \
  X(rf_lsh_sort)                       \
  X(rf_lsh_runs)                       \
  X(rf_attention_fast)                 \
  X(rf_attention_workspace)            \
  X(rf_attention)                      \
  X(rf_attention_backward_workspace)   \
  X(rf_attention_backward)             \
  X(rf_decode_attention)               \
  X(rf_store_rows)                     \
  X(rf_decode_lists_workspace)         \
  X(rf_decode_lists)                   \
  X(rf_index_check)                    \
  X(rf_sum_of_squares_workspace)       \
  X(rf_sum_of_squares)                 \
  X(rf_adam_w)                         \
  X(rf_cross_entropy)                  \
  X(rf_embed)                          \
  X(rf_embed_backward_workspace)       \
  X(rf_embed_backward)                 \
  X(rf_adafactor_workspace)            \
  X(rf_adafactor)

// An open library. Never freed: code of a library may run as long as the process does.
struct rf_library {
  void* handle;
#define RF_MEMBER(name) decltype(&::name) name;
  RF_FUNCTIONS(RF_MEMBER)
#undef RF_MEMBER
};

namespace rf_library_detail {

template <class Function>
bool find(void* handle, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(handle, name));
  return *function != nullptr;
}

// Finds all functions; returns the name of the first one that is missing, or null.
inline const char* find_all(rf_library* library) {
#define RF_FIND(name) \
  if (!find(library->handle, #name, &library->name)) return #name;
  RF_FUNCTIONS(RF_FIND)
#undef RF_FIND
  return nullptr;
}

}  // namespace rf_library_detail

// Opens the library in a file. Returns 0, or -1 with the reason in message, a text of capacity bytes
// that ends with 0. The version is asked before anything else is looked up, so that a library of
// another version says so instead of naming some function that it lacks.
inline int rf_library_open(const char* path, rf_library** out, char* message, int capacity) {
  const auto size = static_cast<std::size_t>(capacity);
  *out = nullptr;
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    std::snprintf(message, size, "%s", reason != nullptr ? reason : "dlopen gives no reason");
    return -1;
  }
  decltype(&::rf_abi_version) version = nullptr;
  if (!rf_library_detail::find(handle, "rf_abi_version", &version)) {
    std::snprintf(message, size, "is no kernel library: rf_abi_version is missing");
    dlclose(handle);
    return -1;
  }
  if (version() != RF_ABI_VERSION) {
    std::snprintf(message, size, "has ABI version %d, needed is %d", version(), RF_ABI_VERSION);
    dlclose(handle);
    return -1;
  }
  auto* library = new (std::nothrow) rf_library{};
  if (library == nullptr) {
    std::snprintf(message, size, "no host memory");
    dlclose(handle);
    return -1;
  }
  library->handle = handle;
  const char* missing = rf_library_detail::find_all(library);
  if (missing != nullptr) {
    std::snprintf(message, size, "lacks the function %s", missing);
    delete library;
    dlclose(handle);
    return -1;
  }
  *out = library;
  return 0;
}

#endif
