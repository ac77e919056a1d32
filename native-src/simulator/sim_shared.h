// Shared memory: arrays of exact size that belong to one block each, and a pointer that counts.
#ifndef REFORMER_SIM_SHARED_H
#define REFORMER_SIM_SHARED_H

#include <cstddef>
#include <type_traits>

#include "sim_engine.h"

namespace rf {

// A pointer into shared memory. Under nvcc it is T*, so kernels can do with it what a pointer can.
// Indexing counts as an access: write `array + i`, not `&array[i]`, for an address.
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T* pointer) : pointer_(pointer) {}
  template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
  Shared(Shared<U> other) : pointer_(other.get()) {}

  template <class I>
  __forceinline__ T& operator[](I i) const {
    T* element = pointer_ + i;
    if (__builtin_expect(sim::counting, false)) sim::count_shared(element, sizeof(T));
    return *element;
  }
  __forceinline__ T& operator*() const { return (*this)[0]; }

  template <class I>
  Shared operator+(I i) const {
    return Shared(pointer_ + i);
  }
  template <class I>
  Shared operator-(I i) const {
    return Shared(pointer_ - i);
  }
  template <class I>
  Shared& operator+=(I i) {
    pointer_ += i;
    return *this;
  }

  T* get() const { return pointer_; }
  operator T*() const { return pointer_; }

 private:
  T* pointer_ = nullptr;
};

// The same memory as elements of another type.
template <class U, class T>
Shared<U> shared_cast(Shared<T> array) {
  return Shared<U>(reinterpret_cast<U*>(array.get()));
}

}  // namespace rf

// The address of the static variable tells the uses of the macro apart, also those in different
// instances of a template, which are different arrays in CUDA too.
#define RF_SHARED_ARRAY(T, name, count)                     \
  ::rf::Shared<T> name(static_cast<T*>(::sim::shared_array( \
      [] {                                                  \
        static char key;                                    \
        return &key;                                        \
      }(),                                                  \
      sizeof(T) * static_cast<size_t>(count), #name, __FILE__, __LINE__)))

#define RF_DYNAMIC_SHARED(T, name) \
  ::rf::Shared<T> name(static_cast<T*>(::sim::shared_array(nullptr, 0, #name, __FILE__, __LINE__)))

#endif
