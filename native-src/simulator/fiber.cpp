#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "sanitizers.h"

// RF_SIM_UCONTEXT: the portable switch, for tests of it.
#if !defined(__x86_64__) && !defined(RF_SIM_UCONTEXT)
#define RF_SIM_UCONTEXT
#endif
#if defined(RF_SIM_UCONTEXT)
#include <ucontext.h>
#endif

namespace sim {
namespace {

constexpr size_t kGuard = 64 * 1024;  // a multiple of every page size in use

void (*g_entry)() = nullptr;
Fiber* g_launcher = nullptr;

void start() {
#if defined(RF_SIM_ADDRESS)
  // The first switch away from the launching thread tells where its stack lies.
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (g_launcher->stack_bytes == 0) {
    g_launcher->stack = static_cast<char*>(const_cast<void*>(bottom));
    g_launcher->stack_bytes = bytes;
  }
#endif
  g_entry();
  std::abort();
}

}  // namespace

#if !defined(RF_SIM_UCONTEXT)

// Saves the registers that a call preserves, changes stacks, restores. `pop; jmp` instead of `ret`:
// the processor would predict a return to the wrong place, which costs as much as all the rest.
// ucontext makes two system calls per switch and is 90 times slower.
extern "C" void rf_sim_switch(void** save, void* load);
asm(R"(
.text
.hidden rf_sim_switch
.globl rf_sim_switch
.type rf_sim_switch, @function
rf_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
.size rf_sim_switch, .-rf_sim_switch
)");

namespace {

void switch_stacks(Fiber& from, Fiber& to) { rf_sim_switch(&from.stack_pointer, to.stack_pointer); }

void prepare_stack(Fiber& fiber) {
  void** top = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes);
  *--top = nullptr;  // a return address for start(), so that its stack is aligned as after a call
  *--top = reinterpret_cast<void*>(&start);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
}

void release_context(Fiber&) {}

}  // namespace

#else

namespace {

ucontext_t* context(Fiber& fiber) {
  if (fiber.stack_pointer == nullptr) fiber.stack_pointer = new ucontext_t;
  return static_cast<ucontext_t*>(fiber.stack_pointer);
}

void switch_stacks(Fiber& from, Fiber& to) { swapcontext(context(from), context(to)); }

void prepare_stack(Fiber& fiber) {
  ucontext_t* c = context(fiber);
  getcontext(c);
  c->uc_stack.ss_sp = fiber.stack;
  c->uc_stack.ss_size = fiber.stack_bytes;
  c->uc_link = nullptr;
  makecontext(c, &start, 0);
}

void release_context(Fiber& fiber) { delete static_cast<ucontext_t*>(fiber.stack_pointer); }

}  // namespace

#endif

void adopt_thread(Fiber& fiber) {
  g_launcher = &fiber;
  fiber.stack = nullptr;  // unknown until the first switch
  fiber.stack_bytes = 0;
#if defined(RF_SIM_THREAD)
  fiber.thread_sanitizer = __tsan_get_current_fiber();
#endif
}

Fiber* create_fiber(size_t stack_bytes) {
  void* memory = mmap(nullptr, kGuard + stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuard, PROT_NONE) != 0) {
    std::fprintf(stderr, "simulator: no memory for the stack of a CUDA thread\n");
    std::abort();
  }
  Fiber* fiber = new Fiber;
  fiber->stack = static_cast<char*>(memory) + kGuard;
  fiber->stack_bytes = stack_bytes;
  return fiber;
}

void forget_thread(Fiber& fiber) {
#if defined(RF_SIM_THREAD)
  if (fiber.thread_sanitizer != nullptr) __tsan_destroy_fiber(fiber.thread_sanitizer);
#endif
  fiber.thread_sanitizer = nullptr;
}

void destroy_fiber(Fiber* fiber) {
  forget_thread(*fiber);
  release_context(*fiber);
  munmap(fiber->stack - kGuard, kGuard + fiber->stack_bytes);
  delete fiber;
}

void prepare_fiber(Fiber& fiber, void (*entry)()) {
  g_entry = entry;
#if defined(RF_SIM_THREAD)
  fiber.thread_sanitizer = __tsan_create_fiber(0);
#endif
#if defined(RF_SIM_ADDRESS)
  // Frames that were left for good have not removed the poison around their variables.
  __asan_unpoison_memory_region(fiber.stack, fiber.stack_bytes);
#endif
  prepare_stack(fiber);
}

void switch_fiber(Fiber& from, Fiber& to) {
#if defined(RF_SIM_THREAD)
  __tsan_switch_to_fiber(to.thread_sanitizer, 1);  // 1: the switch orders nothing
#endif
#if defined(RF_SIM_ADDRESS)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  switch_stacks(from, to);
#if defined(RF_SIM_ADDRESS)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void leave_fiber(Fiber& from, Fiber& to) {
#if defined(RF_SIM_THREAD)
  __tsan_switch_to_fiber(to.thread_sanitizer, 1);
#endif
#if defined(RF_SIM_ADDRESS)
  __sanitizer_start_switch_fiber(nullptr, to.stack, to.stack_bytes);
#endif
  switch_stacks(from, to);
  std::abort();
}

}  // namespace sim
