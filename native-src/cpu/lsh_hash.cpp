// What         bucket = sum over factors f_i of (f_0 * ... * f_(i-1)) * argmax [xR_i; -xR_i].
// Shapes       buckets [B, H, R, T]; x [B*T, H*K], K <= 128; float rotations [H, K, R*C] or int8 [H, R*C, K]; any
//              T, R and factors.
// Threads      blocks of kBlock tokens of one head are shared out.
// Memory       reads x once, transposed so that the lanes of a vector are tokens; rotations come from the cache,
//              and rotated vectors stay in registers.
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
  const float* rotations;       // float mode
  const int32_t* pairs;         // integer mode: [H, R*C, ceil(K/2)], two int16 each
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

// q = rint(x * 2^(13 - E)) of one row, E such that the largest lands in 2^13 .. 2^14; an infinity becomes the
// largest value, NaN becomes 0.
void quantise(float* row, int64_t pitch) {
  F high = {};
  for (int64_t k = 0; k < pitch; k += kLanes) high = max(high, load(row + k) == load(row + k) ? abs(load(row + k)) : F{});
  const int exponent = static_cast<int>(bits<uint32_t>(maximum(high)) >> 23) - 127;
  const float scale = bits<float>(static_cast<uint32_t>(127 + 13 - (exponent < -114 ? -114 : exponent)) << 23);
  for (int64_t k = 0; k < pitch; k += kLanes) {
    const F x = load(row + k);
    const F kept = min(max(x * scale, set(-16384.0f)), set(16384.0f));
    store(row + k, bits<F>(to_int(x == x ? kept : F{})));
  }
}

}  // namespace

void lsh_hash(rf_context& context, const LshHash& p) {
  const int64_t blocks = (p.stride + kBlock - 1) / kBlock;
  const int64_t pitch = (p.head_size + kLanes - 1) / kLanes * kLanes;
  const int64_t work = p.batch * p.stride * p.heads * p.head_size * p.rounds * p.round_columns;
  parallel(context, work, kHashGrain, [&](const Team& team) {
    alignas(64) float rows[kBlock * kMaxHeadSize];
    alignas(64) float columns[kBlock * kMaxHeadSize];
    alignas(64) int32_t quantised[kBlock * kMaxHeadSize / 2];
    const Range own = team.share(p.batch * p.heads * blocks);
    for (int64_t b = own.from; b < own.to; ++b) {
      const int64_t first = b % blocks * kBlock;
      const int64_t rest = p.stride - first;
      const Block block = {b / blocks / p.heads, b / blocks % p.heads, first, rest < kBlock ? rest : kBlock};
      load_rows(p, block, rows, pitch);
      if (p.pairs != nullptr) {
        for (int64_t i = 0; i < kBlock; ++i) quantise(rows + i * pitch, pitch);
      }
      for (int64_t i = 0; i < kBlock; i += kLanes) {
        for (int64_t k = 0; k < pitch; k += kLanes) {
          transpose(columns + k * kBlock + i, kBlock, rows + i * pitch + k, pitch);
        }
      }
      const int64_t all_columns = p.rounds * p.round_columns;
      if (p.pairs == nullptr) {
        rotate<Exact>(p, block, columns, p.head_size,
                      {p.rotations + block.head * p.head_size * all_columns, 1, all_columns});
        continue;
      }
      const int64_t terms = (p.head_size + 1) / 2;
      for (int64_t k = 0; k < terms; ++k) {
        for (int64_t i = 0; i < kBlock; i += kLanes) {
          const U low = bits<U>(load(columns + 2 * k * kBlock + i));
          const U high = bits<U>(load(columns + (2 * k + 1) * kBlock + i));
          store_ints(quantised + k * kBlock + i, bits<I>((low & 0xffffu) | high << 16));
        }
      }
      rotate<Pairs>(p, block, quantised, terms, {p.pairs + block.head * all_columns * terms, terms, 1});
    }
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
    // Two terms of a rotation side by side, as they are multiplied.
    const int64_t columns = int64_t{heads} * rounds * p.round_columns;
    const int64_t terms = (head_size + 1) / 2;
    int32_t* const pairs = static_cast<int32_t*>(scratch(*context, static_cast<size_t>(columns * terms) * 4));
    if (pairs == nullptr) {
      return take_status(*context);
    }
    const int8_t* const from = static_cast<const int8_t*>(rotations);
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t k = 0; k < terms; ++k) {
        const int8_t* const two = from + column * head_size + 2 * k;
        const int low = two[0];
        const int high = 2 * k + 1 < head_size ? two[1] : 0;
        pairs[column * terms + k] = static_cast<int32_t>((static_cast<uint32_t>(low) & 0xffffu) |
                                                         static_cast<uint32_t>(high) << 16);
      }
    }
    p.pairs = pairs;
  }
  RF_RUN(*context, lsh_hash, p);
  return take_status(*context);
}
#endif
