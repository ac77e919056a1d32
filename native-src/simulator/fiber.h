// Stacks that a CUDA thread can be left on while it waits.
#ifndef REFORMER_SIM_FIBER_H
#define REFORMER_SIM_FIBER_H

#include <cstddef>

namespace sim {

struct Fiber {
  void* stack_pointer = nullptr;  // saved while another fiber runs
  char* stack = nullptr;          // lowest byte; null for the stack of the launching OS thread
  size_t stack_bytes = 0;
  void* thread_sanitizer = nullptr;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

// Makes a fiber without a stack of its own stand for the calling OS thread.
void adopt_thread(Fiber& fiber);
// A fiber with a stack and a guard page below it.
Fiber* create_fiber(size_t stack_bytes);
void destroy_fiber(Fiber* fiber);
// Makes the next switch to the fiber call entry(), which must never return. Whatever was on the
// stack is forgotten. ThreadSanitizer gets a new thread, created by the calling one.
void prepare_fiber(Fiber& fiber, void (*entry)());
// Takes that thread away from ThreadSanitizer.
void forget_thread(Fiber& fiber);
// Goes on with `to`; returns when another fiber switches back.
void switch_fiber(Fiber& from, Fiber& to);
// Goes on with `to` for good.
[[noreturn]] void leave_fiber(Fiber& from, Fiber& to);

}  // namespace sim

#endif
