// What the engine tells the sanitizers; nothing in a build without them. The engine itself is never
// instrumented: it switches stacks, and its own data would only give false reports.
//
// ThreadSanitizer takes every CUDA thread for a thread of its own: one fiber each, switches that do
// not order anything, and a release and an acquire for what really orders threads.
#ifndef REFORMER_SIM_SANITIZERS_H
#define REFORMER_SIM_SANITIZERS_H

#include <cstddef>

#if defined(RF_SIM_ADDRESS)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(RF_SIM_THREAD)
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace sim {

#if defined(RF_SIM_ADDRESS)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

#if defined(RF_SIM_THREAD)

constexpr bool kThreadSanitizer = true;

inline void happens_before(void* address) { __tsan_release(address); }
inline void happens_after(void* address) { __tsan_acquire(address); }

// Hides what the engine does on behalf of a thread: calls of memcpy, malloc and free are seen even
// where the engine's own instructions are not.
class Quiet {
 public:
  Quiet() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Quiet() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

#else

constexpr bool kThreadSanitizer = false;

inline void happens_before(void*) {}
inline void happens_after(void*) {}

class Quiet {
 public:
  Quiet() {}
  ~Quiet() {}
};

#endif

}  // namespace sim

#endif
