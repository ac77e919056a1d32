// The stage table: every kernel at the sizes of docs/kernels.md, its bytes, floor, prediction and share. A
// time is the median of at least 20 runs, by the device's own clock: events around calls that are queued back to back.
//   stages [copy_GBps [seconds]]     the measured copy ceiling; 3000 without it. The time that the table may take
#include "stages.h"

int main(int count, char** arguments) {
  const double given = count > 1 ? std::atof(arguments[1]) * 1e9 : 0;
  const double seconds = count > 2 ? std::atof(arguments[2]) : 1e9;
  bench::Bench table(given > 0 ? given : 3000e9, seconds);
  if (bench::rehearsal()) {
    bench::streams(table, 20, 256);
    bench::lsh(table, 256, 2, 64, 2);
    bench::generic_attention(table, 128, 1, 64, 2);
    bench::decoding(table, 256, 2, 64, 2);
    bench::feed_forward(table, 16, 128);
    bench::training(table, 16, 32, 64, 64);
    return 0;
  }
  // By value: the sizes of the predictions first, the extremes last.
  bench::streams(table, 64 << 10, 1024);
  bench::lsh(table, 64 << 10, 8, 128, 4);
  bench::lsh(table, 64 << 10, 8, 128, 1);
  bench::feed_forward(table, 1024, 4096);
  bench::training(table, 1024, 320, 64 << 10, 1024);
  bench::decoding(table, 64 << 10, 8, 128, 4);
  bench::decoding(table, 4 << 10, 8, 64, 2);
  bench::generic_attention(table, 4 << 10, 8, 64, 1);
  for (const int length : {16 << 10, 64 << 10, 256 << 10, 1024 << 10}) {
    for (const int rounds : {1, 4, 8}) {
      if (length != 64 << 10 || rounds == 8) bench::lsh(table, length, 8, 128, rounds);
      bench::lsh(table, length, 8, 64, rounds);
    }
  }
  for (const int64_t rows : {16 << 10, 64 << 10, 256 << 10}) {
    for (const int64_t columns : {512, 1024}) {
      if (rows != 64 << 10 || columns != 1024) bench::streams(table, rows, columns);
    }
  }
  return 0;
}
