// Kernels with one mistake each, and their correct versions: proof that every detector detects.
//
//   planted_bugs NAME           runs a kernel as SIM_ORDER and the like say; prints what is wrong
//   planted_bugs NAME orders    runs it in several orders; prints whether the results agree
//   planted_bugs correct        runs all correct versions; fails if a value is wrong
#include <cmath>
#include <cstring>
#include <functional>

#include "check.h"

namespace {

constexpr int kThreads = 64;
constexpr uint32_t kAll = 0xffffffffu;

__device__ int thread() { return static_cast<int>(threadIdx.x); }

// ---- races
// ----------------------------------------------------------------------------------------

template <bool CORRECT>
__global__ void missing_barrier(float* out) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  const int t = thread();
  tile[t] = static_cast<float>(t);
  if (CORRECT) __syncthreads();
  out[t] = tile[(t + 1) % kThreads];
}

// Neighbours read tile[t + 1] while its owner may already write the next value.
template <bool CORRECT>
__global__ void write_after_read(float* out) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  const int t = thread();
  tile[t] = static_cast<float>(t);
  __syncthreads();
  const float next = tile[(t + 1) % kThreads];
  if (CORRECT) __syncthreads();
  tile[t] = next;
  __syncthreads();
  out[t] = tile[t];
}

// The same in a block with more threads than ThreadSanitizer keeps apart.
template <bool CORRECT>
__global__ void wide_write_after_read(float* out) {
  RF_SHARED_ARRAY(float, tile, 512);
  const int t = thread();
  tile[t] = static_cast<float>(t);
  __syncthreads();
  const float next = tile[(t + 1) % 512];
  if (CORRECT) __syncthreads();
  tile[t] = next;
  __syncthreads();
  if (t < kThreads) out[t] = tile[t];
}

// The correct version exchanges inside a warp, the other one across the two warps of the block.
template <bool CORRECT>
__global__ void syncwarp_across_warps(float* out) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  const int t = thread();
  tile[t ^ 1] = static_cast<float>(t);
  __syncwarp();
  out[t] = tile[CORRECT ? t : t ^ 32];
}

// Lanes of a warp do not run in step.
template <bool CORRECT>
__global__ void missing_syncwarp(float* out) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  const int t = thread();
  tile[t ^ 1] = static_cast<float>(t);
  if (CORRECT) __syncwarp();
  out[t] = tile[t];
}

template <bool CORRECT>
__global__ void non_atomic_add(int* sum) {
  if (CORRECT) {
    atomicAdd(sum, 1);
  } else {
    *sum += 1;
  }
}

// Blocks write to the same place.
template <bool CORRECT>
__global__ void race_of_blocks(float* out) {
  if (thread() == 0) out[CORRECT ? blockIdx.x : 0] = static_cast<float>(blockIdx.x);
}

// ---- asynchronous copies
// --------------------------------------------------------------------------

template <bool CORRECT>
__global__ void missing_copy_wait(float* out, const float* in) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  const int t = thread();
  if (t < kThreads / 4) rf::copy_async16(tile + t * 4, in + t * 4);
  rf::copy_async_commit();
  if (CORRECT) rf::copy_async_wait<0>();
  __syncthreads();
  out[t] = tile[t];
}

// The copy for the step after next goes to the stage that neighbours still read.
template <bool CORRECT>
__global__ void stage_reuse(float* out, const float* in, int steps) {
  RF_SHARED_ARRAY(float, stages, 2 * kThreads);
  const int t = thread();
  auto fetch = [&](int step) {
    if (step < steps && t < kThreads / 4) {
      rf::copy_async16(stages + step % 2 * kThreads + t * 4, in + step * kThreads + t * 4);
    }
    rf::copy_async_commit();
  };
  fetch(0);
  fetch(1);
  float sum = 0.0f;
  for (int step = 0; step < steps; ++step) {
    rf::copy_async_wait<1>();
    __syncthreads();
    sum += stages[step % 2 * kThreads + (t + 1) % kThreads];
    if (CORRECT) __syncthreads();
    fetch(step + 2);
  }
  out[t] = sum;
}

template <bool CORRECT>
__global__ void misaligned_copy(const float* in) {
  RF_SHARED_ARRAY(float, tile, 8);
  if (thread() == 0) rf::copy_async16(tile + (CORRECT ? 4 : 2), in);
}

// ---- memory
// ---------------------------------------------------------------------------------------

