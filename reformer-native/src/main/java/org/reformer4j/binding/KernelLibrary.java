package org.reformer4j.binding;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.MemberGetter;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.Namespace;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The functions of an open kernel library. Each method is the function of the same name in {@code
 * reformer_kernels.h}, which says what it does; addresses are numbers, so that a call creates no
 * object. A method returns the status of the function where that has one.
 */
@Platform(include = "reformer_library.h")
@Name("rf_library")
@NoException
public final class KernelLibrary extends Pointer {
  /** {@code RF_ABI_VERSION} of the header that this class was written for. */
  static final int ABI_VERSION = 7;

  KernelLibrary(long address) {
    this.address = address;
  }

  /** Returns {@code RF_ABI_VERSION} of the header that the JNI library was compiled with. */
  @Namespace
  @MemberGetter
  static native int RF_ABI_VERSION();

  /**
   * Opens a library with dlopen.
   *
   * @param path its file
   * @param out receives the address for the constructor
   * @param message receives the reason of a failure, a text that ends with 0
   * @param capacity bytes of message
   * @return 0, or -1 with a message
   */
  @Namespace
  static native int rf_library_open(
      String path, @Cast("rf_library**") long[] out, @Cast("char*") byte[] message, int capacity);

  public native int rf_abi_version();

  public native String rf_description();

  public native int rf_device_count(int[] count);

  public native String rf_status_name(int status);

  public native String rf_status_text(int status);

  public native int rf_status_fatal(int status);

  public native int rf_context_create(int device, @Cast("rf_context**") long[] context);

  public native int rf_context_destroy(@Cast("rf_context*") long context);

  public native @Cast("void*") long rf_context_stream(@Cast("rf_context*") long context);

  public native int rf_context_threads(@Cast("rf_context*") long context, int threads);

  public native @Cast("int64_t") long rf_context_cache(@Cast("rf_context*") long context);

  public native int rf_context_describe(
      @Cast("rf_context*") long context, @Cast("char*") byte[] text, int capacity);

  public native int rf_context_computes(@Cast("rf_context*") long context, int type);

  public native int rf_synchronize(@Cast("rf_context*") long context);

  public native int rf_timer_start(@Cast("rf_context*") long context);

  public native int rf_timer_stop(@Cast("rf_context*") long context, double[] seconds);

  public native int rf_record_begin(@Cast("rf_context*") long context);

  public native int rf_record_end(
      @Cast("rf_context*") long context, @Cast("void**") long[] recording);

  public native int rf_replay(@Cast("rf_context*") long context, @Cast("void*") long recording);

  public native int rf_recording_destroy(
      @Cast("rf_context*") long context, @Cast("void*") long recording);

  public native int rf_allocate(
      @Cast("rf_context*") long context,
      @Cast("int64_t") long bytes,
      @Cast("void**") long[] address);

  public native int rf_free(@Cast("rf_context*") long context, @Cast("void*") long address);

  public native int rf_memory(
      @Cast("rf_context*") long context,
      @Cast("int64_t*") long[] freeBytes,
      @Cast("int64_t*") long[] totalBytes);

  public native int rf_upload(
      @Cast("rf_context*") long context,
      @Cast("void*") long target,
      @Cast("int64_t") long targetPitch,
      @Cast("const void*") long source,
      @Cast("int64_t") long sourcePitch,
      @Cast("int64_t") long rowBytes,
      @Cast("int64_t") long rows);

  public native int rf_download(
      @Cast("rf_context*") long context,
      @Cast("void*") long target,
      @Cast("int64_t") long targetPitch,
      @Cast("const void*") long source,
      @Cast("int64_t") long sourcePitch,
      @Cast("int64_t") long rowBytes,
      @Cast("int64_t") long rows);

  public native int rf_copy(
      @Cast("rf_context*") long context,
      @Cast("void*") long target,
      @Cast("int64_t") long targetPitch,
      @Cast("const void*") long source,
      @Cast("int64_t") long sourcePitch,
      @Cast("int64_t") long rowBytes,
      @Cast("int64_t") long rows);

