// The C ABI of a native backend. Every kernel library (CUDA, simulated CUDA, the CPU) exports
// these functions and nothing else; reformer_library.h opens such a library at run time.
//
// Rules
// * A function returns a status: 0, a CUDA error code (> 0), or one of RF_STATUS_* (< 0). It never
//   prints, throws, exits, or waits for the device unless it says so.
// * Device memory is passed as void* with an element type; matrices have a row stride in elements.
//   Arguments have been checked by the caller: shapes and types are trusted here.
// * Work is queued on the context's stream. Workspace belongs to the caller; the function
//   rf_<op>_workspace says how many bytes it takes. It needs no initial content and an alignment to 16
//   bytes, which every allocation has.
// * Letters: N rows, D columns, B batch, T rows from one sequence to the next, H heads, K head size,
//   R hash rounds. "+=" accumulates, everything else overwrites.
// * Sums have one fixed order that depends on the shape only: the same inputs give the same bits on
//   every device and in every run.
#ifndef REFORMER_KERNELS_H
#define REFORMER_KERNELS_H

#include <stdint.h>

#define RF_EXPORT __attribute__((visibility("default")))

// Raised with every change of this file; a library of another number is refused when it is opened.
#define RF_ABI_VERSION 7

#ifdef __cplusplus
extern "C" {
#endif

enum rf_type {
  RF_F32 = 0,    // IEEE binary32
  RF_BF16 = 1,   // upper half of binary32, round to nearest even
  RF_I32 = 2,    // integers
  RF_FIXED = 3,  // int32 fixed point of a residual stream: value = integer * 2^-20
  RF_I8 = 4      // integer rotations
};

enum rf_status {
  RF_STATUS_OK = 0,
  RF_STATUS_UNSUPPORTED = -1,   // the kernel does not exist for these types or sizes
  RF_STATUS_HOST_MEMORY = -2    // the host has no memory left
};

// org.reformer4j.api.Activation, in its order.
enum rf_function {
  RF_RELU = 0,
  RF_GELU = 1,      // u * Phi(u)
  RF_GELU_NEW = 2,  // the tanh approximation of it
  RF_SILU = 3,
  RF_TANH = 4
};

// Fraction bits of RF_FIXED: range +-2048, step 9.5e-7.
#define RF_FRACTION_BITS 20
// Most factors of a bucket number: their product is below 2^31 and each is at least 2.
#define RF_MAX_FACTORS 30

typedef struct rf_context rf_context;

// A dropout mask is a pure function of the element (org.reformer4j.api.Dropout): element
// e = (first_row + row) * D + column is kept where word e % 4 of Philox4x32-10(seed; e / 4, step, stream) >= threshold, and is then
// multiplied by scale. stream = layer * 256 + purpose. threshold 0: nothing is dropped, scale is 1.
#define RF_DROPOUT                                                                          \
  uint64_t dropout_seed, uint32_t dropout_step, uint32_t dropout_stream,                    \
      uint32_t dropout_threshold, float dropout_scale, int64_t dropout_first_row

// ---- library and device ---------------------------------------------------------------------

// RF_ABI_VERSION of the library.
RF_EXPORT int rf_abi_version(void);
// What the library is, in a few words.
RF_EXPORT const char* rf_description(void);
// Number of devices. Without a driver the status says so and *count is 0.
RF_EXPORT int rf_device_count(int* count);
// Name such as "cudaErrorMemoryAllocation" and a sentence for a status; never null.
RF_EXPORT const char* rf_status_name(int status);
RF_EXPORT const char* rf_status_text(int status);
// Whether the context is unusable after this status (the device is lost or its memory corrupt).
RF_EXPORT int rf_status_fatal(int status);

// A device with one ordered stream and a stream-ordered memory pool.
RF_EXPORT int rf_context_create(int device, rf_context** context);
// Waits for the stream, then frees stream and pool. Null is legal. Blocks that were not freed before keep
// their memory until the process ends.
RF_EXPORT int rf_context_destroy(rf_context* context);
// The stream, a cudaStream_t, for libraries that queue their own work on it.
RF_EXPORT void* rf_context_stream(rf_context* context);
// How many threads of the host share the work, the calling one included; at first all processors that the
// process may use. No result depends on it. Of the CPU library; CUDA takes any number and ignores it.
RF_EXPORT int rf_context_threads(rf_context* context, int threads);
// Bytes of the cache in front of the device's memory, for callers who can keep an intermediate result there;
// 0 where chunks of work need not heed it, as with the CPU library.
RF_EXPORT int64_t rf_context_cache(rf_context* context);
// "NVIDIA H100 80GB HBM3, sm_90, driver 13.0"; text has capacity bytes and ends with 0.
RF_EXPORT int rf_context_describe(rf_context* context, char* text, int capacity);
// Whether activations may be of a type, RF_F32 or RF_BF16: 0 or 1. CUDA takes both; the CPU library takes RF_BF16
// where the processor has AVX512_BF16, and gives RF_STATUS_UNSUPPORTED for products of it where not.
RF_EXPORT int rf_context_computes(rf_context* context, int type);
// Waits for everything queued and returns the first error of it.
RF_EXPORT int rf_synchronize(rf_context* context);
// Starts a stopwatch of the device behind everything queued; the second waits for all that was queued since and
// says how many seconds the device took for it, by its own clock. There is one per context.
RF_EXPORT int rf_timer_start(rf_context* context);
RF_EXPORT int rf_timer_stop(rf_context* context, double* seconds);
// Operations that are issued once and again at the cost of one: a CUDA graph. Of CUDA; the CPU library gives
// RF_STATUS_UNSUPPORTED.
//
// From the first call to the second, by the same thread, operations are kept and not done; what waits for the device,
// moves bytes from or to the host, allocates or frees is refused with 900 (cudaErrorStreamCaptureUnsupported), and the
// recording fails. *recording is null on failure; a null pointer throws the operations away. Either way the stream is
// afterwards as before.
RF_EXPORT int rf_record_begin(rf_context* context);
RF_EXPORT int rf_record_end(rf_context* context, void** recording);
// Queues the operations again, with the same addresses and numbers.
RF_EXPORT int rf_replay(rf_context* context, void* recording);
// Null is legal. Work that was queued before is still done.
RF_EXPORT int rf_recording_destroy(rf_context* context, void* recording);

// ---- memory -----------------------------------------------------------------------------------

// Allocates device memory of undefined content, aligned to 256 bytes, in stream order.
RF_EXPORT int rf_allocate(rf_context* context, int64_t bytes, void** address);
// Takes memory back when the work queued before is done.
RF_EXPORT int rf_free(rf_context* context, void* address);
// Free and total bytes of the device; memory kept by this context's pool counts as free.
RF_EXPORT int rf_memory(rf_context* context, int64_t* free_bytes, int64_t* total_bytes);
// Copies rows of host memory to the device, in stream order; the source may be reused on return. Waits for
// the device only above 4 MiB, or while more than 4 MiB of earlier uploads are queued. Pitches in bytes.
RF_EXPORT int rf_upload(rf_context* context, void* target, int64_t target_pitch, const void* source,
                        int64_t source_pitch, int64_t row_bytes, int64_t rows);
// Waits, and copies rows of device memory to the host.
RF_EXPORT int rf_download(rf_context* context, void* target, int64_t target_pitch,
                          const void* source, int64_t source_pitch, int64_t row_bytes,
                          int64_t rows);
// Copies rows on the device; the blocks must not overlap.
RF_EXPORT int rf_copy(rf_context* context, void* target, int64_t target_pitch, const void* source,
                      int64_t source_pitch, int64_t row_bytes, int64_t rows);
// Sets every element of [rows, columns]; type RF_F32, RF_BF16 or RF_FIXED (value is converted).
RF_EXPORT int rf_fill(rf_context* context, void* target, int64_t stride, int type, int64_t rows,
                      int64_t columns, float value);

// ---- products -----------------------------------------------------------------------------------

// c = alpha * op(a) * op(b) + beta * c. An element is beta * c followed by one chain of fused
// multiply-adds over k = 0, 1, 2, ... of (alpha * a) * b; c is not read where beta is 0. Of the CPU library;
// CUDA, whose products are those of cuBLASLt, gives RF_STATUS_UNSUPPORTED.
//
// With RF_BF16 factors, terms are added in the order k = 1, 0, 3, 2, ..., denormal numbers count as 0, and where
// alpha is not 1 an element is alpha * chain + beta * c with a chain that begins at 0.
//
// c [M, N] RF_F32, or RF_BF16 with such factors; a [M, K], or [K, M] with transpose_a, and b [K, N], or [N, K] with
// transpose_b, of input_type
// rows, columns, terms: M, N, K; c shares no memory with a and b
RF_EXPORT int rf_gemm(rf_context* context, void* c, int64_t c_stride, int c_type, const void* a,
                      int64_t a_stride, int transpose_a, const void* b, int64_t b_stride,
                      int transpose_b, int input_type, float alpha, float beta, int64_t rows,
                      int64_t columns, int64_t terms);

// Independent fused multiply-adds in registers on all threads, `rounds` times a handful a thread: whoever takes
// the time knows the peak. Of the CPU library; CUDA gives RF_STATUS_UNSUPPORTED.
//
// operations: how many there were, a multiply-add as two
RF_EXPORT int rf_multiply_adds(rf_context* context, int64_t rounds, double* operations);

// ---- reversible residual streams and layer norm -------------------------------------------------

// acc += sign * dropout(y + bias), then out = LayerNorm(acc) * gain + norm_bias: the fused
// reversible forward (sign +1) and inverse recomputation (sign -1). Without y a plain layer norm,
// without out a plain residual step. On RF_FIXED streams the addend is rounded to the grid, half to
// even, and the sum is exact: sign -1 restores every bit.
//
// out [N, D] RF_F32 or RF_BF16, or null; acc [N, D] RF_F32 or RF_FIXED, may be out (same type
// and stride) only if y is null
// y [N, D] RF_F32 or RF_BF16, or null; bias [D] or null; gain, norm_bias [D] (not read without out)
// overflow: one int32 set to 1 where a fixed-point sum left its range and was saturated, or null
RF_EXPORT int rf_residual_norm(rf_context* context, void* out, int64_t out_stride, int out_type,
                               void* acc, int64_t acc_stride, int acc_type, const void* y,
                               int64_t y_stride, int y_type, const float* bias, const float* gain,
                               const float* norm_bias, float epsilon, int sign, int64_t rows,
                               int64_t columns, RF_DROPOUT, int32_t* overflow);

// Gradient of the layer norm; statistics are recomputed from x.
//
// dx += [N, D] RF_F32; dgain, dbias += [D]; dout [N, D] RF_F32 or RF_BF16
// x [N, D] RF_F32 or RF_FIXED; gain [D]
RF_EXPORT int64_t rf_layer_norm_backward_workspace(int64_t rows, int64_t columns);
RF_EXPORT int rf_layer_norm_backward(rf_context* context, float* dx, int64_t dx_stride,
                                     float* dgain, float* dbias, const void* dout,
                                     int64_t dout_stride, int dout_type, const void* x,
                                     int64_t x_stride, int x_type, const float* gain, float epsilon,
                                     int64_t rows, int64_t columns, void* workspace);

// Inverse recomputation fused with the gradient of the residual step:
// acc -= dropout(y + bias), dy = dropout(dacc), dbias += column sums of dy before it is rounded to its type.
// Without y only the gradient; dbias without dy is legal.
//
// acc [N, D] RF_F32 or RF_FIXED (not touched without y); dy [N, D] RF_F32 or RF_BF16, may be y or
// dacc if types and strides agree; dbias += [D] or null; y [N, D] RF_F32 or RF_BF16 or
// null; bias [D] or null; dacc [N, D] RF_F32
RF_EXPORT int64_t rf_residual_backward_workspace(int64_t rows, int64_t columns);
RF_EXPORT int rf_residual_backward(rf_context* context, void* acc, int64_t acc_stride, int acc_type,
                                   void* dy, int64_t dy_stride, int dy_type, float* dbias,
                                   const void* y, int64_t y_stride, int y_type, const float* bias,
                                   const float* dacc, int64_t dacc_stride, int64_t rows,
                                   int64_t columns, RF_DROPOUT, int32_t* overflow,
                                   void* workspace);

// ---- feed-forward -------------------------------------------------------------------------------

// out = act(dropout(x W1^T + b1)) W2^T in one pass over the rows. Of the CPU library; CUDA, where cuBLASLt does
// the products, gives RF_STATUS_UNSUPPORTED, and workspaces of 0 bytes.
//
// x [N, D]; w1 [F, D]; w2 [D, F], of input_type, of which hidden values are, too; b1 [F] RF_F32
// out [N, D] RF_F32, or RF_BF16 with such inputs, shares no memory with the others
// function: one of rf_function; the mask is [N, F]; rows, hidden, inner: N, D, F
RF_EXPORT int64_t rf_feed_forward_workspace(rf_context* context, int64_t hidden, int64_t inner,
                                            int input_type);
RF_EXPORT int rf_feed_forward(rf_context* context, void* out, int64_t out_stride, int out_type,
                              const void* x, int64_t x_stride, const void* w1, int64_t w1_stride,
                              const float* b1, const void* w2, int64_t w2_stride, int input_type,
                              int function, int64_t rows, int64_t hidden, int64_t inner, RF_DROPOUT,
                              void* workspace);

// Its gradient, with hidden values computed again, `chunk` rows at a time: dx = , dw1, db1, dw2 += ; also out,
// unless it is null. out may be d_out, and dx may be x, of the same type and stride. d_out is of input_type; of
// RF_BF16 hidden values and gradients are rounded to it, before db1 is summed.
RF_EXPORT int64_t rf_feed_forward_backward_workspace(rf_context* context, int64_t chunk, int64_t hidden,
                                                     int64_t inner, int input_type);
RF_EXPORT int rf_feed_forward_backward(
    rf_context* context, void* out, int64_t out_stride, int out_type, void* dx, int64_t dx_stride,
    int dx_type, float* dw1, int64_t dw1_stride, float* db1, float* dw2, int64_t dw2_stride,
    const void* d_out, int64_t d_out_stride, const void* x, int64_t x_stride, const void* w1,
    int64_t w1_stride, const float* b1, const void* w2, int64_t w2_stride, int input_type,
    int function, int64_t rows, int64_t hidden, int64_t inner, int64_t chunk, RF_DROPOUT,
    void* workspace);

// Between the two products: hidden = act(u) with u = dropout(x + bias), and the slope of that in x.
//
// hidden [N, D] RF_F32 or RF_BF16, may be x if it is RF_F32 with the same stride
// slope [N, D] or null; x [N, D]; bias [D]; function: one of rf_function
RF_EXPORT int rf_activation(rf_context* context, void* hidden, int64_t hidden_stride,
                            int hidden_type, float* slope, int64_t slope_stride, const float* x,
                            int64_t x_stride, const float* bias, int function, int64_t rows,
                            int64_t columns, RF_DROPOUT);

// Its gradient: dx = dhidden * slope, dbias += column sums of dx before it is rounded to its type.
//
// dx [N, D] RF_F32 or RF_BF16, may be dhidden if it is RF_F32 with the same stride
// dbias += [D]; dhidden, slope [N, D]
RF_EXPORT int64_t rf_activation_backward_workspace(int64_t rows, int64_t columns);
RF_EXPORT int rf_activation_backward(rf_context* context, void* dx, int64_t dx_stride, int dx_type,
                                     float* dbias, const float* dhidden, int64_t dhidden_stride,
                                     const float* slope, int64_t slope_stride, int64_t rows,
                                     int64_t columns, void* workspace);

// ---- LSH ----------------------------------------------------------------------------------------

// Bucket numbers: per factor the argmax of [xR; -xR], the first maximum wins, combined as
// b0 + f0*b1 + f0*f1*b2. Masked tokens and the rows behind a sequence get the padding bucket, whose
// number is the product of the factors. The rotated vectors are never in memory.
//
// Float mode (rotation_type RF_F32): a product is one chain of fused multiply-adds over k = 0, 1, ...
// Integer mode (RF_I8): q = rint(x * 2^(13-E)), E = max(-114, floor(log2 max|x|)), products in int32.
// Both give the same bits on every machine for the same inputs.
//
// buckets int32 [B, H, R, T]; x [B*T, H*K] RF_F32 or RF_BF16, K at most 128
// rotations: float [H, K, R*C] or int8 [H, R*C, K] with C = half the sum of the factors
// key_mask int32 [B, T], 0 = masked, or null; lengths int32 [B], real rows, or null for T each
// factors: host array
RF_EXPORT int rf_lsh_hash(rf_context* context, int32_t* buckets, const void* x, int64_t x_stride,
                          int x_type, const void* rotations, int rotation_type,
                          const int32_t* key_mask, const int32_t* lengths, int batch, int stride,
                          int heads, int head_size, int rounds, const int32_t* factors,
                          int factor_count);

// Stable counting sort: order[s] lists 0..T-1 by ascending bucket, ties in the original order.
//
// order int32 [S, T]; buckets int32 [S, T], each in 0..bucket_count (the padding bucket included)
// S = B*H*R segments; lengths int32 [B], or null: of sequence s / segments_per_sequence only so many numbers
// are read, the rows behind come last
RF_EXPORT int64_t rf_lsh_sort_workspace(int64_t segments, int64_t length, int64_t bucket_count);
RF_EXPORT int rf_lsh_sort(rf_context* context, int32_t* order, const int32_t* buckets,
                          int64_t segments, int64_t length, int64_t bucket_count,
                          const int32_t* lengths, int64_t segments_per_sequence, void* workspace);

// Lays sorted positions out in runs of chunks: the positions of a bucket (by_bucket), or all of a sequence, fill
// chunks of their own, in their order. Entries of a segment, E = places + places / chunk (+ T), in this order:
//   places           positions, -1 for an empty place
//   places / chunk   the run of each chunk: its bucket, or 0; -1 for an empty chunk
//   T                where distinct: the chunk of each position, -1 behind the length
//
// runs int32 [S, E]; order, buckets int32 [S, T] as rf_lsh_sort has them; lengths, segments_per_sequence as there
// places: a multiple of chunk; by_bucket holds any T positions if it is
//         (T + min(bucket_count + 1, T) * (chunk - 1)) / chunk * chunk
RF_EXPORT int rf_lsh_runs(rf_context* context, int32_t* runs, const int32_t* order, const int32_t* buckets,
                          int64_t segments, int64_t length, const int32_t* lengths,
                          int64_t segments_per_sequence, int chunk, int64_t places, int by_bucket,
                          int distinct);

// ---- attention ----------------------------------------------------------------------------------

// Chunked attention as the Java class ChunkedAttention defines it: per query one softmax over the keys of
// its windows in all rounds, window = chunks c - chunks_before .. of window_chunks, cyclically. A sequence
// of at most `chunk` slots is one chunk and has one round. shared: keys are unit vectors of the queries'
// rows, a token does not see itself, and one that sees nothing gets its own value.
//
// queries, keys, values [B*T, H*K] of input_type (RF_F32 or RF_BF16), K at most 128; keys may be queries
// order int32 [B, H, R, T] from rf_lsh_sort, or null for tokens as they stand (then R = 1); with run_places not 0
//       [B, H, R, E] from rf_lsh_runs with so many places: chunks see only chunks of their round and run, and where
//       distinct a key that a query has met in an earlier round is left out. Slots are at most run_places.
// sequences int32 [2, B]: lengths, slots; key_mask int32 [B, T], 0 = masked, or null; head_mask [H] or null
// tiles: the largest number of a sequence's chunks times 16-row tiles of a chunk
// heads_per_group: heads that are taken at a time, 1..H; bounds the workspace and changes no bit
// dropout of the probabilities; element (first_row + row of [B, H, R, T]) * chunk * window_chunks + place in the window
#define RF_ATTENTION                                                                               \
  const void *queries, int64_t queries_stride, const void *keys, int64_t keys_stride,              \
      const void *values, int64_t values_stride, int input_type, const int32_t *order,             \
      int64_t run_places, int distinct, const int32_t *sequences, const int32_t *key_mask, const float *head_mask, int batch,        \
      int stride, int heads, int head_size, int rounds, int chunk, int chunks_before,              \
      int window_chunks, int causal, int shared, int64_t tiles, int heads_per_group, RF_DROPOUT

// Whether the fast path takes an attention: bfloat16, head sizes of 64 and 128, chunks of a multiple of 64, and
// `alignment`, the bitwise or of the addresses and row strides in bytes of queries, keys, values and, backward,
// d_out, a multiple of 16; on a device that gives a block the shared memory that forward and backward pass need. 0, or
// a number for the workspaces. The CPU library has one path for RF_F32, and multiplies
// RF_BF16 as such where the processor can, head sizes are a multiple of 32 and chunks even; else by floats.
RF_EXPORT int rf_attention_fast(rf_context* context, int input_type, int head_size, int chunk, int distinct, int64_t alignment);

// out [B*T, H*K] of out_type; lse [B, H, T], minus infinity where a token saw nothing. The workspace is that
// of the fast path with what rf_attention_fast said of the addresses and strides.
RF_EXPORT int64_t rf_attention_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                         int heads_per_group, int fast);
RF_EXPORT int rf_attention(rf_context* context, void* out, int64_t out_stride, int out_type, float* lse,
                           RF_ATTENTION, void* workspace);