template <bool CORRECT>
__global__ void out_of_shared(float* out, int index) {
  RF_SHARED_ARRAY(float, before, kThreads);
  RF_SHARED_ARRAY(float, tile, kThreads);
  before[thread()] = 1.0f;
  tile[thread()] = 1.0f;
  __syncthreads();
  out[thread()] = tile[CORRECT ? index - 1 : index] + before[0];
}

template <bool CORRECT>
__global__ void out_of_dynamic_shared(float* out, int index) {
  RF_DYNAMIC_SHARED(float, pieces);
  pieces[thread()] = 1.0f;
  __syncthreads();
  if (thread() == 0) pieces[CORRECT ? index - 1 : index] = 1.0f;
  out[thread()] = 1.0f;
}

template <bool CORRECT>
__global__ void out_of_global(float* out, int offset) {
  rf::store(out + thread() + (CORRECT ? 0 : offset), 1.0f);
}

template <bool CORRECT>
__global__ void out_of_local(float* out, int index) {
  volatile float values[8];
  for (int i = 0; i < 8; ++i) values[i] = 1.0f;
  __syncthreads();
  volatile float* pointer = values;  // an index of the array itself would be found without it
  out[thread()] = pointer[CORRECT ? index - 1 : index];
}

template <bool CORRECT>
__global__ void misaligned_vector(float* out, const float* in) {
  const float4 v = rf::load(reinterpret_cast<const float4*>(in + (CORRECT ? 4 : 1)));
  out[thread()] = v.x;
}

template <bool CORRECT>
__global__ void uninitialized_shared(float* out) {
  RF_SHARED_ARRAY(float, tile, kThreads);
  if (CORRECT || thread() >= 4) tile[thread()] = 1.0f;
  __syncthreads();
  out[thread()] = tile[thread()];
}

template <bool CORRECT>
__global__ void uninitialized_global(float* out, const float* unwritten, const float* in) {
  out[thread()] = CORRECT ? in[thread()] : unwritten[thread()];
}

// ---- divergence
// -----------------------------------------------------------------------------------

template <bool CORRECT>
__global__ void barrier_in_branch() {
  if (CORRECT || thread() < 32) __syncthreads();
}

