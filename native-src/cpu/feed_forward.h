// What both directions of the feed-forward share: its arguments, and how a thread walks over rows.
#ifndef REFORMER_CPU_FEED_FORWARD_H
#define REFORMER_CPU_FEED_FORWARD_H

#include "context.h"
#include "elements.h"

namespace rf {

struct FeedForward {
  float* out;
  int64_t out_stride;
  const float* x;
  int64_t x_stride;
  const float* w1;  // [F, D]
  int64_t w1_stride;
  const float* b1;
  const float* w2;  // [D, F]
  int64_t w2_stride;
  int function;
  int64_t rows, hidden, inner;  // N, D, F
  Dropout dropout;
  void* workspace;
};

struct FeedForwardBackward {
  FeedForward forward;  // out may be null
  float *dx, *dw1, *db1, *dw2;
  int64_t dx_stride, dw1_stride, dw2_stride;
  const float* d_out;
  int64_t d_out_stride;
  int64_t chunk;  // rows whose hidden values exist at once
};

// The same of bfloat16 factors; out and dx are RF_F32 or RF_BF16.
struct FeedForwardBf16 {
  Matrix out;
  const uint16_t* x;
  int64_t x_stride;
  const uint16_t* w1;
  int64_t w1_stride;
  const float* b1;
  const uint16_t* w2;
  int64_t w2_stride;
  int function;
  int64_t rows, hidden, inner;
  Dropout dropout;
  void* workspace;
};

struct FeedForwardBackwardBf16 {
  FeedForwardBf16 forward;  // out may be null
  Matrix dx;
  float *dw1, *db1, *dw2;
  int64_t dw1_stride, dw2_stride;
  const uint16_t* d_out;
  int64_t d_out_stride;
  int64_t chunk;
};

struct FeedForwardSize {
  int64_t chunk, hidden, inner;
  int64_t* bytes;
};

RF_DECLARE_KERNEL(feed_forward, FeedForward)
RF_DECLARE_KERNEL(feed_forward_size, FeedForwardSize)
RF_DECLARE_KERNEL(feed_forward_backward, FeedForwardBackward)
RF_DECLARE_KERNEL(feed_forward_backward_size, FeedForwardSize)
RF_DECLARE_BF16_KERNEL(feed_forward_bf16, FeedForwardBf16)
RF_DECLARE_BF16_KERNEL(feed_forward_bf16_size, FeedForwardSize)
RF_DECLARE_BF16_KERNEL(feed_forward_backward_bf16, FeedForwardBackwardBf16)
RF_DECLARE_BF16_KERNEL(feed_forward_backward_bf16_size, FeedForwardSize)

namespace RF_ISA {

// Multiply-adds that are worth a thread.
constexpr int64_t kFeedForwardGrain = 1 << 18;
// Of a thread's block of hidden values, which stays in the second cache.
constexpr int64_t kBlockFloats = 96 * 1024;

// Rows of a block: whole tiles of `tile`.
static inline int64_t block_rows(int64_t inner, int64_t tile) {
  const int64_t tiles = kBlockFloats / inner / tile;
  return (tiles < 1 ? 1 : tiles > 16 ? 16 : tiles) * tile;
}

// Parts of a workspace, one after the other; begun at null, only counted.
class Parts {
 public:
  explicit Parts(void* begin) : begin_(static_cast<char*>(begin)) {}

  template <class Number>
  Number* take(int64_t count) {
    char* const at = begin_ == nullptr ? nullptr : begin_ + bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(Number)) + 255) / 256 * 256;
    return reinterpret_cast<Number*>(at);
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* begin_;
  int64_t bytes_ = 0;
};

}  // namespace RF_ISA
}  // namespace rf

#endif
