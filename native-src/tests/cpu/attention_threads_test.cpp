// The attention of the CPU library gives the same bits for any number of threads, beside any other sequences, over
// any content of its results, and whatever masked keys hold; and it does what the parts of a batch do alone.
#include "attention_problem.h"

namespace {

using namespace test;

struct Result {
  std::vector<float> out, lse, d_queries, d_keys, d_values;
};

// Of all rows.
int type = RF_F32;

Result run(Device& device, const Problem& p, int threads, float poison) {
  const Case& c = p.c;
  // Rows of bfloat16 are aligned, so that they are multiplied as such where heads and chunks allow it.
  const int64_t gap = type == RF_BF16 ? 8 : 5;
  const int fast = rf_attention_fast(device.context, type, c.size, c.chunk, c.distinct, p.width * 2);
  ok(rf_context_threads(device.context, threads), "rf_context_threads");
  const int64_t rows = int64_t{p.batch} * p.stride;
  const int64_t width = p.width;
  const int64_t cells = int64_t{p.batch} * c.heads * p.stride;
  Matrix q(device, type, rows, width, width + gap), k(device, type, rows, width), v(device, type, rows, width);
  Matrix out(device, type, rows, width, width + 1), d_out(device, type, rows, width), lse(device, RF_F32, 1, cells);
  Matrix dq(device, type, rows, width), dk(device, type, rows, width), dv(device, type, rows, width, width + 2);
  Matrix order(device, RF_I32, 1, static_cast<int64_t>(p.order.size())), mask(device, RF_I32, 1, rows);
  Matrix sequences(device, RF_I32, 1, 2 * p.batch), head_mask(device, RF_F32, 1, c.heads);
  q.put(p.q), k.put(p.k), v.put(p.v), d_out.put(p.d_out);
  order.put(p.order), mask.put(p.mask), sequences.put(p.sequences), head_mask.put(p.head_mask);
  const std::vector<float> poisoned(static_cast<size_t>(rows * width), poison);
  out.put(poisoned), dq.put(poisoned), dk.put(poisoned), dv.put(poisoned);
  lse.put(std::vector<float>(static_cast<size_t>(cells), poison));
  const int64_t workspace_bytes =
      std::max(rf_attention_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, c.heads, fast),
               rf_attention_backward_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, type, c.heads, fast));
  Block workspace(device, workspace_bytes);
  ok(rf_fill(device.context, workspace.address, workspace_bytes / 4, RF_F32, 1, workspace_bytes / 4, poison),
     "rf_fill");
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
#define ATTENTION                                                                                            \
  q.data(), q.stride, c.shared ? q.data() : k.data(), c.shared ? q.stride : k.stride, v.data(), v.stride,     \
      type, c.shared ? order.ints() : nullptr, p.run_places, c.distinct, sequences.ints(),                   \
      c.mask ? mask.ints() : nullptr,                                                                       \
      c.head_mask ? head_mask.floats() : nullptr, p.batch, p.stride, c.heads, c.size, c.rounds, c.chunk,      \
      c.before, 1 + c.before + c.after, c.causal, c.shared, tiles_of(p), c.heads, TEST_DROPOUT(dropout)
  ok(rf_attention(device.context, out.data(), out.stride, type, lse.floats(), ATTENTION, workspace.address),
     "rf_attention");
  ok(rf_attention_backward(device.context, dq.data(), dq.stride, dk.data(), dk.stride, dv.data(), dv.stride,
                           d_out.data(), d_out.stride, out.data(), out.stride, type, lse.floats(), ATTENTION,
                           workspace.address),
     "rf_attention_backward");
  return {out.get(), lse.get(), dq.get(), c.shared ? std::vector<float>() : dk.get(), dv.get()};
}

void same(const Result& actual, const Result& expected, const std::string& what) {
  test::same(actual.out, expected.out, "out " + what);
  test::same(actual.lse, expected.lse, "lse " + what);
  test::same(actual.d_queries, expected.d_queries, "d_queries " + what);
  test::same(actual.d_keys, expected.d_keys, "d_keys " + what);
  test::same(actual.d_values, expected.d_values, "d_values " + what);
}

