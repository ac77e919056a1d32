// The library, its context and memory.
#include "context.h"

#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <new>

namespace rf {

namespace {

constexpr int kMaxThreads = 1024;

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines with more processors than the set has places for.
  const int count = sched_getaffinity(0, sizeof set, &set) == 0
                        ? CPU_COUNT(&set)
                        : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
}

// The number in the first line of a file that begins with `key`, or -1.
int64_t number_in(const char* path, const char* key) {
  std::FILE* const file = std::fopen(path, "re");
  if (file == nullptr) {
    return -1;
  }
  char line[256];
  long long number = -1;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, key, std::strlen(key)) == 0) {
      std::sscanf(line + std::strlen(key), "%lld", &number);
      break;
    }
  }
  std::fclose(file);
  return number;
}

// What the machine has, and no more than the control group allows.
void measure_memory(rf_context* context) {
  context->total = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  const int64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  context->available = kilobytes < 0 ? context->total : kilobytes * 1024;
  const int64_t limit = number_in("/sys/fs/cgroup/memory.max", "");
  const int64_t taken = number_in("/sys/fs/cgroup/memory.current", "");
  if (limit >= 0 && limit < context->total) {
    context->total = limit;
    const int64_t rest = limit - (taken < 0 ? 0 : taken);
    context->available = rest < context->available ? rest : context->available;
  }
  context->available = context->available < 0 ? 0 : context->available;
}

// Copies of many rows are shared out; below this many bytes a thread is not worth it.
constexpr int64_t kCopyGrain = 1 << 20;

struct Rows {
  char* target;
  int64_t target_pitch;
  const char* source;
  int64_t source_pitch, row_bytes, rows;
};

int move(rf_context* context, void* target, int64_t target_pitch, const void* source,
         int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  if (rows == 0 || row_bytes == 0) {
    return RF_STATUS_OK;
  }
  Rows p = {static_cast<char*>(target), target_pitch, static_cast<const char*>(source), source_pitch,
            row_bytes, rows};
  if (rows == 1 || (target_pitch == row_bytes && source_pitch == row_bytes)) {
    // One piece: cut into rows of a page.
    const int64_t bytes = rows * row_bytes;
    const int64_t page = 4096;
    if (bytes >= 2 * kCopyGrain) {
      const int64_t pages = bytes / page;
      std::memcpy(p.target + pages * page, p.source + pages * page, static_cast<size_t>(bytes % page));
      p = {p.target, page, p.source, page, page, pages};
    } else {
      p.row_bytes = bytes;
      p.rows = 1;
    }
  }
  parallel(*context, p.rows * p.row_bytes, kCopyGrain, [&](const Team& team) {
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) {
      std::memcpy(p.target + row * p.target_pitch, p.source + row * p.source_pitch,
                  static_cast<size_t>(p.row_bytes));
    }
  });
  return take_status(*context);
}

}  // namespace

void* scratch(rf_context& context, size_t bytes) {
  if (bytes > context.scratch_bytes) {
    context.arena.free(context.scratch);
    context.scratch = context.arena.allocate(bytes);
    context.scratch_bytes = context.scratch == nullptr ? 0 : bytes;
    if (context.scratch == nullptr) {
      context.status = kOutOfMemory;
    }
  }
  return context.scratch;
}

}  // namespace rf

