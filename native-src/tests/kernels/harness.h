// What the kernel tests share: a device, buffers with guard rows, random numbers, and checks that name
// the case. The same programs run over the simulator and on a card.
#ifndef REFORMER_TESTS_HARNESS_H
#define REFORMER_TESTS_HARNESS_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "reformer_kernels.h"

namespace test {

// Fewer and smaller cases: race detection costs 0.2 ms per simulated thread.
inline bool small() { return std::getenv("RF_TEST_SMALL") != nullptr; }

inline int failures = 0;
inline long checks = 0;

inline void fail(const std::string& message) {
  if (++failures <= 20) {
    std::fprintf(stderr, "FAILED %s\n", message.c_str());
  }
}

inline void check(bool condition, const std::string& message) {
  ++checks;
  if (!condition) {
    fail(message);
  }
}

inline void ok(int status, const std::string& what) {
  check(status == 0, what + ": " + rf_status_name(status) + ": " + rf_status_text(status));
}

// What nothing can go on without.
inline void require(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "%s: %s: %s\n", what, rf_status_name(status), rf_status_text(status));
    std::exit(1);
  }
}

template <class T>
void same(const std::vector<T>& actual, const std::vector<T>& expected, const std::string& what) {
  check(actual.size() == expected.size(), what + ": sizes differ");
  for (size_t i = 0; i < expected.size() && i < actual.size(); ++i) {
    ++checks;
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0) {
      fail(what + " at " + std::to_string(i) + ": got " + std::to_string(actual[i]) +
           ", expected " + std::to_string(expected[i]));
      return;
    }
  }
}

// |actual - expected| <= tolerance * (1 + |expected|)
inline void nearly(const std::vector<float>& actual, const std::vector<double>& expected,
                  double tolerance, const std::string& what) {
  check(actual.size() == expected.size(), what + ": sizes differ");
  for (size_t i = 0; i < expected.size() && i < actual.size(); ++i) {
    ++checks;
    const double difference = std::fabs(static_cast<double>(actual[i]) - expected[i]);
    if (!(difference <= tolerance * (1 + std::fabs(expected[i])))) {
      fail(what + " at " + std::to_string(i) + ": got " + std::to_string(actual[i]) +
           ", expected " + std::to_string(expected[i]));
      return;
    }
  }
}

class Device {
 public:
  Device() { require(rf_context_create(0, &context), "rf_context_create"); }
  ~Device() { ok(rf_context_destroy(context), "rf_context_destroy"); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  rf_context* context = nullptr;
};

// Device memory, freed at the end.
class Block {
 public:
  Block(Device& device, int64_t bytes) : device_(device) {
    require(rf_allocate(device.context, bytes, &address), "rf_allocate");
  }
  ~Block() { ok(rf_free(device_.context, address), "rf_free"); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void* address = nullptr;

 private:
  Device& device_;
};

inline uint16_t bf16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float bf16_value(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float x;
  std::memcpy(&x, &wide, 4);
  return x;
}

inline float rounded(float x, int type) { return type == RF_BF16 ? bf16_value(bf16_bits(x)) : x; }

// A matrix on the device of a type, with a row stride; values are given and returned as floats, and
// fixed point as integers.
class Matrix {
 public:
  Matrix(Device& device, int type, int64_t rows, int64_t columns, int64_t stride)
      : type(type),
        stride(stride),
        block_(device, (rows * stride + offset) * bytes(type)),
        device_(device),
        rows_(rows),
        columns_(columns) {}

  Matrix(Device& device, int type, int64_t rows, int64_t columns)
      : Matrix(device, type, rows, columns, columns) {}

  static int64_t bytes(int type) { return type == RF_BF16 ? 2 : type == RF_I8 ? 1 : 4; }

  void* data() const { return static_cast<char*>(block_.address) + offset * bytes(type); }
  float* floats() const { return static_cast<float*>(data()); }
  int32_t* ints() const { return static_cast<int32_t*>(data()); }

  void put(const std::vector<float>& values) {
    if (type == RF_BF16) {
      std::vector<uint16_t> bits(values.size());
      for (size_t i = 0; i < values.size(); ++i) bits[i] = bf16_bits(values[i]);
      upload(bits.data());
    } else {
      upload(values.data());
    }
  }
  void put(const std::vector<int32_t>& values) { upload(values.data()); }
  void put(const std::vector<int8_t>& values) { upload(values.data()); }

  std::vector<float> get() const {
    if (type == RF_BF16) {
      std::vector<uint16_t> bits(count());
      download(bits.data());
      std::vector<float> values(count());
      for (size_t i = 0; i < values.size(); ++i) values[i] = bf16_value(bits[i]);
      return values;
    }
    std::vector<float> values(count());
    download(values.data());
    return values;
  }
  std::vector<int32_t> get_ints() const {
    std::vector<int32_t> values(count());
    download(values.data());
    return values;
  }

  const int type;
  const int64_t stride;

 private:
  // An offset of elements that keeps rows apart from the start of the allocation.
  static constexpr int64_t offset = 0;

  size_t count() const { return static_cast<size_t>(rows_ * columns_); }
  void upload(const void* source) {
    ok(rf_upload(device_.context, data(), stride * bytes(type), source, columns_ * bytes(type),
                 columns_ * bytes(type), rows_),
       "rf_upload");
  }
  void download(void* target) const {
    ok(rf_download(device_.context, target, columns_ * bytes(type), data(), stride * bytes(type),
                   columns_ * bytes(type), rows_),
       "rf_download");
  }

  Block block_;
  Device& device_;
  int64_t rows_, columns_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  float normal() { return normal_(engine_); }
  int below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(engine_); }
  std::vector<float> normals(int64_t count, int type = RF_F32, float scale = 1.0f) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = rounded(scale * normal(), type);
    return values;
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

// Factors of a dropout mask, written from the definition in org.reformer4j.api.Philox.
struct Dropout {
  uint64_t seed = 0;
  uint32_t step = 0, stream = 0, threshold = 0;
  float scale = 1.0f;
  int64_t first_row = 0;

  // Of an element of the whole mask.
  float factor(int64_t element) const {
    if (threshold == 0) return 1.0f;
    const uint64_t quad = static_cast<uint64_t>(element) / 4;
    uint32_t c[4] = {static_cast<uint32_t>(quad), static_cast<uint32_t>(quad >> 32), step, stream};
    uint32_t k[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
      const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
      const uint32_t n[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0],
                             static_cast<uint32_t>(p1),
                             static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1],
                             static_cast<uint32_t>(p0)};
      std::memcpy(c, n, sizeof c);
      k[0] += 0x9E3779B9u;
      k[1] += 0xBB67AE85u;
    }
    return c[element % 4] >= threshold ? scale : 0.0f;
  }
};

#define TEST_DROPOUT(d) (d).seed, (d).step, (d).stream, (d).threshold, (d).scale, (d).first_row

inline int finish(const char* name) {
  std::printf("%s: %ld checks, %d failures\n", name, checks, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace test

#endif