template <bool CORRECT>
__global__ void different_barriers() {
  if (CORRECT || thread() < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

// 16 lanes wait in a barrier, the rest of their warp for them in a shuffle.
template <bool CORRECT>
__global__ void barrier_against_shuffle() {
  if (CORRECT || thread() % 32 >= 16) __shfl_sync(kAll, 1.0f, 0);
  __syncthreads();
  if (!CORRECT && thread() % 32 < 16) __shfl_sync(kAll, 1.0f, 0);
}

template <bool CORRECT>
__global__ void half_warp() {
  if (CORRECT || thread() % 32 < 16) __shfl_xor_sync(kAll, 1.0f, 1);
}

template <bool CORRECT>
__global__ void lane_not_in_mask() {
  __syncwarp(CORRECT ? kAll : 0xffffu);
}

template <bool CORRECT>
__global__ void exited_lane_in_mask() {
  if (thread() % 32 == 31) return;
  __ballot_sync(CORRECT ? 0x7fffffffu : kAll, 1);
}

template <bool CORRECT>
__global__ void different_masks() {
  __any_sync(CORRECT || thread() % 32 < 16 ? kAll : 0xfffffff0u, 1);
}

template <bool CORRECT>
__global__ void different_collectives() {
  if (CORRECT || thread() % 2 == 0) {
    __shfl_sync(kAll, 1.0f, 0);
  } else {
    __shfl_sync(kAll, 1.0f, 0);
  }
}

// ---- cases
// ----------------------------------------------------------------------------------------

using Values = std::vector<float>;

Values constant(float value) { return Values(kThreads, value); }
Values ramp(int first, int count) {
  Values v;
  for (int i = 0; i < count; ++i) v.push_back(static_cast<float>(first + i));
  return v;
}
Values rotated() {
  Values v = ramp(1, kThreads);
  v.back() = 0.0f;
  return v;
}

struct Case {
  const char* name;
  std::function<void(float* out, const float* in)> run;
  Values expected;
};

// The kernel, with and without its mistake.
#define CASE_OF(suffix, correct, kernel, blocks, threads, bytes, expected, ...)  \
  {#kernel suffix,                                                               \
   [](float* out, const float* in) {                                             \
     (void)out;                                                                  \
     (void)in;                                                                   \
     RF_LAUNCH(kernel<correct>, blocks, threads, bytes, nullptr, ##__VA_ARGS__); \
   },                                                                            \
   expected}
#define CASES(...) CASE_OF("", false, __VA_ARGS__), CASE_OF("_ok", true, __VA_ARGS__)

Values swapped() {
  Values v;
  for (int t = 0; t < kThreads; ++t) v.push_back(static_cast<float>(t ^ 1));
  return v;
}

// Sums over the four steps of what the neighbour copied.
Values stage_sums() {
  Values v;
  for (int t = 0; t < kThreads; ++t) {
    v.push_back(static_cast<float>(4 * ((t + 1) % kThreads) + 6 * kThreads));
  }
  return v;
}

std::vector<Case> cases() {
  return {
      CASES(missing_barrier, 1, kThreads, 0, rotated(), out),
      CASES(write_after_read, 1, kThreads, 0, rotated(), out),
      CASES(wide_write_after_read, 1, 512, 0, ramp(1, kThreads), out),
      CASES(syncwarp_across_warps, 1, kThreads, 0, swapped(), out),
      CASES(missing_syncwarp, 1, kThreads, 0, swapped(), out),
      CASES(non_atomic_add, 2, kThreads, 0, {}, reinterpret_cast<int*>(out)),
      CASES(race_of_blocks, 2, kThreads, 0, {}, out),
      CASES(missing_copy_wait, 1, kThreads, 0, ramp(0, kThreads), out, in),
      CASES(stage_reuse, 1, kThreads, 0, stage_sums(), out, in, 4),
      CASES(misaligned_copy, 1, kThreads, 0, {}, in),
      CASES(out_of_shared, 1, kThreads, 0, constant(2.0f), out, kThreads),
      CASES(out_of_dynamic_shared, 1, kThreads, kThreads * 4, constant(1.0f), out, kThreads),
      CASES(out_of_global, 1, kThreads, 0, constant(1.0f), out, 1),
      CASES(out_of_local, 1, kThreads, 0, constant(1.0f), out, 8),
      CASES(misaligned_vector, 1, kThreads, 0, {}, out, in),
      CASES(uninitialized_shared, 1, kThreads, 0, constant(1.0f), out),
      CASES(uninitialized_global, 1, kThreads, 0, ramp(0, kThreads), out,
            test::Device<float>(kThreads).get(), in),
      CASES(barrier_in_branch, 1, kThreads, 0, {}),
      CASES(different_barriers, 1, kThreads, 0, {}),
      CASES(barrier_against_shuffle, 1, kThreads, 0, {}),
      CASES(half_warp, 1, kThreads, 0, {}),
      CASES(lane_not_in_mask, 1, kThreads, 0, {}),
      CASES(exited_lane_in_mask, 1, kThreads, 0, {}),
      CASES(different_masks, 1, kThreads, 0, {}),
      CASES(different_collectives, 1, kThreads, 0, {}),
  };
}

Values run(const Case& c) {
  test::Device<float> out(kThreads);
  test::Device<float> in(ramp(0, 4 * kThreads));
  c.run(out.get(), in.get());
  CHECK(cudaGetLastError() == cudaSuccess);
  return out.values();
}

// How many values are wrong.
int run_once(const Case& c) {
  const Values values = run(c);
  int wrong = 0;
  int nan = 0;
  for (size_t i = 0; i < c.expected.size(); ++i) {
    wrong += !(values[i] == c.expected[i]);
    nan += std::isnan(values[i]);
  }
  std::printf("%s: %d values are wrong, %d are NaN\n", c.name, wrong, nan);
  return wrong;
}

void run_orders(const Case& c) {
  const Values forward = run(c);
  bool agree = true;
  for (sim::Order order : {sim::Order::kReverse, sim::Order::kRandom}) {
    sim::config().order = order;
    const Values values = run(c);
    agree = agree && std::memcmp(values.data(), forward.data(), kThreads * sizeof(float)) == 0;
  }
  std::printf("the results of different orders %s\n", agree ? "agree" : "differ");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  int found = 0;
  int wrong = 0;
  for (const Case& c : cases()) {
    const std::string kernel = c.name;
    const bool correct = kernel.size() > 3 && kernel.substr(kernel.size() - 3) == "_ok";
    if (kernel != name && !(name == "correct" && correct)) continue;
    ++found;
    if (argc > 2) {
      run_orders(c);
    } else {
      wrong += run_once(c);
    }
  }
  if (found == 0) {
    std::fprintf(stderr, "usage: planted_bugs NAME [orders]\n");
    return 2;
  }
  return name == "correct" && wrong > 0 ? 1 : 0;
}
