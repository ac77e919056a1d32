// Tiled products with asynchronous copies in two stages, ldmatrix4 and tensor core instructions,
// against scalar code.
#include "check.h"

namespace {

constexpr int kRows = 16;    // of a tile of A: one mma
constexpr int kColumns = 8;  // of a tile of B
constexpr int kDepth = 32;   // bytes of a row in a stage: k16 of bfloat16, k32 of int8
constexpr int kPitch = 48;   // of a row in shared memory: no bank conflicts
constexpr int kStage = (kRows + kColumns) * kPitch;

// d = a * b' for one warp per tile of 16 x 8. a [16 * gridDim.x, depth], b [8 * gridDim.y, depth],
// rows of `pitch` bytes; multiply() is the instruction.
template <class Sum, class Multiply>
__device__ void product(Sum* d, const unsigned char* a, const unsigned char* b, int pitch,
                        Multiply multiply) {
  RF_SHARED_ARRAY(unsigned char, stages, 2 * kStage);
  const int lane = static_cast<int>(threadIdx.x);
  const int row = static_cast<int>(blockIdx.x) * kRows;
  const int column = static_cast<int>(blockIdx.y) * kColumns;
  const int steps = pitch / kDepth;
  auto fetch = [&](int step) {
    if (step < steps) {
      // 24 rows of two times 16 bytes.
      for (int i = lane; i < 2 * (kRows + kColumns); i += warpSize) {
        const int r = i / 2;
        const unsigned char* source =
            r < kRows ? a + (row + r) * pitch : b + (column + r - kRows) * pitch;
        rf::copy_async16(stages + step % 2 * kStage + r * kPitch + i % 2 * 16,
                         source + step * kDepth + i % 2 * 16);
      }
    }
    rf::copy_async_commit();
  };
  Sum sums[4] = {};
  fetch(0);
  for (int step = 0; step < steps; ++step) {
    fetch(step + 1);
    rf::copy_async_wait<1>();
    __syncwarp();
    const rf::Shared<unsigned char> stage = stages + step % 2 * kStage;
    uint32_t left[4];
    // Blocks: rows 0-7 and 8-15 of the first half of k, then of the second half.
    rf::ldmatrix4(left, stage + lane % 16 * kPitch + lane / 16 * 16);
    uint32_t both[4];
    rf::ldmatrix4(both, stage + (kRows + lane % 8) * kPitch + lane / 8 % 2 * 16);
    const uint32_t right[2] = {both[0], both[1]};
    multiply(sums, left, right);
    __syncwarp();
  }
  const int columns = static_cast<int>(gridDim.y) * kColumns;
  for (int i = 0; i < 4; ++i) {
    const int r = row + lane / 4 + i / 2 * 8;
    rf::store(d + r * columns + column + lane % 4 * 2 + i % 2, sums[i]);
  }
}

__global__ void product_bf16(float* d, const uint16_t* a, const uint16_t* b, int pitch) {
  product(d, reinterpret_cast<const unsigned char*>(a), reinterpret_cast<const unsigned char*>(b),
          pitch, [](float(&s)[4], const uint32_t(&left)[4], const uint32_t(&right)[2]) {
            rf::mma_bf16(s, left, right);
          });
}

__global__ void product_s8(int32_t* d, const int8_t* a, const int8_t* b, int pitch) {
  product(d, reinterpret_cast<const unsigned char*>(a), reinterpret_cast<const unsigned char*>(b),
          pitch, [](int32_t(&s)[4], const uint32_t(&left)[4], const uint32_t(&right)[2]) {
            rf::mma_s8(s, left, right);
          });
}

// Numbers that look random, the same everywhere.
uint32_t next(uint32_t& state) { return (state = state * 1664525u + 1013904223u) >> 8; }

constexpr int kM = 32;
constexpr int kN = 24;
constexpr int kK = 96;

void test_bf16() {
  uint32_t state = 1;
  auto random = [&](int rows) {
    std::vector<uint16_t> v;
    for (int i = 0; i < rows * kK; ++i) {
      v.push_back(rf::to_bf16(static_cast<float>(next(state) % 2001) / 1000.0f - 1.0f));
    }
    return v;
  };
  const std::vector<uint16_t> a = random(kM);
  const std::vector<uint16_t> b = random(kN);
  const test::Device<uint16_t> device_a(a);
  const test::Device<uint16_t> device_b(b);
  test::in_all_modes([&] {
    const test::Device<float> d(kM * kN);
    RF_LAUNCH(product_bf16, dim3(kM / 16, kN / 8), 32, 0, nullptr, d.get(), device_a.get(),
              device_b.get(), kK * 2);
    const std::vector<float> got = d.values();
    for (int i = 0; i < kM; ++i) {
      for (int j = 0; j < kN; ++j) {
        float sum = 0.0f;
        for (int k = 0; k < kK; ++k) {
          sum += rf::from_bf16(a[static_cast<size_t>(i * kK + k)]) *
                 rf::from_bf16(b[static_cast<size_t>(j * kK + k)]);
        }
        CHECK(got[static_cast<size_t>(i * kN + j)] == sum);
      }
    }
  });
}

void test_s8() {
  uint32_t state = 2;
  auto random = [&](int rows) {
    std::vector<int8_t> v;
    for (int i = 0; i < rows * kK; ++i) v.push_back(static_cast<int8_t>(next(state) & 0xff));
    return v;
  };
  const std::vector<int8_t> a = random(kM);
  const std::vector<int8_t> b = random(kN);
  const test::Device<int8_t> device_a(a);
  const test::Device<int8_t> device_b(b);
  test::in_all_modes([&] {
    const test::Device<int32_t> d(kM * kN);
    RF_LAUNCH(product_s8, dim3(kM / 16, kN / 8), 32, 0, nullptr, d.get(), device_a.get(),
              device_b.get(), kK);
    const std::vector<int32_t> got = d.values();
    for (int i = 0; i < kM; ++i) {
      for (int j = 0; j < kN; ++j) {
        int sum = 0;
        for (int k = 0; k < kK; ++k) {
          sum += a[static_cast<size_t>(i * kK + k)] * b[static_cast<size_t>(j * kK + k)];
        }
        CHECK(got[static_cast<size_t>(i * kN + j)] == sum);
      }
    }
  });
}

}  // namespace

int main() {
  test_bf16();
  test_s8();
}