// The first sequence of a problem alone, padded differently and with garbage behind it.
Problem first_alone(const Problem& p, int padding) {
  Problem alone = p;
  const Case& c = p.c;
  const int length = c.lengths[0];
  alone.c.lengths = {length};
  alone.batch = 1;
  alone.stride = length + padding;
  alone.sequences = {p.sequences[0], p.sequences[static_cast<size_t>(p.batch)]};
  for (auto [to, from] : {std::pair(&alone.q, &p.q), {&alone.k, &p.k}, {&alone.v, &p.v}, {&alone.d_out, &p.d_out}}) {
    to->assign(from->begin(), from->begin() + int64_t{length} * p.width);
    to->resize(static_cast<size_t>(alone.stride * p.width), NAN);
  }
  alone.mask.resize(static_cast<size_t>(length));
  alone.mask.resize(static_cast<size_t>(alone.stride), 1);
  alone.order.clear();
  for (int s = 0; s < c.heads * c.rounds; ++s) {
    const auto at = p.order.begin() + s * p.entries();
    if (p.run_places == 0) {
      alone.order.insert(alone.order.end(), at, at + length);
      for (int t = length; t < alone.stride; ++t) alone.order.push_back(t);
    } else {
      // The same places, and the chunks of positions where keys are distinct, with none behind the length.
      alone.order.insert(alone.order.end(), at, at + (p.entries() - (c.distinct ? p.stride - length : 0)));
      alone.order.resize(static_cast<size_t>((s + 1) * alone.entries()), -1);
    }
  }
  return alone;
}

std::vector<float> first_rows(const std::vector<float>& values, int64_t count) {
  return {values.begin(), values.begin() + std::min<int64_t>(count, static_cast<int64_t>(values.size()))};
}

void attention(Device& device, const Case& c) {
  const Problem p = make(c);
  const Result one = run(device, p, 1, NAN);
  for (int threads : {2, 3, 5}) {
    same(run(device, p, threads, static_cast<float>(threads)), one, std::to_string(threads) + " threads, " + name(c));
  }
  for (size_t i = 0; i < one.out.size(); ++i) {
    const size_t row = i / static_cast<size_t>(p.width);
    const size_t b = row / static_cast<size_t>(p.stride);
    if (row % static_cast<size_t>(p.stride) >= static_cast<size_t>(c.lengths[b])) {
      check(one.out[i] == 0 && one.d_queries[i] == 0 && one.d_values[i] == 0 && (c.shared || one.d_keys[i] == 0),
            "zero behind a sequence, " + name(c));
    }
  }
  if (c.dropout) {
    return;  // whose elements are numbered by the stride
  }
  const Result alone = run(device, first_alone(p, 3), 1, 7.0f);
  const int64_t count = int64_t{c.lengths[0]} * p.width;
  test::same(first_rows(alone.out, count), first_rows(one.out, count), "out alone, " + name(c));
  test::same(first_rows(alone.d_queries, count), first_rows(one.d_queries, count), "d_queries alone, " + name(c));
  test::same(first_rows(alone.d_keys, count), first_rows(one.d_keys, count), "d_keys alone, " + name(c));
  test::same(first_rows(alone.d_values, count), first_rows(one.d_values, count), "d_values alone, " + name(c));
}

// Masked tokens of which keys and values hold a number.
Result with_masked(Device& device, Problem p, float number) {
  for (size_t row = 0; row < p.mask.size(); ++row) {
    if (p.mask[row] != 0) continue;
    const auto from = static_cast<std::ptrdiff_t>(row) * p.width;
    for (std::vector<float>* x : {p.c.shared ? &p.q : &p.k, &p.v}) {
      std::fill(x->begin() + from, x->begin() + from + p.width, number);
    }
  }
  return run(device, p, 1, NAN);
}

// A masked key counts nothing, not even where it holds what is no number.
void masked_keys(Device& device, const Case& c) {
  const Problem p = make(c);
  const Result expected = with_masked(device, p, 1);
  for (float number : {INFINITY, -INFINITY, NAN}) {
    same(with_masked(device, p, number), expected, "masked keys of " + std::to_string(number) + ", " + name(c));
  }
}

std::vector<float> other_rows(const Problem& p, const std::vector<float>& values, int first, int last) {
  std::vector<float> rows(values.begin(), values.begin() + int64_t{first} * p.width);
  rows.insert(rows.end(), values.begin() + int64_t{last} * p.width, values.end());
  return rows;
}

