// What         out = softmax over the listed rows of (q . key) * value, one query per (sequence, head). Keys
//              are q' / (rms(q') sqrt K) of shared query-keys q', or k / sqrt K. A row listed twice counts twice.
// Shapes       out, queries [B, H*K]; keys, values [S, H*K], K <= 128; rows [B, H, R, W], negative for none;
//              own [B] or null: that row is skipped, and is the result where nothing else is listed.
// Threads      (sequence, head) pairs are shared out.
// Memory       reads each listed row of keys and of values once; kLanes rows are fetched while those before them are
//              multiplied, for they lie scattered. Scores of a list stay in the first cache.
// Determinism  rows in the order of the list, kLanes of them side by side.
// Reference    org.reformer4j.reference.DecodeAttention
// Measured     docs/benchmarks.md
#include "attention.h"

namespace rf {

// Elements of listed rows that are worth a thread, if it has to be woken first.
constexpr int64_t kListGrain = 1 << 18;

struct Decode {
  Matrix out;
  HeadRows queries, keys, values;
  int type;  // of queries, keys and values
  const int32_t* rows;
  const int32_t* own;
  const float* head_mask;
  int64_t batch, heads, size, entries;
  bool shared;
};

RF_DECLARE_KERNEL(decode_attention, Decode)

namespace RF_ISA {
namespace {

// Sums of a value that stay in registers: 64 columns, or half of them in the baseline.
constexpr int kSums = kLanes == 16 ? 4 : 8;

// What a thread keeps of one list.
struct List {
  float* weights;
  int32_t* found;

  List(Arrays& arrays, int64_t entries)
      : weights(arrays.floats(round_up(entries, kLanes))), found(arrays.ints(entries)) {}
};

// x[i] times y[i] for kLanes pairs of rows; 0 where x[i] is null.
template <class Number>
RF_INLINE F row_products(const Number* const* x, const Number* const* y, int64_t size) {
  alignas(64) float parts[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int i = 0; i < kLanes; ++i) {
    F total = {};
    for (int64_t d = 0; x[i] != nullptr && d < size; d += kLanes) {
      total = fma(load_row_part(x[i], d, size), load_row_part(y[i], d, size), total);
    }
    store(parts + i * kLanes, total);
  }
  transpose_square(turned, kLanes, parts, kLanes);
  F total = {};
  for (int i = 0; i < kLanes; ++i) total += load(turned + i * kLanes);
  return total;
}

// Number: that of queries, keys and values, float or the bits of a bfloat16.
template <class Number>
class Head {
 public:
  Head(const Decode& p, const List& list, int64_t index)
      : p_(p),
        list_(list),
        batch_(index / p.heads),
        column_(index % p.heads * p.size),
        rows_(p.rows + index * p.entries),
        factor_(p.head_mask == nullptr ? 1.0f : p.head_mask[index % p.heads]) {}

  void attend() {
    const int32_t self = p_.own == nullptr ? -1 : p_.own[batch_];
    count_ = 0;
    for (int64_t i = 0; i < p_.entries; ++i) {
      if (rows_[i] >= 0 && rows_[i] != self) list_.found[count_++] = rows_[i];
    }
    if (count_ == 0) {
      alone(self);
      return;
    }
    scores();
    const float share = factor_ / softmax();
    int64_t column = 0;
    for (; column + kSums * kLanes <= p_.size; column += kSums * kLanes) average<true>(column, share);
    if (column < p_.size) average<false>(column, share);
  }

 private:
  const Number* row_at(const HeadRows& rows, int64_t row) const {
    return reinterpret_cast<const Number*>(rows.data) + row * rows.stride + column_;
  }
  void put(int64_t d, F value) const { store_elements(p_.out, batch_, column_ + d, column_ + p_.size, value); }

  void alone(int32_t self) {
    for (int64_t d = 0; d < p_.size; d += kLanes) {
      const F value = self < 0 ? F{} : load_row_part(row_at(p_.values, self), d, p_.size);
      put(d, value * factor_);
    }
  }

  // Fetches the values of the listed rows first .. first + kLanes - 1, and the keys of those behind them.
  void fetch(int64_t first) const {
    for (int64_t i = first; i < count_ && i < first + kLanes; ++i) {
      const Number* const value = row_at(p_.values, list_.found[i]);
      for (int64_t d = 0; d < p_.size; d += kLine) __builtin_prefetch(value + d, 0, 2);
      if (i + kLanes < count_) {
        const Number* const key = row_at(p_.keys, list_.found[i + kLanes]);
        for (int64_t d = 0; d < p_.size; d += kLine) __builtin_prefetch(key + d);
      }
    }
  }