  public native int rf_fill(
      @Cast("rf_context*") long context,
      @Cast("void*") long target,
      @Cast("int64_t") long stride,
      int type,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      float value);

  public native int rf_multiply_adds(
      @Cast("rf_context*") long context, @Cast("int64_t") long rounds, double[] operations);

  public native int rf_gemm(
      @Cast("rf_context*") long context,
      @Cast("void*") long c,
      @Cast("int64_t") long cStride,
      int cType,
      @Cast("const void*") long a,
      @Cast("int64_t") long aStride,
      int transposeA,
      @Cast("const void*") long b,
      @Cast("int64_t") long bStride,
      int transposeB,
      int inputType,
      float alpha,
      float beta,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("int64_t") long terms);

  public native int rf_residual_norm(
      @Cast("rf_context*") long context,
      @Cast("void*") long out,
      @Cast("int64_t") long outStride,
      int outType,
      @Cast("void*") long acc,
      @Cast("int64_t") long accStride,
      int accType,
      @Cast("const void*") long y,
      @Cast("int64_t") long yStride,
      int yType,
      @Cast("const float*") long bias,
      @Cast("const float*") long gain,
      @Cast("const float*") long normBias,
      float epsilon,
      int sign,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("int32_t*") long overflow);

  public native @Cast("int64_t") long rf_layer_norm_backward_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long columns);

  public native int rf_layer_norm_backward(
      @Cast("rf_context*") long context,
      @Cast("float*") long dx,
      @Cast("int64_t") long dxStride,
      @Cast("float*") long dgain,
      @Cast("float*") long dbias,
      @Cast("const void*") long dout,
      @Cast("int64_t") long doutStride,
      int doutType,
      @Cast("const void*") long x,
      @Cast("int64_t") long xStride,
      int xType,
      @Cast("const float*") long gain,
      float epsilon,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("void*") long workspace);

  public native @Cast("int64_t") long rf_residual_backward_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long columns);

  public native int rf_residual_backward(
      @Cast("rf_context*") long context,
      @Cast("void*") long acc,
      @Cast("int64_t") long accStride,
      int accType,
      @Cast("void*") long dy,
      @Cast("int64_t") long dyStride,
      int dyType,
      @Cast("float*") long dbias,
      @Cast("const void*") long y,
      @Cast("int64_t") long yStride,
      int yType,
      @Cast("const float*") long bias,
      @Cast("const float*") long dacc,
      @Cast("int64_t") long daccStride,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("int32_t*") long overflow,
      @Cast("void*") long workspace);

  public native @Cast("int64_t") long rf_feed_forward_workspace(
      @Cast("rf_context*") long context,
      @Cast("int64_t") long hidden,
      @Cast("int64_t") long inner,
      int inputType);

  public native int rf_feed_forward(
      @Cast("rf_context*") long context,
      @Cast("void*") long out,
      @Cast("int64_t") long outStride,
      int outType,
      @Cast("const void*") long x,
      @Cast("int64_t") long xStride,
      @Cast("const void*") long w1,
      @Cast("int64_t") long w1Stride,
      @Cast("const float*") long b1,
      @Cast("const void*") long w2,
      @Cast("int64_t") long w2Stride,
      int inputType,
      int function,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long hidden,
      @Cast("int64_t") long inner,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("void*") long workspace);

  public native @Cast("int64_t") long rf_feed_forward_backward_workspace(
      @Cast("rf_context*") long context,
      @Cast("int64_t") long chunk,
      @Cast("int64_t") long hidden,
      @Cast("int64_t") long inner,
      int inputType);

  public native int rf_feed_forward_backward(
      @Cast("rf_context*") long context,
      @Cast("void*") long out,
      @Cast("int64_t") long outStride,
      int outType,
      @Cast("void*") long dx,
      @Cast("int64_t") long dxStride,
      int dxType,
      @Cast("float*") long dw1,
      @Cast("int64_t") long dw1Stride,
      @Cast("float*") long db1,
      @Cast("float*") long dw2,
      @Cast("int64_t") long dw2Stride,
      @Cast("const void*") long dOut,
      @Cast("int64_t") long dOutStride,
      @Cast("const void*") long x,
      @Cast("int64_t") long xStride,
      @Cast("const void*") long w1,
      @Cast("int64_t") long w1Stride,
      @Cast("const float*") long b1,
      @Cast("const void*") long w2,
      @Cast("int64_t") long w2Stride,
      int inputType,
      int function,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long hidden,
      @Cast("int64_t") long inner,
      @Cast("int64_t") long chunk,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("void*") long workspace);

  public native int rf_activation(
      @Cast("rf_context*") long context,
      @Cast("void*") long hidden,
      @Cast("int64_t") long hiddenStride,
      int hiddenType,
      @Cast("float*") long slope,
      @Cast("int64_t") long slopeStride,
      @Cast("const float*") long x,
      @Cast("int64_t") long xStride,
      @Cast("const float*") long bias,
      int function,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow);

  public native @Cast("int64_t") long rf_activation_backward_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long columns);

  public native int rf_activation_backward(
      @Cast("rf_context*") long context,
      @Cast("void*") long dx,
      @Cast("int64_t") long dxStride,
      int dxType,
      @Cast("float*") long dbias,
      @Cast("const float*") long dhidden,
      @Cast("int64_t") long dhiddenStride,
      @Cast("const float*") long slope,
      @Cast("int64_t") long slopeStride,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("void*") long workspace);

  public native int rf_lsh_hash(
      @Cast("rf_context*") long context,
      @Cast("int32_t*") long buckets,
      @Cast("const void*") long x,
      @Cast("int64_t") long xStride,
      int xType,
      @Cast("const void*") long rotations,
      int rotationType,
      @Cast("const int32_t*") long keyMask,
      @Cast("const int32_t*") long lengths,
      int batch,
      int stride,
      int heads,
      int headSize,
      int rounds,
      @Cast("const int32_t*") int[] factors,
      int factorCount);

  public native @Cast("int64_t") long rf_lsh_sort_workspace(
      @Cast("int64_t") long segments,
      @Cast("int64_t") long length,
      @Cast("int64_t") long bucketCount);

  public native int rf_lsh_sort(
      @Cast("rf_context*") long context,
      @Cast("int32_t*") long order,
      @Cast("const int32_t*") long buckets,
      @Cast("int64_t") long segments,
      @Cast("int64_t") long length,
      @Cast("int64_t") long bucketCount,
      @Cast("const int32_t*") long lengths,
      @Cast("int64_t") long segmentsPerSequence,
      @Cast("void*") long workspace);

  public native int rf_lsh_runs(
      @Cast("rf_context*") long context,
      @Cast("int32_t*") long runs,
      @Cast("const int32_t*") long order,
      @Cast("const int32_t*") long buckets,
      @Cast("int64_t") long segments,
      @Cast("int64_t") long length,
      @Cast("const int32_t*") long lengths,
      @Cast("int64_t") long segmentsPerSequence,
      int chunk,
      @Cast("int64_t") long places,
      int byBucket,
      int distinct);

  public native int rf_attention_fast(
      @Cast("rf_context*") long context,
      int inputType,
      int headSize,
      int chunk,
      int distinct,
      @Cast("int64_t") long alignment);

  public native @Cast("int64_t") long rf_attention_workspace(
      int batch, int stride, int heads, int headSize, int rounds, int headsPerGroup, int fast);

  public native int rf_attention(
      @Cast("rf_context*") long context,
      @Cast("void*") long out,
      @Cast("int64_t") long outStride,
      int outType,
      @Cast("float*") long lse,
      @Cast("const void*") long queries,
      @Cast("int64_t") long queriesStride,
      @Cast("const void*") long keys,
      @Cast("int64_t") long keysStride,
      @Cast("const void*") long values,
      @Cast("int64_t") long valuesStride,
      int inputType,
      @Cast("const int32_t*") long order,
      @Cast("int64_t") long runPlaces,
      int distinct,
      @Cast("const int32_t*") long sequences,
      @Cast("const int32_t*") long keyMask,
      @Cast("const float*") long headMask,
      int batch,
      int stride,
      int heads,
      int headSize,
      int rounds,
      int chunk,
      int chunksBefore,
      int windowChunks,
      int causal,
      int shared,
      @Cast("int64_t") long tiles,
      int headsPerGroup,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("void*") long workspace);

  public native @Cast("int64_t") long rf_attention_backward_workspace(
      int batch,
      int stride,
      int heads,
      int headSize,
      int rounds,
      int gradientType,
      int headsPerGroup,
      int fast);

  public native int rf_attention_backward(
      @Cast("rf_context*") long context,
      @Cast("void*") long dQueries,
      @Cast("int64_t") long dQueriesStride,
      @Cast("void*") long dKeys,
      @Cast("int64_t") long dKeysStride,
      @Cast("void*") long dValues,
      @Cast("int64_t") long dValuesStride,
      @Cast("const void*") long dOut,
      @Cast("int64_t") long dOutStride,
      @Cast("const void*") long out,
      @Cast("int64_t") long outStride,
      int gradientType,
      @Cast("const float*") long lse,
      @Cast("const void*") long queries,
      @Cast("int64_t") long queriesStride,
      @Cast("const void*") long keys,
      @Cast("int64_t") long keysStride,
      @Cast("const void*") long values,
      @Cast("int64_t") long valuesStride,
      int inputType,
      @Cast("const int32_t*") long order,
      @Cast("int64_t") long runPlaces,
      int distinct,
      @Cast("const int32_t*") long sequences,
      @Cast("const int32_t*") long keyMask,
      @Cast("const float*") long headMask,
      int batch,
      int stride,
      int heads,
      int headSize,
      int rounds,
      int chunk,
      int chunksBefore,
      int windowChunks,
      int causal,
      int shared,
      @Cast("int64_t") long tiles,
      int headsPerGroup,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("void*") long workspace);

  public native int rf_decode_attention(
      @Cast("rf_context*") long context,
      @Cast("void*") long out,
      @Cast("int64_t") long outStride,
      int outType,
      @Cast("const void*") long queries,
      @Cast("int64_t") long queryStride,
      @Cast("const void*") long keys,
      @Cast("int64_t") long keyStride,
      @Cast("const void*") long values,
      @Cast("int64_t") long valueStride,
      int inputType,
      @Cast("const int32_t*") long rows,
      @Cast("const int32_t*") long own,
      @Cast("const float*") long headMask,
      int batch,
      int heads,
      int headSize,
      int rounds,
      int window,
      int sharedKeys);

  public native int rf_store_rows(
      @Cast("rf_context*") long context,
      @Cast("void*") long target,
      @Cast("int64_t") long targetStride,
      @Cast("const void*") long source,
      @Cast("int64_t") long sourceStride,
      int type,
      @Cast("const int32_t*") long rows,
      @Cast("int64_t") long count,
      @Cast("int64_t") long columns);

  public native @Cast("int64_t") long rf_decode_lists_workspace(
      @Cast("int64_t") long segments, @Cast("int64_t") long bucketCount);

  public native int rf_decode_lists(
      @Cast("rf_context*") long context,
      @Cast("int32_t*") long listed,
      @Cast("int32_t*") long places,
      @Cast("int32_t*") long buckets,
      @Cast("int32_t*") long ranks,
      @Cast("int32_t*") long counts,
      @Cast("const int32_t*") long hashed,
      @Cast("const int32_t*") long own,
      @Cast("const int32_t*") long lengths,
      int batch,
      int heads,
      int rounds,
      @Cast("int64_t") long capacity,
      @Cast("int64_t") long bucketCount,
      @Cast("int64_t") long width,
      int chunk,
      int chunksBefore,
      int windowChunks,
      int byBucket,
      int distinct,
      @Cast("void*") long workspace);

  public native int rf_index_check(
      @Cast("rf_context*") long context,
      @Cast("int32_t*") long first,
      @Cast("const int32_t*") long values,
      @Cast("int64_t") long count,
      @Cast("int64_t") long limit,
      int anyIgnored,
      int ignored);

  public native @Cast("int64_t") long rf_sum_of_squares_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long columns);

  public native int rf_sum_of_squares(
      @Cast("rf_context*") long context,
      @Cast("double*") long sum,
      @Cast("const float*") long x,
      @Cast("int64_t") long xStride,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("void*") long workspace);

  public native int rf_adam_w(
      @Cast("rf_context*") long context,
      @Cast("float*") long parameter,
      @Cast("const float*") long gradient,
      @Cast("float*") long first,
      @Cast("float*") long second,
      @Cast("int64_t") long count,
      double rate,
      double keep,
      float firstShare,
      float secondShare,
      double rootCorrection,
      float epsilon,
      float gradientScale);

  public native int rf_cross_entropy(
      @Cast("rf_context*") long context,
      @Cast("float*") long loss,
      @Cast("float*") long dlogits,
      @Cast("int64_t") long dlogitsStride,
      @Cast("const float*") long logits,
      @Cast("int64_t") long logitsStride,
      @Cast("const int32_t*") long targets,
      int ignoreIndex,
      float scale,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns);

  public native int rf_embed(
      @Cast("rf_context*") long context,
      @Cast("float*") long out,
      @Cast("int64_t") long outStride,
      @Cast("const int32_t*") long indices,
      @Cast("int64_t") long indexStride,
      @Cast("const float*") long table,
      @Cast("int64_t") long tableStride,
      @Cast("int64_t") long size,
      @Cast("int64_t") long width,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("int64_t") long firstColumn,
      int add,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("int64_t") long rowsPerSequence,
      @Cast("int64_t") long maskSize,
      @Cast("int64_t") long maskStride);

  public native @Cast("int64_t") long rf_embed_backward_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long size);

  public native int rf_embed_backward(
      @Cast("rf_context*") long context,
      @Cast("float*") long dtable,
      @Cast("int64_t") long dtableStride,
      @Cast("const float*") long dout,
      @Cast("int64_t") long doutStride,
      @Cast("const int32_t*") long indices,
      @Cast("int64_t") long indexStride,
      @Cast("int64_t") long size,
      @Cast("int64_t") long width,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      @Cast("int64_t") long firstColumn,
      @Cast("uint64_t") long dropoutSeed,
      @Cast("uint32_t") int dropoutStep,
      @Cast("uint32_t") int dropoutStream,
      @Cast("uint32_t") int dropoutThreshold,
      float dropoutScale,
      @Cast("int64_t") long dropoutFirstRow,
      @Cast("int64_t") long rowsPerSequence,
      @Cast("int64_t") long maskSize,
      @Cast("int64_t") long maskStride,
      @Cast("void*") long workspace);

  public native @Cast("int64_t") long rf_adafactor_workspace(
      @Cast("int64_t") long rows, @Cast("int64_t") long columns);

  public native int rf_adafactor(
      @Cast("rf_context*") long context,
      @Cast("float*") long parameter,
      @Cast("const float*") long gradient,
      @Cast("float*") long rowMoments,
      @Cast("float*") long columnMoments,
      @Cast("int64_t") long rows,
      @Cast("int64_t") long columns,
      float learningRate,
      float decay,
      float epsilon,
      float minimumScale,
      float clip,
      float weightDecay,
      float gradientScale,
      @Cast("void*") long workspace);
}
