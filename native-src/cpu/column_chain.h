// Sums over the rows of a matrix, a column one chain over the rows from what is there on: the bits of the reference,
// also where the rows come in several calls.
//
// A chain cannot be cut, and threads that own columns of a row-major matrix fetch each other's lines. So blocks of rows
// are worked on by rows, and leave their terms in the cache; the columns of a block are summed there while the next one
// comes from memory.
#ifndef REFORMER_CPU_COLUMN_CHAIN_H
#define REFORMER_CPU_COLUMN_CHAIN_H

#include "context.h"
#include "elements.h"

namespace rf {
namespace RF_ISA {

// Terms of a thread between two barriers: a part of the second cache; alone, of the first.
constexpr int64_t kChainTerms = 1 << 16;
constexpr int64_t kChainTermsAlone = 1 << 10;
// Vectors of columns side by side: chains that hide each other's latency.
constexpr int kChains = 4;

// sums[column] += terms[0][column] + ... + terms[rows - 1][column], one after the other, for the columns of `own`.
static inline void add_chains(float* sums, const float* terms, int64_t pitch, int64_t rows, Range own) {
  int64_t column = own.from;
  for (; column + kChains * kLanes <= own.to; column += kChains * kLanes) {
    F sum[kChains];
#pragma GCC unroll 4
    for (int v = 0; v < kChains; ++v) sum[v] = load(sums + column + v * kLanes);
    for (int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < kChains; ++v) sum[v] += load(terms + row * pitch + column + v * kLanes);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kChains; ++v) store(sums + column + v * kLanes, sum[v]);
  }
  for (; column < own.to; column += kLanes) {
    F sum = load_row(sums, column, own.to);
    for (int64_t row = 0; row < rows; ++row) sum += load(terms + row * pitch + column);
    store_elements({sums, 0, RF_F32}, 0, column, own.to, sum);
  }
}

// Every thread makes a Rows(problem) of its own and calls row(index, terms) for its rows, which writes whole vectors of
// terms, and end().
template <class Rows, class Problem>
static inline void chain_columns(rf_context& context, const Problem& problem, float* sums, int64_t count,
                                 int64_t columns) {
  const int threads = context.pool.threads_for(count * columns, kElementGrain);
  const int64_t pitch = (columns + kLanes - 1) / kLanes * kLanes;
  const int64_t wanted = (threads == 1 ? kChainTermsAlone : kChainTerms) / pitch;
  const int64_t block = threads * (wanted < 1 ? 1 : wanted);
  // Two blocks: terms of the one before may still be summed by others.
  float* const terms = static_cast<float*>(scratch(context, static_cast<size_t>(2 * block * pitch) * sizeof(float)));
  if (terms == nullptr) {
    return;
  }
  const bool run = context.pool.run(threads, [&](const Team& team) {
    Rows rows(problem);
    const Range columns_to_sum = team.share(columns, 16);
    // Of the block before, of which nothing is summed yet.
    int64_t waiting = 0;
    for (int64_t first = 0, turn = 0; first < count; first += block, turn = 1 - turn) {
      const int64_t height = count - first < block ? count - first : block;
      float* const fresh = terms + turn * block * pitch;
      const float* const before = terms + (1 - turn) * block * pitch;
      const Range own = team.share(height);
      int64_t summed = 0;
      for (int64_t i = own.from; i < own.to; ++i) {
        rows.row(first + i, fresh + i * pitch);
        const int64_t end = waiting * (i + 1 - own.from) / (own.to - own.from);
        add_chains(sums, before + summed * pitch, pitch, end - summed, columns_to_sum);
        summed = end;
      }
      add_chains(sums, before + summed * pitch, pitch, waiting - summed, columns_to_sum);
      waiting = height;
      team.barrier();
      if (first + block >= count) {
        add_chains(sums, fresh, pitch, height, columns_to_sum);
      }
    }
    rows.end();
  });
  if (!run) {
    context.status = RF_STATUS_HOST_MEMORY;
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