  // weights[i] = query . key i; behind the last one minus infinity.
  void scores() {
    const Number* query[kLanes];
    for (int i = 0; i < kLanes; ++i) query[i] = row_at(p_.queries, batch_);
    const float size = static_cast<float>(p_.size);
    for (int64_t first = 0; first < count_; first += kLanes) {
      const Number* key[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        key[i] = first + i < count_ ? row_at(p_.keys, list_.found[first + i]) : nullptr;
      }
      fetch(first);
      const F squares = p_.shared ? (row_products(key, key, p_.size) / size + kKeyEpsilon) * size : set(size);
      const F score = row_products(key, query, p_.size) / sqrt(squares);
      store(list_.weights + first, first_lanes(count_ - first) ? score : set(-__builtin_inff()));
    }
  }

  // weights[i] = exp(weights[i] - the largest); returns their sum.
  float softmax() {
    F most = set(-__builtin_inff());
    for (int64_t i = 0; i < count_; i += kLanes) most = max(most, load(list_.weights + i));
    const float high = maximum(most);
    F total = {};
    for (int64_t i = 0; i < count_; i += kLanes) {
      const F weight = exp(load(list_.weights + i) - high);
      store(list_.weights + i, weight);
      total += weight;
    }
    return sum(total);
  }

  // Columns column .. column + kSums * kLanes - 1 of the result, WHOLE where there are as many.
  template <bool WHOLE>
  void average(int64_t column, float share) {
    F sums[kSums] = {};
    for (int64_t i = 0; i < count_; ++i) {
      const Number* const value = row_at(p_.values, list_.found[i]);
      const F weight = set(list_.weights[i]);
#pragma GCC unroll 8
      for (int v = 0; v < kSums; ++v) {
        const int64_t d = column + v * kLanes;
        sums[v] = fma(weight, load_row_part(value, d, WHOLE ? d + kLanes : p_.size), sums[v]);
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kSums; ++v) {
      if (column + v * kLanes < p_.size) put(column + v * kLanes, sums[v] * share);
    }
  }

  const Decode& p_;
  const List& list_;
  const int64_t batch_, column_;
  const int32_t* const rows_;
  const float factor_;
  int64_t count_ = 0;
  static constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Number));
};

}  // namespace

void decode_attention(rf_context& context, const Decode& p) {
  const int64_t lists = p.batch * p.heads;
  const int64_t wanted = context.pool.threads_for(2 * lists * p.entries * p.size, kListGrain);
  const int threads = static_cast<int>(wanted < lists ? wanted : lists);
  Arrays counted(nullptr);
  List(counted, p.entries);
  const int64_t bytes = counted.bytes();
  char* const memory = static_cast<char*>(scratch(context, static_cast<size_t>(bytes * threads)));
  if (memory == nullptr) {
    return;
  }
  const bool run = context.pool.run(threads, [&](const Team& team) {
    Arrays arrays(memory + team.thread * bytes);
    const List list(arrays, p.entries);
    const Range own = team.share(lists);
    for (int64_t i = own.from; i < own.to; ++i) {
      p.type == RF_BF16 ? Head<uint16_t>(p, list, i).attend() : Head<float>(p, list, i).attend();
    }
  });
  if (!run) {
    context.status = RF_STATUS_HOST_MEMORY;
  }
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_decode_attention(rf_context* context, void* out, int64_t out_stride, int out_type,
                                   const void* queries, int64_t query_stride, const void* keys, int64_t key_stride,
                                   const void* values, int64_t value_stride, int input_type, const int32_t* rows,
                                   const int32_t* own, const float* head_mask, int batch, int heads, int head_size,
                                   int rounds, int window, int shared_keys) {
  using namespace rf;
  if (head_size > kAttentionMaxSize || (input_type != RF_F32 && input_type != RF_BF16) ||
      int64_t{rounds} * window > INT32_MAX / 2) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (batch == 0 || heads == 0) {
    return RF_STATUS_OK;
  }
  const Decode p = {matrix(out, out_stride, out_type),
                    head_rows(queries, query_stride),
                    head_rows(keys, key_stride),
                    head_rows(values, value_stride),
                    input_type,
                    rows,
                    own,
                    head_mask,
                    batch,
                    heads,
                    head_size,
                    int64_t{rounds} * window,
                    shared_keys != 0};
  RF_RUN(*context, decode_attention, p);
  return take_status(*context);
}
#endif
