// Stand-in for libcublasLt.so.13: products of column-major matrices on the host, one element after
// the other, with the argument checks of cuBLASLt that matter here.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  ALLOC_FAILED = 3,
  INVALID_VALUE = 7,
  EXECUTION_FAILED = 13,
  NOT_SUPPORTED = 15
};

enum { CUDA_R_32F = 0, CUDA_R_16BF = 14, COMPUTE_32F = 68 };
enum { OP_N = 0, OP_T = 1 };
// cublasLtMatmulDescAttributes_t, cublasLtMatmulPreferenceAttributes_t
enum { DESC_TRANSA = 3, DESC_TRANSB = 4 };
enum {
  PREF_MAX_WORKSPACE = 1,
  PREF_REDUCTION_MASK = 3,
  PREF_ALIGNMENT_A = 5,
  PREF_ALIGNMENT_D = 8
};
enum { REDUCTION_INPLACE = 1 };

static const uint32_t kHandleMark = 0x1A4D1E00;
// What every algorithm here asks for, so that callers have to give it.
static const uint64_t kWorkspaceBytes = 4096;

typedef struct {
  uint32_t mark;
} Handle;

typedef struct {
  int32_t compute_type;
  int32_t scale_type;
  int32_t transpose_a;
  int32_t transpose_b;
} Operation;

typedef struct {
  int32_t type;
  uint64_t rows;
  uint64_t columns;
  int64_t leading;
} Layout;

typedef struct {
  uint64_t workspace;
  uint32_t reductions;
  uint32_t alignments[4];
} Preference;

typedef struct {
  uint64_t data[8];
} Algorithm;

// cublasLtMatmulHeuristicResult_t
typedef struct {
  Algorithm algorithm;
  size_t workspace;
  int32_t state;
  float waves;
  int32_t reserved[4];
} Choice;

static int element_bytes(int32_t type) { return type == CUDA_R_16BF ? 2 : 4; }

