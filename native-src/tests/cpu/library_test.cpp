// The CPU library opened at run time: every function is there, and what it says of itself is right.
#include "reformer_library.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

int failures = 0;

void check(bool condition, const char* message) {
  if (!condition) {
    std::fprintf(stderr, "FAILED %s\n", message);
    ++failures;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: cpu_library_test LIBRARY\n");
    return 2;
  }
  static rf_library* library;  // never freed, as its declaration says
  char message[256] = "";
  if (rf_library_open(arguments[1], &library, message, sizeof message) != 0) {
    std::fprintf(stderr, "FAILED %s: %s\n", arguments[1], message);
    return 1;
  }
  check(std::strncmp(library->rf_description(), "CPU", 3) == 0, "rf_description");
  int devices = 0;
  check(library->rf_device_count(&devices) == RF_STATUS_OK && devices == 1, "rf_device_count");
  rf_context* context = nullptr;
  check(library->rf_context_create(0, &context) == RF_STATUS_OK && context != nullptr, "rf_context_create");
  if (context == nullptr) {
    return 1;
  }
  // A query that has one key gets that key's value, another head nothing.
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<int32_t> rows = {1, -1};
  std::vector<float> out(4, NAN);
  check(library->rf_decode_attention(context, out.data(), 4, RF_F32, x.data(), 4, x.data(), 4, x.data(), 4, RF_F32,
                                     rows.data(), nullptr, nullptr, 1, 2, 2, 1, 1, 1) == RF_STATUS_OK,
        "rf_decode_attention");
  check(out == std::vector<float>({5, 6, 0, 0}), "the value of the only key, and zeros");
  check(library->rf_context_destroy(context) == RF_STATUS_OK, "rf_context_destroy");
  return failures == 0 ? 0 : 1;
}
