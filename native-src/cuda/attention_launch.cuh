// How the fast paths of attention are launched: per group of heads and per round, by head size and dropout.
#ifndef REFORMER_ATTENTION_LAUNCH_CUH
#define REFORMER_ATTENTION_LAUNCH_CUH

#include <type_traits>

#include "attention_tiles.cuh"

namespace rf {

constexpr int kMaxRun = 8;  // neighbouring chunks that one thread block takes, at most

// Which kernels serve: those for the published window, which walk over runs of chunks, or those for any.
enum class FastKernels { kBlock, kRun, kLocal };

// How the launches of an attention are cut.
struct FastBlocks {
  int64_t blocks;  // most blocks of a sequence in a round
  int rounds;
  FastKernels kernels;
};

inline FastKernels fast_kernels(const Attention& a) {
  if (a.chunk != kTileTokens || a.before != 1 || a.window_chunks != 2) {
    return FastKernels::kBlock;
  }
  return a.shared ? FastKernels::kRun : a.order == nullptr ? FastKernels::kLocal : FastKernels::kBlock;
}

inline FastBlocks fast_blocks(const Attention& a, int64_t tiles) {
  // Where all sequences are one chunk there is one round, else the tiles of 16 rows are those of a sequence of
  // several chunks.
  const bool all_whole = tiles * kAttentionTile <= a.chunk;
  const int rounds = all_whole || a.order == nullptr ? 1 : a.rounds;
  return {ceil_div(tiles, int64_t{rounds} * (kTileTokens / kAttentionTile)), rounds, fast_kernels(a)};
}

// Two waves of thread blocks before runs grow.
inline int chunks_per_run(int64_t blocks, int processors) {
  const int64_t most = blocks / (2 * processors);
  return static_cast<int>(most < 1 ? 1 : most > kMaxRun ? kMaxRun : most);
}

// Bytes of an array in a workspace of several.
inline int64_t aligned(int64_t bytes) { return ceil_div(bytes, 16) * 16; }

// Zeros for the rows behind every sequence's end, in up to three matrices, and minus infinity for their
// log-sum-exps; where there is no data nothing is written.
int launch_tail(const Attention& a, const Matrix (&targets)[3], float* lse, cudaStream_t stream);

// Queues all rounds of all groups of heads. `launch` queues one round of the heads of a group on a grid.
template <class Part>
int launch_rounds(const Attention& a, Part& g, const FastBlocks& all, int heads_per_group, int processors,
                  int (*launch)(const Attention&, const Part&, const dim3&, cudaStream_t),
                  cudaStream_t stream) {
  g.group = heads_per_group;
  for (int first = 0; first < a.heads; first += heads_per_group) {
    const int heads = min(heads_per_group, a.heads - first);
    g.first_head = first;
    g.run = all.kernels == FastKernels::kBlock ? 1 : chunks_per_run(all.blocks * heads * a.batch, processors);
    const dim3 grid(static_cast<unsigned>(ceil_div(all.blocks, g.run)), static_cast<unsigned>(heads),
                    static_cast<unsigned>(a.batch));
    for (int round = 0; round < all.rounds; ++round) {
      g.round = round;
      g.last = round == all.rounds - 1;
      if (const int status = launch(a, g, grid, stream)) {
        return status;
      }
    }
  }
  return RF_STATUS_OK;
}

// Calls f with the constant true or false.
template <class Function>
int with_constant(bool value, Function f) {
  return value ? f(std::true_type()) : f(std::false_type());
}

// Calls launch(head size, flag, whether there is dropout, whether keys of earlier rounds are left out) with
// constants; in its first round a key cannot have been met.
template <class Part, class Launch>
int with_constants(const Attention& a, const Part& part, bool flag, Launch launch) {
  const auto by_size = [&](auto size) {
    return with_constant(flag, [&](auto constant) {
      return with_constant(a.dropout.threshold != 0, [&](auto dropout) {
        return with_constant(a.distinct && part.round > 0,
                             [&](auto distinct) { return launch(size, constant, dropout, distinct); });
      });
    });
  };
  return a.size == 64 ? by_size(std::integral_constant<int, 64>()) : by_size(std::integral_constant<int, 128>());
}

// Launches a kernel that takes more shared memory than a device gives without being asked.
#define RF_LAUNCH_SHARED(status, kernel, grid, threads, bytes, stream, ...)                                   \
  do {                                                                                                        \
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);                \
    if (status == 0) {                                                                                        \
      RF_LAUNCH((kernel), grid, dim3(threads), bytes, stream, __VA_ARGS__);                                   \
      status = cudaGetLastError();                                                                            \
    }                                                                                                         \
  } while (false)

}  // namespace rf

#endif