// d_queries, d_keys, d_values, d_out, out [B*T, H*K] of gradient_type; d_keys is not touched where shared
// Of the fast path with what rf_attention_fast said of the addresses and strides.
RF_EXPORT int64_t rf_attention_backward_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                                  int gradient_type, int heads_per_group, int fast);
RF_EXPORT int rf_attention_backward(rf_context* context, void* d_queries, int64_t d_queries_stride,
                                    void* d_keys, int64_t d_keys_stride, void* d_values,
                                    int64_t d_values_stride, const void* d_out, int64_t d_out_stride,
                                    const void* out, int64_t out_stride, int gradient_type,
                                    const float* lse, RF_ATTENTION, void* workspace);

// ---- decoding -----------------------------------------------------------------------------------

// Attention of one new token per sequence to listed rows of a cache, as one softmax over all of a
// head's lists: a row that stands there twice counts twice. A query that finds nothing gets its own
// value, or zeros where it has no own row.
//
// out [B, H*K] of out_type; queries [B, H*K]; keys, values [S, H*K] of input_type; K at most 128
// keys: where shared_keys, query-keys, which become unit vectors; else keys, divided by sqrt(K)
// rows int32 [B, H, R, W], each a row of keys and values, or negative for none: not checked here
// own int32 [B], the row of the query's own token, skipped where it is listed; or null
// head_mask float [H] or null
RF_EXPORT int rf_decode_attention(rf_context* context, void* out, int64_t out_stride, int out_type,
                                  const void* queries, int64_t query_stride, const void* keys,
                                  int64_t key_stride, const void* values, int64_t value_stride,
                                  int input_type, const int32_t* rows, const int32_t* own,
                                  const float* head_mask, int batch, int heads, int head_size,
                                  int rounds, int window, int shared_keys);