static float from_bf16(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static uint16_t to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (isnan(value)) {
    return 0x7FFF;
  }
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static float get(const void* matrix, const Layout* layout, uint64_t row, uint64_t column) {
  const uint64_t at = row + column * (uint64_t)layout->leading;
  return layout->type == CUDA_R_16BF ? from_bf16(((const uint16_t*)matrix)[at])
                                     : ((const float*)matrix)[at];
}

static void put(void* matrix, const Layout* layout, uint64_t row, uint64_t column, float value) {
  const uint64_t at = row + column * (uint64_t)layout->leading;
  if (layout->type == CUDA_R_16BF) {
    ((uint16_t*)matrix)[at] = to_bf16(value);
  } else {
    ((float*)matrix)[at] = value;
  }
}

static int known_type(int32_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

static int is_handle(const Handle* handle) { return handle != NULL && handle->mark == kHandleMark; }

size_t cublasLtGetVersion(void) { return 130000; }

size_t cublasLtGetCudartVersion(void) { return 13000; }

int cublasLtCreate(Handle** handle) {
  if (handle == NULL) {
    return INVALID_VALUE;
  }
  *handle = malloc(sizeof **handle);
  if (*handle == NULL) {
    return ALLOC_FAILED;
  }
  (*handle)->mark = kHandleMark;
  return SUCCESS;
}

int cublasLtDestroy(Handle* handle) {
  if (!is_handle(handle)) {
    return NOT_INITIALIZED;
  }
  handle->mark = 0;
  free(handle);
  return SUCCESS;
}

int cublasLtMatmulDescCreate(Operation** out, int32_t compute_type, int32_t scale_type) {
  if (out == NULL || compute_type != COMPUTE_32F || scale_type != CUDA_R_32F) {
    return INVALID_VALUE;
  }
  *out = malloc(sizeof **out);
  if (*out == NULL) {
    return ALLOC_FAILED;
  }
  **out = (Operation){compute_type, scale_type, OP_N, OP_N};
  return SUCCESS;
}

int cublasLtMatmulDescDestroy(Operation* operation) {
  free(operation);
  return SUCCESS;
}

int cublasLtMatmulDescSetAttribute(Operation* operation, int attribute, const void* value,
                                   size_t bytes) {
  int32_t number;
  if (operation == NULL || value == NULL || bytes != sizeof number) {
    return INVALID_VALUE;
  }
  memcpy(&number, value, sizeof number);
  if (number != OP_N && number != OP_T) {
    return INVALID_VALUE;
  }
  switch (attribute) {
    case DESC_TRANSA:
      operation->transpose_a = number;
      return SUCCESS;
    case DESC_TRANSB:
      operation->transpose_b = number;
      return SUCCESS;
    default:
      return INVALID_VALUE;
  }
}

int cublasLtMatrixLayoutCreate(Layout** out, int32_t type, uint64_t rows, uint64_t columns,
                               int64_t leading) {
  if (out == NULL || !known_type(type) || rows == 0 || columns == 0 ||
      leading < (int64_t)rows) {
    return INVALID_VALUE;
  }
  *out = malloc(sizeof **out);
  if (*out == NULL) {
    return ALLOC_FAILED;
  }
  **out = (Layout){type, rows, columns, leading};
  return SUCCESS;
}

int cublasLtMatrixLayoutDestroy(Layout* layout) {
  free(layout);
  return SUCCESS;
}

int cublasLtMatmulPreferenceCreate(Preference** out) {
  if (out == NULL) {
    return INVALID_VALUE;
  }
  *out = malloc(sizeof **out);
  if (*out == NULL) {
    return ALLOC_FAILED;
  }
  **out = (Preference){0, UINT32_MAX, {256, 256, 256, 256}};
  return SUCCESS;
}

int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  free(preference);
  return SUCCESS;
}

int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value,
                                         size_t bytes) {
  if (preference == NULL || value == NULL) {
    return INVALID_VALUE;
  }
  if (attribute == PREF_MAX_WORKSPACE && bytes == sizeof preference->workspace) {
    memcpy(&preference->workspace, value, bytes);
    return SUCCESS;
  }
  uint32_t number;
  if (bytes != sizeof number) {
    return INVALID_VALUE;
  }
  memcpy(&number, value, sizeof number);
  if (attribute == PREF_REDUCTION_MASK) {
    preference->reductions = number;
    return SUCCESS;
  }
  if (attribute >= PREF_ALIGNMENT_A && attribute <= PREF_ALIGNMENT_D && number > 0) {
    preference->alignments[attribute - PREF_ALIGNMENT_A] = number;
    return SUCCESS;
  }
  return INVALID_VALUE;
}

// Whether op(a) [m, k], op(b) [k, n] and c [m, n] fit together in shapes and types.
static int fits(const Operation* operation, const Layout* a, const Layout* b, const Layout* c,
                const Layout* d) {
  const uint64_t rows_a = operation->transpose_a == OP_T ? a->columns : a->rows;
  const uint64_t terms_a = operation->transpose_a == OP_T ? a->rows : a->columns;
  const uint64_t terms_b = operation->transpose_b == OP_T ? b->columns : b->rows;
  const uint64_t columns_b = operation->transpose_b == OP_T ? b->rows : b->columns;
  const int types =
      a->type == b->type && c->type == d->type && (a->type == CUDA_R_16BF || c->type == CUDA_R_32F);
  return types && terms_a == terms_b && rows_a == c->rows && columns_b == c->columns &&
         c->rows == d->rows && c->columns == d->columns;
}

int cublasLtMatmulAlgoGetHeuristic(Handle* handle, const Operation* operation, const Layout* a,
                                   const Layout* b, const Layout* c, const Layout* d,
                                   const Preference* preference, int requested, Choice* choices,
                                   int* found) {
  if (!is_handle(handle)) {
    return NOT_INITIALIZED;
  }
  if (operation == NULL || a == NULL || b == NULL || c == NULL || d == NULL ||
      preference == NULL || choices == NULL || found == NULL || requested < 1 ||
      !fits(operation, a, b, c, d)) {
    return INVALID_VALUE;
  }
  *found = 0;
  // A caller who needs the same bits in every run must have said so.
  if (preference->reductions & REDUCTION_INPLACE || preference->workspace < kWorkspaceBytes) {
    return NOT_SUPPORTED;
  }
  memset(choices, 0, sizeof *choices);
  choices->algorithm.data[0] = kHandleMark;
  for (int i = 0; i < 4; i++) {
    choices->algorithm.data[1 + i] = preference->alignments[i];
  }
  choices->workspace = kWorkspaceBytes;
  *found = 1;
  return SUCCESS;
}