extern "C" {

int rf_abi_version(void) { return RF_ABI_VERSION; }

const char* rf_description(void) { return "CPU kernels"; }

int rf_device_count(int* count) {
  *count = 1;
  return RF_STATUS_OK;
}

const char* rf_status_name(int status) {
  switch (status) {
    case RF_STATUS_OK:
      return "RF_STATUS_OK";
    case RF_STATUS_UNSUPPORTED:
      return "RF_STATUS_UNSUPPORTED";
    case RF_STATUS_HOST_MEMORY:
      return "RF_STATUS_HOST_MEMORY";
    case rf::kOutOfMemory:
      return "outOfMemory";
    case rf::kInvalidDevice:
      return "invalidDevice";
    default:
      return "unknown";
  }
}

const char* rf_status_text(int status) {
  switch (status) {
    case RF_STATUS_OK:
      return "no error";
    case RF_STATUS_UNSUPPORTED:
      return "there is no kernel for these types or sizes, or not for the instruction set that RF_CPU_ISA names";
    case RF_STATUS_HOST_MEMORY:
      return "the host has no memory or no threads left";
    case rf::kOutOfMemory:
      return "the machine has no memory left";
    case rf::kInvalidDevice:
      return "the only device is number 0";
    default:
      return "a number that is no status";
  }
}

int rf_status_fatal(int) { return 0; }

int rf_context_create(int device, rf_context** out) {
  *out = nullptr;
  if (device != 0) {
    return rf::kInvalidDevice;
  }
  rf_context* const context = new (std::nothrow) rf_context;
  if (context == nullptr) {
    return RF_STATUS_HOST_MEMORY;
  }
  if (!rf::choose_isa(&context->isa)) {
    delete context;
    return RF_STATUS_UNSUPPORTED;
  }
  context->bf16 = context->isa == rf::Isa::avx512 && rf::has_bf16_products();
  context->pool.set_threads(rf::usable_processors());
  rf::measure_memory(context);
  *out = context;
  return RF_STATUS_OK;
}

int rf_context_destroy(rf_context* context) {
  delete context;
  return RF_STATUS_OK;
}

void* rf_context_stream(rf_context*) { return nullptr; }

int rf_context_threads(rf_context* context, int threads) {
  if (threads < 1 || threads > rf::kMaxThreads) {
    return RF_STATUS_UNSUPPORTED;
  }
  context->pool.set_threads(threads);
  return RF_STATUS_OK;
}

int64_t rf_context_cache(rf_context*) { return 0; }

int rf_context_computes(rf_context* context, int type) {
  return type == RF_F32 || (type == RF_BF16 && context->bf16) ? 1 : 0;
}

int rf_context_describe(rf_context* context, char* text, int capacity) {
  std::snprintf(text, static_cast<size_t>(capacity), "CPU, %s%s, %d threads", rf::isa_name(context->isa),
                context->bf16 ? ", bfloat16" : "", context->pool.threads());
  return RF_STATUS_OK;
}

int rf_synchronize(rf_context*) { return RF_STATUS_OK; }

int rf_timer_start(rf_context* context) {
  context->timing = true;
  context->started = std::chrono::steady_clock::now();
  return RF_STATUS_OK;
}

int rf_timer_stop(rf_context* context, double* seconds) {
  *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - context->started).count();
  return context->timing ? RF_STATUS_OK : RF_STATUS_UNSUPPORTED;
}

int rf_record_begin(rf_context*) { return RF_STATUS_UNSUPPORTED; }

int rf_record_end(rf_context*, void** recording) {
  if (recording != nullptr) {
    *recording = nullptr;
  }
  return RF_STATUS_UNSUPPORTED;
}

int rf_replay(rf_context*, void*) { return RF_STATUS_UNSUPPORTED; }

int rf_recording_destroy(rf_context*, void*) { return RF_STATUS_UNSUPPORTED; }

int rf_allocate(rf_context* context, int64_t bytes, void** address) {
  *address = nullptr;
  // The system promises more than it has; this does not.
  if (bytes > context->total - context->arena.used()) {
    return rf::kOutOfMemory;
  }
  try {
    *address = context->arena.allocate(bytes > 0 ? static_cast<size_t>(bytes) : 0);
  } catch (const std::bad_alloc&) {
    return RF_STATUS_HOST_MEMORY;
  }
  return *address == nullptr ? rf::kOutOfMemory : RF_STATUS_OK;
}

int rf_free(rf_context* context, void* address) {
  context->arena.free(address);
  return RF_STATUS_OK;
}

int rf_memory(rf_context* context, int64_t* free_bytes, int64_t* total_bytes) {
  const int64_t rest = context->available - context->arena.used();
  *free_bytes = rest < 0 ? 0 : rest;
  *total_bytes = context->total;
  return RF_STATUS_OK;
}

int rf_upload(rf_context* context, void* target, int64_t target_pitch, const void* source,
              int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  return rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows);
}

int rf_download(rf_context* context, void* target, int64_t target_pitch, const void* source,
                int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  return rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows);
}

int rf_copy(rf_context* context, void* target, int64_t target_pitch, const void* source,
            int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  return rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows);
}

}  // extern "C"
