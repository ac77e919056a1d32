// What         bucket = sum over factors f_i of (f_0 * ... * f_(i-1)) * argmax [xR_i; -xR_i].
// Shapes       buckets [B, H, R, T]; x [B*T, H*K], K <= 128; float rotations [H, K, R*C] or int8 [H, R*C, K]; any
//              T, R and factors.
// Threads      blocks of kBlock tokens of one head are shared out.
// Memory       reads x once, a block while the one before is multiplied, transposed so that the lanes of a vector are
//              tokens; rotations come from the cache, and rotated vectors stay in registers.
// Determinism  integer products are exact; float products are chains of fused multiply-adds over k, as in Java,
//              also where the processor has none. The first maximum wins.
// Reference    org.reformer4j.reference.LshBuckets
// Measured     docs/benchmarks.md
#include "context.h"
#include "elements.h"
#include "product_tile.h"

namespace rf {

constexpr int kMaxHeadSize = 128;

struct LshHash {
  int32_t* buckets;
  Matrix x;
  const float* rotations;        // float mode
  const int8_t* bytes;           // integer mode
  int32_t* pairs;                // of the bytes: [H, R*C, ceil(K/2)], two int16 each, as they are multiplied
  const int32_t* key_mask;
  const int32_t* lengths;
  int64_t batch, stride, heads, head_size, rounds;
  int64_t round_columns;  // C
  int factor_count;
  int32_t padding_bucket;
  int32_t factors[RF_MAX_FACTORS];
};

RF_DECLARE_KERNEL(lsh_hash, LshHash)

namespace RF_ISA {
namespace {

constexpr int64_t kBlock = kTileColumns;
// Multiply-adds that are worth a thread.
constexpr int64_t kHashGrain = 1 << 18;

struct Block {
  int64_t batch, head, first, count;
};

// The largest so far of a token a lane, and its index.
template <class Value>
struct Best {
  Value value;
  I index;
};

// Candidates come in the order of the columns, so of equal ones the lower index may be the later one.
template <class Value>
RF_INLINE void keep_better(Best<Value>& best, Value value, I index) {
  const I better = (value > best.value) | ((value == best.value) & (index < best.index));
  best.value = better ? value : best.value;
  best.index = better ? index : best.index;
}

RF_INLINE void consider(Best<F>& best, F sum, int32_t column, int32_t columns) {
  // As in Java, a maximum that is NaN from the start is never exceeded.
  const F size = column == 0 ? (sum == sum ? abs(sum) : set(__builtin_inff())) : abs(sum);
  keep_better(best, size, sum < 0.0f ? set_int(column + columns) : set_int(column));
}

RF_INLINE void consider(Best<I>& best, I sum, int32_t column, int32_t columns) {
  keep_better(best, sum < 0 ? -sum : sum, sum < 0 ? set_int(column + columns) : set_int(column));
}

// Buckets of the tokens whose numbers are the columns of x[terms, kBlock]; rotation column j has its terms at
// rotations.data + j * rotations.row_step.
template <class Math>
void rotate(const LshHash& p, const Block& block, const typename Math::Number* x, int64_t terms,
            Rows<typename Math::Number> rotations) {
  typedef typename Math::Vector Vector;
  for (int64_t round = 0; round < p.rounds; ++round) {
    I buckets[kTileVectors] = {};
    int32_t product = 1;
    for (int f = 0; f < p.factor_count; ++f) {
      const int32_t columns = p.factors[f] / 2;
      Best<Vector> best[kTileVectors];
      for (Best<Vector>& b : best) b = {Vector{} - 1, I{}};
      product_rows<Math>(columns, rotations, x, kBlock, terms, Zero<Vector>(), [&](int64_t column, int v, Vector sum) {
        consider(best[v], sum, static_cast<int32_t>(column), columns);
      });
      for (int v = 0; v < kTileVectors; ++v) buckets[v] += product * best[v].index;
      product *= p.factors[f];
      rotations.data += columns * rotations.row_step;
    }
    int32_t* const to =
        p.buckets + ((block.batch * p.heads + block.head) * p.rounds + round) * p.stride + block.first;
    const int64_t length = p.lengths == nullptr ? p.stride : p.lengths[block.batch];
    for (int64_t i = 0; i < block.count; ++i) {
      const int64_t token = block.first + i;
      const bool hidden =
          token >= length || (p.key_mask != nullptr && p.key_mask[block.batch * p.stride + token] == 0);
      to[i] = hidden ? p.padding_bucket : buckets[i / kLanes][i % kLanes];
    }
  }
}

// The block's rows of x as [kBlock, K] floats; rows behind are zero.
void load_rows(const LshHash& p, const Block& block, float* rows, int64_t pitch) {
  const int64_t start = block.head * p.head_size;
  for (int64_t i = 0; i < kBlock; ++i) {
    const int64_t row = block.batch * p.stride + block.first + i;
    for (int64_t k = 0; k < pitch; k += kLanes) {
      const bool exists = i < block.count && k < p.head_size;
      store(rows + i * pitch + k, exists ? load_elements(p.x, row, start + k, start + p.head_size) : F{});
    }
  }
}

// Of a block, before its rows are needed.
void fetch_rows(const LshHash& p, const Block& block) {
  const char* const x = static_cast<const char*>(p.x.data);
  const int64_t bytes = type_bytes(p.x.type);
  for (int64_t i = 0; i < block.count; ++i) {
    const int64_t row = block.batch * p.stride + block.first + i;
    const char* const from = x + (row * p.x.stride + block.head * p.head_size) * bytes;
    for (int64_t at = 0; at < p.head_size * bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
  }
}

// q = rint(x * scale) of a token a lane.
RF_INLINE U quantised(F x, F scale) {
  const F kept = min(max(x * scale, set(-16384.0f)), set(16384.0f));
  return bits<U>(to_int(x == x ? kept : F{}));
}

// Pairs of numbers out of columns[2 * terms, kBlock]. The scale is 2^(13 - E), such that the largest number of a token
// lands in 2^13 .. 2^14; an infinity becomes the largest value, NaN becomes 0.
void quantise(int32_t* to, const float* columns, int64_t terms) {
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    F high = {};
    for (int64_t k = 0; k < 2 * terms; ++k) {
      const F x = load(columns + k * kBlock + i);
      high = max(high, x == x ? abs(x) : F{});
    }
    const I exponent = (bits<I>(high) >> 23) - 127;
    const F scale = bits<F>((127 + 13 - (exponent < -114 ? set_int(-114) : exponent)) << 23);
    for (int64_t k = 0; k < terms; ++k) {
      const U low = quantised(load(columns + 2 * k * kBlock + i), scale);
      const U next = quantised(load(columns + (2 * k + 1) * kBlock + i), scale);
      store_ints(to + k * kBlock + i, bits<I>((low & 0xffffu) | next << 16));
    }
  }
}

typedef int8_t Bytes __attribute__((vector_size(2 * kLanes)));
typedef int16_t Shorts __attribute__((vector_size(4 * kLanes)));

// Two terms of a rotation side by side.
void pair(const LshHash& p, Range columns) {
  const int64_t terms = (p.head_size + 1) / 2;
  for (int64_t column = columns.from; column < columns.to; ++column) {
    const int8_t* const from = p.bytes + column * p.head_size;
    int32_t* const to = p.pairs + column * terms;
    int64_t k = 0;
    for (; 2 * (k + kLanes) <= p.head_size; k += kLanes) {
      Bytes bytes;
      __builtin_memcpy(&bytes, from + 2 * k, sizeof bytes);
      store_ints(to + k, bits<I>(__builtin_convertvector(bytes, Shorts)));
    }
    for (; k < terms; ++k) {
      const int low = from[2 * k];
      const int high = 2 * k + 1 < p.head_size ? from[2 * k + 1] : 0;
      to[k] = static_cast<int32_t>((static_cast<uint32_t>(low) & 0xffffu) | static_cast<uint32_t>(high) << 16);
    }
  }
}

// Block `index` of all; the heads of some tokens follow each other.
Block block_at(const LshHash& p, int64_t index) {
  const int64_t blocks = (p.stride + kBlock - 1) / kBlock;
  const int64_t first = index / p.heads % blocks * kBlock;
  const int64_t rest = p.stride - first;
  return {index / p.heads / blocks, index % p.heads, first, rest < kBlock ? rest : kBlock};
}

void hash(const LshHash& p, Range own) {
  alignas(64) float rows[kBlock * kMaxHeadSize];
  alignas(64) float columns[kBlock * kMaxHeadSize];
  alignas(64) int32_t numbers[kBlock * kMaxHeadSize / 2];
  const int64_t pitch = (p.head_size + kLanes - 1) / kLanes * kLanes;
  const int64_t all_columns = p.rounds * p.round_columns;
  for (int64_t b = own.from; b < own.to; ++b) {
    const Block block = block_at(p, b);
    load_rows(p, block, rows, pitch);
    if (b + 1 < own.to) fetch_rows(p, block_at(p, b + 1));
    for (int64_t i = 0; i < kBlock; i += kLanes) {
      for (int64_t k = 0; k < pitch; k += kLanes) {
        transpose(columns + k * kBlock + i, kBlock, rows + i * pitch + k, pitch);
      }
    }
    if (p.bytes == nullptr) {
      rotate<Exact>(p, block, columns, p.head_size,
                    {p.rotations + block.head * p.head_size * all_columns, 1, all_columns});
    } else {
      const int64_t terms = (p.head_size + 1) / 2;
      quantise(numbers, columns, terms);
      rotate<Pairs>(p, block, numbers, terms, {p.pairs + block.head * all_columns * terms, terms, 1});
    }
  }
}

}  // namespace

void lsh_hash(rf_context& context, const LshHash& p) {
  const int64_t blocks = (p.stride + kBlock - 1) / kBlock;
  const int64_t work = p.batch * p.stride * p.heads * p.head_size * p.rounds * p.round_columns;
  parallel(context, work, kHashGrain, [&](const Team& team) {
    if (p.bytes != nullptr) {
      pair(p, team.share(p.heads * p.rounds * p.round_columns));
      team.barrier();
    }
    hash(p, team.share(p.batch * p.heads * blocks));
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_lsh_hash(rf_context* context, int32_t* buckets, const void* x, int64_t x_stride, int x_type,
                           const void* rotations, int rotation_type, const int32_t* key_mask, const int32_t* lengths,
                           int batch, int stride, int heads, int head_size, int rounds, const int32_t* factors,
                           int factor_count) {
  using namespace rf;
  if (head_size > kMaxHeadSize || factor_count > RF_MAX_FACTORS) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (batch == 0 || stride == 0 || heads == 0 || rounds == 0) {
    return RF_STATUS_OK;
  }
  LshHash p = {};
  p.buckets = buckets;
  p.x = matrix(x, x_stride, x_type);
  p.key_mask = key_mask;
  p.lengths = lengths;
  p.batch = batch;
  p.stride = stride;
  p.heads = heads;
  p.head_size = head_size;
  p.rounds = rounds;
  p.factor_count = factor_count;
  p.padding_bucket = 1;
  for (int f = 0; f < factor_count; ++f) {
    p.factors[f] = factors[f];
    p.padding_bucket *= factors[f];
    p.round_columns += factors[f] / 2;
  }
  if (rotation_type != RF_I8) {
    p.rotations = static_cast<const float*>(rotations);
  } else {
    const int64_t pairs = int64_t{heads} * rounds * p.round_columns * ((head_size + 1) / 2);
    p.bytes = static_cast<const int8_t*>(rotations);
    p.pairs = static_cast<int32_t*>(scratch(*context, static_cast<size_t>(pairs) * 4));
    if (p.pairs == nullptr) {
      return take_status(*context);
    }
  }
  RF_RUN(*context, lsh_hash, p);
  return take_status(*context);
}
#endif