// Whether a matrix is as aligned as the algorithm was told.
static int aligned(const void* matrix, uint64_t bytes) { return (uintptr_t)matrix % bytes == 0; }

// What begins a stream of the simulator: does what is queued on it; keeps work with a copy of its argument for a
// graph, where one is being captured (1), unless that has failed (-1).
typedef struct {
  void (*run_queued)(void);
  int (*keep)(void* stream, void (*work)(void*), const void* argument, size_t bytes);
} Stream;

// One product: descriptors and factors may change before a graph with it is launched.
typedef struct {
  int transpose_a;
  int transpose_b;
  float alpha;
  float beta;
  const void* a;
  const void* b;
  const void* c;
  void* d;
  Layout layout_a;
  Layout layout_b;
  Layout layout_c;
  Layout layout_d;
  void* workspace;
} Product;

static void multiply(void* product) {
  const Product* p = product;
  // Written over, as a split product would.
  memset(p->workspace, 0xFF, kWorkspaceBytes);
  const uint64_t terms = p->transpose_a ? p->layout_a.rows : p->layout_a.columns;
  for (uint64_t j = 0; j < p->layout_d.columns; j++) {
    for (uint64_t i = 0; i < p->layout_d.rows; i++) {
      float sum = 0;
      for (uint64_t t = 0; t < terms; t++) {
        const float left = p->transpose_a ? get(p->a, &p->layout_a, t, i) : get(p->a, &p->layout_a, i, t);
        const float right = p->transpose_b ? get(p->b, &p->layout_b, j, t) : get(p->b, &p->layout_b, t, j);
        sum = fmaf(left, right, sum);
      }
      float value = p->alpha * sum;
      // Where beta is 0, c is not read.
      if (p->beta != 0) {
        value += p->beta * get(p->c, &p->layout_c, i, j);
      }
      put(p->d, &p->layout_d, i, j, value);
    }
  }
}

int cublasLtMatmul(Handle* handle, const Operation* operation, const float* alpha, const void* a,
                   const Layout* layout_a, const void* b, const Layout* layout_b,
                   const float* beta, const void* c, const Layout* layout_c, void* d,
                   const Layout* layout_d, const Algorithm* algorithm, void* workspace,
                   size_t workspace_bytes, void* stream) {
  if (!is_handle(handle)) {
    return NOT_INITIALIZED;
  }
  if (operation == NULL || alpha == NULL || beta == NULL || a == NULL || b == NULL || d == NULL ||
      layout_a == NULL || layout_b == NULL || layout_c == NULL || layout_d == NULL ||
      stream == NULL || (c == NULL && *beta != 0) ||
      !fits(operation, layout_a, layout_b, layout_c, layout_d)) {
    return INVALID_VALUE;
  }
  if (algorithm == NULL || algorithm->data[0] != kHandleMark || workspace == NULL ||
      workspace_bytes < kWorkspaceBytes || !aligned(workspace, 16) ||
      !aligned(a, algorithm->data[1]) || !aligned(b, algorithm->data[2]) ||
      !aligned(c, algorithm->data[3]) || !aligned(d, algorithm->data[4]) ||
      !aligned(a, (uint64_t)element_bytes(layout_a->type))) {
    return INVALID_VALUE;
  }
  Product product = {operation->transpose_a == OP_T, operation->transpose_b == OP_T, *alpha, *beta, a, b, c, d,
                     *layout_a, *layout_b, *layout_c, *layout_d, workspace};
  const Stream* queue = stream;
  const int kept = queue->keep(stream, multiply, &product, sizeof product);
  if (kept == 0) {
    queue->run_queued();
    multiply(&product);
  }
  return kept < 0 ? EXECUTION_FAILED : SUCCESS;
}