// The row of shared QK is a query, too: that one's result, and the gradients of the keys in its window are no numbers,
// but those of the queries that have it in theirs are not touched.
void masked_shared_key(Device& device, const Case& c) {
  Problem p = make(c);
  for (size_t t = 0; t < p.order.size(); ++t) p.order[t] = static_cast<int32_t>(t) % p.stride;
  std::fill(p.mask.begin(), p.mask.end(), 1);
  const int token = 2 * c.chunk + 5;
  p.mask[static_cast<size_t>(token)] = 0;
  const Result expected = with_masked(device, p, 1);
  const int first = (2 - c.before) * c.chunk, last = 3 * c.chunk;
  for (float number : {INFINITY, NAN}) {
    const Result actual = with_masked(device, p, number);
    const std::string what = "masked shared key of " + std::to_string(number) + ", " + name(c);
    test::same(other_rows(p, actual.out, token, token + 1), other_rows(p, expected.out, token, token + 1),
               "out " + what);
    test::same(other_rows(p, actual.d_queries, first, last), other_rows(p, expected.d_queries, first, last),
               "d_queries " + what);
    test::same(other_rows(p, actual.d_values, first, last), other_rows(p, expected.d_values, first, last),
               "d_values " + what);
  }
}

}  // namespace

int main() {
  const bool causal = true, shared = true, mask = true, head_mask = true, dropout = true;
  for (const int of : {RF_F32, RF_BF16}) {
    Device device;
    type = of;
    const auto over_runs = [](Case c, Selection selection, bool distinct) {
      c.selection = selection;
      c.distinct = distinct;
      return c;
    };
    if (small()) {
      attention(device, over_runs({20, 1, 3, 16, 1, 0, {150, 9}, causal, shared, mask, head_mask, !dropout}, kRunPerBucket, true));
      attention(device, {20, 3, 2, 16, 1, 0, {210, 9}, causal, shared, mask, head_mask, !dropout});
      attention(device, {64, 1, 1, 32, 1, 1, {300}, !causal, !shared, !mask, !head_mask, dropout});
      masked_keys(device, {20, 2, 1, 16, 1, 1, {90}, !causal, !shared, mask, !head_mask, !dropout});
      masked_shared_key(device, {20, 1, 1, 16, 1, 0, {100}, causal, shared, mask, !head_mask, !dropout});
    } else {
      // Heads that come out even with the threads and not, rounds, ragged lengths, a single token.
      attention(device, {64, 3, 4, 64, 1, 0, {700, 129, 40, 1}, causal, shared, mask, head_mask, !dropout});
      attention(device, {64, 1, 2, 64, 1, 0, {640}, causal, shared, !mask, !head_mask, dropout});
      attention(device, {40, 2, 3, 20, 1, 1, {333, 100}, !causal, shared, mask, !head_mask, !dropout});
      attention(device, {128, 1, 1, 64, 2, 1, {900, 64}, causal, !shared, mask, head_mask, !dropout});
      attention(device, {17, 5, 1, 48, 0, 2, {500, 17, 200}, !causal, !shared, !mask, head_mask, dropout});
      attention(device, {64, 2, 1, 512, 1, 0, {500, 3}, causal, !shared, !mask, !head_mask, !dropout});
      // Runs of chunks, of a bucket each, and distinct keys.
      attention(device, over_runs({64, 3, 3, 64, 2, 0, {700, 129, 40, 1}, causal, shared, mask, head_mask, !dropout}, kRunPerBucket, false));
      attention(device, over_runs({40, 2, 4, 20, 1, 0, {333, 100}, causal, shared, mask, !head_mask, !dropout}, kRunPerBucket, true));
      attention(device, over_runs({64, 1, 3, 32, 1, 1, {400, 30}, !causal, shared, !mask, !head_mask, !dropout}, kOneRun, true));
      masked_keys(device, {64, 2, 1, 64, 1, 0, {500, 70}, causal, !shared, mask, head_mask, !dropout});
      masked_keys(device, {40, 2, 1, 32, 1, 1, {333}, !causal, !shared, mask, !head_mask, dropout});
      masked_shared_key(device, {64, 1, 1, 64, 1, 0, {500}, causal, shared, mask, !head_mask, !dropout});
      masked_shared_key(device, {48, 1, 1, 32, 1, 0, {256}, !causal, shared, mask, !head_mask, dropout});
    }
  }
  return finish("attention_threads");
}