// target[rows[i]] = source[i]; other rows stay as they are.
//
// target [S, C], source [N, C] of RF_F32, RF_BF16 or RF_I32; rows int32 [N] on the device, each in 0..S-1 and at most
// once: not checked here
RF_EXPORT int rf_store_rows(rf_context* context, void* target, int64_t target_stride, const void* source,
                            int64_t source_stride, int type, const int32_t* rows, int64_t count,
                            int64_t columns);

// Enters one new token of each sequence in the tables of an LSH layer and lists the cached rows that it attends to.
// T = lengths[b] + 1 positions are sorted by (bucket, position); a round lists a window of ranks:
//   by_bucket  the last chunks of the token's bucket, chunks_before and its own, which may be in part filled
//   else       window_chunks chunks from chunks_before before the one of the token's rank on, cyclically: slot i holds
//              the position of rank (first + i) mod T; where distinct, only ranks 0..T-1 of them, from slot 0 on
// Slots behind the window, and where distinct those of positions that an earlier round of the head lists, are -1. A
// sequence whose length is not in 0..capacity-1 is not changed and lists nothing.
//
// listed int32 [B, H, R, width], receives places[b][position]; width: at least the longest window
// places int32 [B, capacity], gets own[b] at lengths[b]; buckets, ranks int32 [B, H, R, capacity], bucket of each
//       position and earlier positions in it, get the new ones; counts int32 [B, H, R, bucket_count + 1], positions in
//       each bucket, gets one more
// hashed int32 [H, R, B], each in 0..bucket_count; own, lengths int32 [B]: all on the device, where they may change
//       between repetitions of a recorded call
RF_EXPORT int64_t rf_decode_lists_workspace(int64_t segments, int64_t bucket_count);
RF_EXPORT int rf_decode_lists(rf_context* context, int32_t* listed, int32_t* places, int32_t* buckets,
                              int32_t* ranks, int32_t* counts, const int32_t* hashed, const int32_t* own,
                              const int32_t* lengths, int batch, int heads, int rounds, int64_t capacity,
                              int64_t bucket_count, int64_t width, int chunk, int chunks_before,
                              int window_chunks, int by_bucket, int distinct, void* workspace);

