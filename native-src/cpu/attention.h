// What both directions of the attention share: their arguments, and how they are run. Its parts:
//   attention_places.h   which token stands at a place of the sorted list, what a query may see, who does which chunks
//   attention_distinct.h keys that a query has met in an earlier round
//   attention_rows.h     tiles of gathered rows, their norms, dropout factors
//   attention_softmax.h  exponentials and logarithms
//
// Tiles are transposed where a vector is wanted: the lanes of scores are queries, so that a softmax has no sums
// across lanes.
#ifndef REFORMER_CPU_ATTENTION_H
#define REFORMER_CPU_ATTENTION_H

#include "attention_distinct.h"
#include "attention_places.h"
#include "attention_rows.h"
#include "attention_softmax.h"

namespace rf {
namespace RF_ISA {

RF_INLINE int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

// Cells of a gathered row.
RF_INLINE int64_t row_cells(int64_t size) { return kPerCell == 1 ? round_up(size, kTileColumns) : size / kPerCell; }

// A thread's arrays, one after the other in its part of the scratch memory. Without memory it only counts.
class Arrays {
 public:
  explicit Arrays(char* memory) : memory_(memory) {}

  float* floats(int64_t count) { return reinterpret_cast<float*>(take(count * 4)); }
  int32_t* ints(int64_t count) { return reinterpret_cast<int32_t*>(take(count * 4)); }
  int64_t bytes() const { return bytes_; }

 private:
  char* take(int64_t bytes) {
    char* const at = memory_ == nullptr ? nullptr : memory_ + bytes_;
    // Half a line more than whole pages apart, so that arrays do not want the same cache lines.
    bytes_ += round_up(bytes, 256) + 256;
    return at;
  }

  char* memory_;
  int64_t bytes_ = 0;
};

// Runs body(team, memory) on as many threads as the work is worth, each with a Memory(arrays, a, largest chunk) of its
// own in the scratch memory.
template <class Memory, class Body>
RF_INLINE void run_attention(rf_context& context, const Attention& a, const Body& body) {
  const int64_t largest = largest_chunk(a);
  const int threads = context.pool.threads_for(work_of(a), kAttentionGrain);
  Arrays counted(nullptr);
  Memory(counted, a, largest);
  const int64_t bytes = counted.bytes();
  char* const scratch_memory = static_cast<char*>(scratch(context, static_cast<size_t>(bytes * threads)));
  if (scratch_memory == nullptr) {
    return;
  }
  const bool run = context.pool.run(threads, [&](const Team& team) {
    Arrays arrays(scratch_memory + team.thread * bytes);
    const Memory memory(arrays, a, largest);
    body(team, memory);
  });
  if (!run) {
    context.status = RF_STATUS_HOST_MEMORY;
  }
}

}  // namespace RF_ISA

// The names of RF_ATTENTION's parameters, to pass them on.
#define RF_ATTENTION_NAMES                                                                         \
  queries, queries_stride, keys, keys_stride, values, values_stride, input_type, order, \
      run_places, distinct, sequences, key_mask, head_mask, batch, stride, heads, head_size, rounds, chunk, chunks_before,          \
      window_chunks, causal, shared, tiles, heads_per_group, dropout_seed, dropout_step,           \
      dropout_stream, dropout_threshold, dropout_scale, dropout_first_row

static inline HeadRows head_rows(const void* data, int64_t stride) {
  return {static_cast<float*>(const_cast<void*>(data)), stride};
}

// What rf_attention_fast says of bfloat16 rows: more than of floats, for it wants another workspace.
constexpr int kFastHalves = 2;

// Whether bfloat16 rows are multiplied as such: whole vectors of pairs, and whole pairs of places.
static inline int has_fast_attention(int head_size, int chunk, int64_t alignment) {
  const bool fits = head_size % 32 == 0 && head_size <= kAttentionMaxSize && chunk % 2 == 0 && alignment % 16 == 0;
  return fits && has_bf16_products() ? kFastHalves : 0;
}

static inline int64_t alignment_of(const HeadRows& rows) {
  return reinterpret_cast<intptr_t>(rows.data) | rows.stride * 2;
}

static inline int64_t alignment_of(const Attention& a) {
  return alignment_of(a.queries) | alignment_of(a.keys) | alignment_of(a.values);
}

static inline int attention_arguments(Attention* a, RF_ATTENTION) {
  if (head_size > kAttentionMaxSize || run_places < 0 || run_places % chunk != 0 || (input_type != RF_F32 && input_type != RF_BF16) || tiles < 0 ||
      heads_per_group < 1) {
    return RF_STATUS_UNSUPPORTED;
  }
  *a = {head_rows(queries, queries_stride),
        head_rows(shared != 0 ? queries : keys, shared != 0 ? queries_stride : keys_stride),
        head_rows(values, values_stride),
        order,
        run_places,
        distinct != 0,
        sequences,
        key_mask,
        head_mask,
        batch,
        stride,
        heads,
        head_size,
        rounds,
        chunk,
        chunks_before,
        window_chunks,
        causal != 0,
        shared != 0,
        RF_DROPOUT_ARGUMENTS};
  return RF_STATUS_OK;
}

}  // namespace rf

#endif
