package org.reformer4j.kernels;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulAlgoGetHeuristic;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutDestroy;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.ToIntFunction;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;

/**
 * How cuBLASLt computes one product. It thinks in columns: a row-major c = op(a) op(b) is its
 * transposed c' = op(b') op(a'), the operands change places, and no element moves.
 *
 * <p>Splitting K with sums in the output (in-place reduction) is not allowed, because their order
 * would change from run to run; sums are kept in float until they are complete.
 */
final class ProductPlan implements AutoCloseable {
  /** Most workspace that a way of computing may ask for. */
  static final long WORKSPACE_BYTES = 32L << 20;

  final cublasLtMatmulDescOpaque_t operation;
  final cublasLtMatrixLayoutOpaque_t left;
  final cublasLtMatrixLayoutOpaque_t right;
  final cublasLtMatrixLayoutOpaque_t output;
  final cublasLtMatmulAlgo_t algorithm;
  final long workspaceBytes;

  private final Deque<Runnable> resources = new ArrayDeque<>();

  ProductPlan(cublasLtContext handle, ProductKey key) {
    boolean complete = false;
    try {
      operation =
          own(
              cublasLtMatmulDescOpaque_t.class,
              p -> cublasLtMatmulDescCreate(p, CUBLAS_COMPUTE_32F, cudart.CUDA_R_32F),
              o -> cublasLtMatmulDescDestroy(o));
      set(CUBLASLT_MATMUL_DESC_TRANSA, key.transposeB() ? CUBLAS_OP_T : CUBLAS_OP_N);
      set(CUBLASLT_MATMUL_DESC_TRANSB, key.transposeA() ? CUBLAS_OP_T : CUBLAS_OP_N);
      left = layout(key.inputs(), key.n(), key.k(), key.transposeB(), key.strideB());
      right = layout(key.inputs(), key.k(), key.m(), key.transposeA(), key.strideA());
      output = layout(key.output(), key.n(), key.m(), false, key.strideC());
      cublasLtMatmulHeuristicResult_t choice = new cublasLtMatmulHeuristicResult_t();
      resources.push(choice::close);
      choose(handle, key, choice);
      algorithm = choice.algo();
      workspaceBytes = choice.workspaceSize();
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private void choose(
      cublasLtContext handle, ProductKey key, cublasLtMatmulHeuristicResult_t choice) {
    try (PointerPointer<cublasLtMatmulPreferenceOpaque_t> out = new PointerPointer<>(1);
        LongPointer bytes = new LongPointer(1).put(WORKSPACE_BYTES);
        IntPointer value = new IntPointer(1)) {
      check("cublasLtMatmulPreferenceCreate", cublasLtMatmulPreferenceCreate(out));
      cublasLtMatmulPreferenceOpaque_t preference =
          out.get(cublasLtMatmulPreferenceOpaque_t.class, 0);
      try {
        prefer(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes, Long.BYTES);
        int[] attributes = {
          CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
        };
        int[] values = {
          CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE,
          key.alignmentBytes(1),
          key.alignmentBytes(0),
          key.alignmentBytes(2),
          key.alignmentBytes(2)
        };
        for (int i = 0; i < attributes.length; i++) {
          prefer(preference, attributes[i], value.put(values[i]), Integer.BYTES);
        }
        int[] found = new int[1];
        int status =
            cublasLtMatmulAlgoGetHeuristic(
                handle, operation, left, right, output, output, preference, 1, choice, found);
        check("cublasLtMatmulAlgoGetHeuristic for " + key, status);
        if (found[0] == 0) {
          throw new BackendException(
              "gemm", 0, false, "gemm: cuBLASLt knows no way to compute " + key);
        }
      } finally {
        cublasLtMatmulPreferenceDestroy(preference);
      }
    }
  }

  private static void prefer(
      cublasLtMatmulPreferenceOpaque_t preference, int attribute, Pointer value, long bytes) {
    check(
        "cublasLtMatmulPreferenceSetAttribute",
        cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, bytes));
  }

  private void set(int attribute, int value) {
    try (IntPointer pointer = new IntPointer(1).put(value)) {
      check(
          "cublasLtMatmulDescSetAttribute",
          cublasLtMatmulDescSetAttribute(operation, attribute, pointer, Integer.BYTES));
    }
  }

  /** A matrix of rows and columns as it is used, in columns; given transposed or not. */
  private cublasLtMatrixLayoutOpaque_t layout(
      DType type, long rows, long columns, boolean transposed, long stride) {
    int code = type == DType.BF16 ? cudart.CUDA_R_16BF : cudart.CUDA_R_32F;
    long givenRows = transposed ? columns : rows;
    long givenColumns = transposed ? rows : columns;
    return own(
        cublasLtMatrixLayoutOpaque_t.class,
        p -> cublasLtMatrixLayoutCreate(p, code, givenRows, givenColumns, stride),
        o -> cublasLtMatrixLayoutDestroy(o));
  }

  private <T extends Pointer> T own(
      Class<T> type, ToIntFunction<PointerPointer<T>> create, ToIntFunction<T> destroy) {
    try (PointerPointer<T> out = new PointerPointer<>(1)) {
      check(type.getSimpleName(), create.applyAsInt(out));
      T object = out.get(type, 0);
      resources.push(() -> destroy.applyAsInt(object));
      return object;
    }
  }

  private static void check(String what, int status) {
    if (status != 0) {
      throw new BackendException(
          "gemm", status, false, "gemm: " + what + " fails: " + CublasStatus.name(status));
    }
  }

  @Override
  public void close() {
    while (!resources.isEmpty()) {
      resources.pop().run();
    }
  }
}