// ---- losses, optimizers, embeddings --------------------------------------------------------------

// Finds numbers that are no index: *first becomes the least i with values[i] outside of 0..limit-1 and
// not ignored, or a number above 2^30 where there is none. At most 2^30 values.
//
// first one int32 on the device; values int32 [count]; ignored is any number outside of the range where
// none is ignored, such as -1 together with any_ignored 0
RF_EXPORT int rf_index_check(rf_context* context, int32_t* first, const int32_t* values,
                             int64_t count, int64_t limit, int any_ignored, int ignored);

// Sum of the squares of all elements, in double.
//
// sum one double on the device; x [N, D]
RF_EXPORT int64_t rf_sum_of_squares_workspace(int64_t rows, int64_t columns);
RF_EXPORT int rf_sum_of_squares(rf_context* context, double* sum, const float* x, int64_t x_stride,
                                int64_t rows, int64_t columns, void* workspace);

// One AdamW update in double: x = gradient_scale * g, m += (x - m) * first_share,
// v += (x*x - v) * second_share, w = w * keep - rate * m / (sqrt(v) / root_correction + epsilon).
//
// parameter w, gradient g, first m, second v [count]
RF_EXPORT int rf_adam_w(rf_context* context, float* parameter, const float* gradient, float* first,
                        float* second, int64_t count, double rate, double keep, float first_share,
                        float second_share, double root_correction, float epsilon,
                        float gradient_scale);

