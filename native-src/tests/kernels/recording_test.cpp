// Operations that are issued again at once: with what their memory holds by then, and nothing else of a context
// that records.
#include "harness.h"

namespace {

using namespace test;

constexpr int kUnsupported = 900;  // cudaErrorStreamCaptureUnsupported
constexpr int kInvalidated = 901;  // cudaErrorStreamCaptureInvalidated
constexpr int kIllegalState = 401;

struct Case {
  explicit Case(Device& device)
      : device(device),
        source(device, RF_F32, 1, 3),
        target(device, RF_F32, 2, 3),
        sum(device, 8),
        workspace(device, rf_sum_of_squares_workspace(2, 3)) {}

  // target = {{value, value, value}, source}, sum = the sum of its squares
  void issue(float value) {
    ok(rf_fill(device.context, target.data(), 3, RF_F32, 2, 3, value), "rf_fill");
    ok(rf_copy(device.context, target.floats() + 3, 12, source.data(), 12, 12, 1), "rf_copy");
    ok(rf_sum_of_squares(device.context, static_cast<double*>(sum.address), target.floats(), 3, 2, 3,
                         workspace.address),
       "rf_sum_of_squares");
  }

  double result() {
    double value = -1;
    ok(rf_download(device.context, &value, 8, sum.address, 8, 8, 1), "rf_download");
    return value;
  }

  Device& device;
  Matrix source;
  Matrix target;
  Block sum;
  Block workspace;
};

void replays(Device& device) {
  Case one(device);
  one.source.put(std::vector<float>{1, 2, 3});
  one.issue(1);
  check(one.result() == 17, "issued one by one");
  void* recording = nullptr;
  ok(rf_record_begin(device.context), "rf_record_begin");
  one.issue(2);
  ok(rf_record_end(device.context, &recording), "rf_record_end");
  check(recording != nullptr, "a recording");
  check(one.result() == 17, "what is recorded is not done");
  same(one.target.get(), {1, 1, 1, 1, 2, 3}, "nor written");
  ok(rf_replay(device.context, recording), "rf_replay");
  check(one.result() == 26, "a replay");
  for (float x : {4.0f, 5.0f, 6.0f}) {
    one.source.put(std::vector<float>{x, 0, 0});
    ok(rf_replay(device.context, recording), "rf_replay");
    ok(rf_replay(device.context, recording), "rf_replay");
    check(one.result() == 12 + x * x, "a replay with other numbers in its memory");
    same(one.target.get(), {2, 2, 2, x, 0, 0}, "what it writes");
  }
  // Destroyed while it may still be at work.
  ok(rf_replay(device.context, recording), "rf_replay");
  ok(rf_recording_destroy(device.context, recording), "rf_recording_destroy");
  check(one.result() == 48, "the replay before the end of the recording");
  ok(rf_recording_destroy(device.context, nullptr), "no recording to destroy");
}

void refuses(Device& device) {
  Case one(device);
  one.source.put(std::vector<float>{1, 2, 3});
  const std::vector<float> numbers = {7, 8, 9};
  void* other = nullptr;
  ok(rf_record_begin(device.context), "rf_record_begin");
  one.issue(1);
  ok(rf_record_end(device.context, &other), "rf_record_end");

  float back[3] = {-1, -1, -1};
  void* address = nullptr;
  double seconds = 0;
  const struct {
    const char* name;
    std::function<int()> call;
  } calls[] = {
      {"rf_upload", [&] { return rf_upload(device.context, one.source.data(), 12, numbers.data(), 12, 12, 1); }},
      {"a large rf_upload",
       [&] { return rf_upload(device.context, one.source.data(), 12, numbers.data(), 12, 12, 1 << 20); }},
      {"rf_download", [&] { return rf_download(device.context, back, 12, one.source.data(), 12, 12, 1); }},
      {"rf_synchronize", [&] { return rf_synchronize(device.context); }},
      {"rf_allocate", [&] { return rf_allocate(device.context, 64, &address); }},
      {"rf_free", [&] { return rf_free(device.context, one.sum.address); }},
      {"rf_timer_start", [&] { return rf_timer_start(device.context); }},
      {"rf_timer_stop", [&] { return rf_timer_stop(device.context, &seconds); }},
      {"rf_replay", [&] { return rf_replay(device.context, other); }},
  };
  ok(rf_timer_start(device.context), "a timer, so that it could be stopped");
  for (const auto& [name, call] : calls) {
    const std::string what = name;
    ok(rf_record_begin(device.context), "rf_record_begin before " + what);
    one.issue(3);
    check(call() == kUnsupported, what + " in a recording");
    one.issue(3);
    void* recording = &one;
    check(rf_record_end(device.context, &recording) == kInvalidated && recording == nullptr,
          "no recording after " + what);
    // The stream is as before.
    one.issue(2);
    check(one.result() == 26, "after " + what);
  }
  same(one.source.get(), {1, 2, 3}, "nothing was uploaded");
  check(back[0] == -1 && address == nullptr, "nothing was downloaded or allocated");
  check(rf_status_fatal(kUnsupported) == 0 && rf_status_fatal(kInvalidated) == 0, "the device is not lost");

  void* recording = &one;
  check(rf_record_end(device.context, &recording) == kIllegalState && recording == nullptr, "an end without begin");
  ok(rf_record_begin(device.context), "rf_record_begin");
  check(rf_record_begin(device.context) == kIllegalState, "a recording in a recording");
  one.issue(4);
  ok(rf_record_end(device.context, nullptr), "a recording that is thrown away");
  check(one.result() == 26, "it was not done");
  ok(rf_replay(device.context, other), "rf_replay");
  check(one.result() == 17, "an older recording");
  ok(rf_recording_destroy(device.context, other), "rf_recording_destroy");
}

}  // namespace

int main() {
  {
    Device device;
    replays(device);
    refuses(device);
  }
  {
    // A context that ends while it records.
    Device device;
    ok(rf_record_begin(device.context), "rf_record_begin");
  }
  return finish("recording");
}