// Softmax cross-entropy with its gradient: loss = log(sum exp(logits)) - logits[target],
// dlogits = scale * (softmax - onehot); both are 0 where the target is ignore_index.
//
// loss [N]; dlogits [N, V], may be logits (same stride), or null; logits [N, V]; targets int32 [N], each
// in 0..V-1 or ignore_index
RF_EXPORT int rf_cross_entropy(rf_context* context, float* loss, float* dlogits,
                               int64_t dlogits_stride, const float* logits, int64_t logits_stride,
                               const int32_t* targets, int ignore_index, float scale, int64_t rows,
                               int64_t columns);

// The part of one table in an embedding: out[i, first_column + j] = (or += with add) factor *
// table[indices[i] / index_stride % size, j], j < width. The mask is one of [N, D], or with mask_size > 0 one
// element per row: (i / rows_per_sequence) * mask_size + indices[i] / mask_stride % mask_size.
//
// out [N, D]; indices int32 [N], not negative; table [size, width]
RF_EXPORT int rf_embed(rf_context* context, float* out, int64_t out_stride, const int32_t* indices,
                       int64_t index_stride, const float* table, int64_t table_stride, int64_t size,
                       int64_t width, int64_t rows, int64_t columns, int64_t first_column, int add,
                       RF_DROPOUT, int64_t rows_per_sequence, int64_t mask_size,
                       int64_t mask_stride);

// Gradient of rf_embed, summed in an order that depends on the indices only.
//
// dtable += [size, width]; dout [N, D]
RF_EXPORT int64_t rf_embed_backward_workspace(int64_t rows, int64_t size);
RF_EXPORT int rf_embed_backward(rf_context* context, float* dtable, int64_t dtable_stride,
                                const float* dout, int64_t dout_stride, const int32_t* indices,
                                int64_t index_stride, int64_t size, int64_t width, int64_t rows,
                                int64_t columns, int64_t first_column, RF_DROPOUT,
                                int64_t rows_per_sequence, int64_t mask_size, int64_t mask_stride,
                                void* workspace);

// One Adafactor update in double (org.reformer4j.api.AdafactorSpec).
//
// parameter, gradient [M, N]; row_moments [M]; column_moments [N], or null for vectors, where N is 1
RF_EXPORT int64_t rf_adafactor_workspace(int64_t rows, int64_t columns);
RF_EXPORT int rf_adafactor(rf_context* context, float* parameter, const float* gradient,
                           float* row_moments, float* column_moments, int64_t rows, int64_t columns,
                           float learning_rate, float decay, float epsilon, float minimum_scale,
                           float clip, float weight_decay, float gradient_scale, void* workspace);

#ifdef __cplusplus
}
#endif

#endif
