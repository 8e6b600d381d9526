// The kernels on the CPU: they make graphs with fused operators run anywhere, and tests compare the device with them.
// They are not written for speed; the plain graphs are faster.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cdama_float.h"
#include "include/cdama_cuda_kernels.h"
#include "support.h"

typedef struct {
    uint16_t bits;
} half_number;
typedef struct {
    uint16_t bits;
} bfloat_number;

static float from_half(half_number v) {
    float f;
    cdama_float_from_half(&f, &v, 1);
    return f;
}
static half_number to_half(float f) {
    half_number v;
    cdama_float_to_half(&v, &f, 1);
    return v;
}
static float from_bfloat(bfloat_number v) {
    uint32_t bits = (uint32_t)v.bits << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static bfloat_number to_bfloat(float f) {
    bfloat_number v;
    cdama_float_to_bfloat16(&v, &f, 1);
    return v;
}

#define REAL float
#define NUMBER(v) (v)
#define ROUNDED(f) (f)
#define NAME(x) x##_f32
#include "cpu_kernels_typed.h"
#include "cpu_attention.h"
#undef REAL
#undef NUMBER
#undef ROUNDED
#undef NAME

#define REAL half_number
#define NUMBER(v) from_half(v)
#define ROUNDED(f) to_half(f)
#define NAME(x) x##_f16
#include "cpu_kernels_typed.h"
#include "cpu_attention.h"
#undef REAL
#undef NUMBER
#undef ROUNDED
#undef NAME

#define REAL bfloat_number
#define NUMBER(v) from_bfloat(v)
#define ROUNDED(f) to_bfloat(f)
#define NAME(x) x##_bf16
#include "cpu_kernels_typed.h"
#include "cpu_attention.h"
#undef REAL
#undef NUMBER
#undef ROUNDED
#undef NAME

#define CHECK_TYPE(kernel, type)    \
    if (cdama_type_index(type) < 0) \
    return cdama_cuda_fail(kernel ": no kernel for type %d; 1, 10 and 16 have one", type)

/// Calls the function for the type and returns.
#define DISPATCH(name, type, ...)                              \
    CHECK_TYPE(#name, type);                                   \
    switch (type) {                                            \
    case CDAMA_FLOAT32: name##_f32(__VA_ARGS__); return NULL;  \
    case CDAMA_FLOAT16: name##_f16(__VA_ARGS__); return NULL;  \
    default: name##_bf16(__VA_ARGS__); return NULL;            \
    }

// MARK: The optimizer

static float get(const void *from, int type, size_t i) {
    if (type == CDAMA_FLOAT32) return ((const float *)from)[i];
    if (type == CDAMA_FLOAT16) return from_half(((const half_number *)from)[i]);
    return from_bfloat(((const bfloat_number *)from)[i]);
}
static void put(void *to, int type, size_t i, float value) {
    if (type == CDAMA_FLOAT32) ((float *)to)[i] = value;
    else if (type == CDAMA_FLOAT16) ((half_number *)to)[i] = to_half(value);
    else ((bfloat_number *)to)[i] = to_bfloat(value);
}

static const char *adamw(void *stream, const cdama_adamw *step, float *parameters, const void *gradient,
                         int gradient_type, float *first, float *second, void *working, int working_type,
                         size_t count) {
    (void)stream;
    CHECK_TYPE("adamw", gradient_type);
    if (working != NULL) CHECK_TYPE("adamw", working_type);
    for (size_t i = 0; i < count; i++) {
        float g = get(gradient, gradient_type, i);
        cdama_adamw_step(CDAMA_LEVEL_BASE, step, parameters + i, &g, first + i, second + i, 1);
        if (working != NULL) put(working, working_type, i, parameters[i]);
    }
    return NULL;
}

static const char *sum_of_squares(void *stream, const void *values, int type, size_t count, double *workspace,
                                  double *sum) {
    (void)stream, (void)workspace;
    CHECK_TYPE("sum_of_squares", type);
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        double v = get(values, type, i);
        total += v * v;
    }
    *sum += total;
    return NULL;
}

static const char *accumulate(void *stream, float *sums, const void *values, int type, size_t count) {
    (void)stream;
    CHECK_TYPE("accumulate", type);
    for (size_t i = 0; i < count; i++) sums[i] += get(values, type, i);
    return NULL;
}

static const char *add_rows(void *stream, void *table, int table_type, const void *values, int values_type,
                            const int64_t *rows, const int64_t *starts, const int64_t *positions, size_t count,
                            size_t width) {
    (void)stream;
    CHECK_TYPE("add_rows", table_type);
    CHECK_TYPE("add_rows", values_type);
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < width; i++) {
            size_t at = (size_t)rows[row] * width + i;
            float sum = get(table, table_type, at);
            for (int64_t j = starts[row]; j < starts[row + 1]; j++) {
                sum += get(values, values_type, (size_t)positions[j] * width + i);
            }
            put(table, table_type, at, sum);
        }
    }
    return NULL;
}

static const char *fill(void *stream, void *to, int type, float value, size_t count) {
    (void)stream;
    CHECK_TYPE("fill", type);
    for (size_t i = 0; i < count; i++) put(to, type, i, value);
    return NULL;
}

static const char *cast(void *stream, void *to, int to_type, const void *from, int from_type, size_t count) {
    (void)stream;
    CHECK_TYPE("cast", to_type);
    CHECK_TYPE("cast", from_type);
    for (size_t i = 0; i < count; i++) put(to, to_type, i, get(from, from_type, i));
    return NULL;
}

// MARK: Fused operators

static const char *rotary_heads(void *stream, int type, const void *x, const int64_t *positions, const float *cosine,
                                const float *sine, void *y, size_t batch, size_t sequence, size_t heads, size_t size,
                                size_t table, int inverse) {
    (void)stream;
    for (size_t i = 0; i < batch * sequence; i++) {
        if (positions[i] < 0 || (uint64_t)positions[i] >= table) {
            return cdama_cuda_fail("rotary_heads: position %zu is %lld; the table has %zu rows", i,
                                   (long long)positions[i], table);
        }
    }
    DISPATCH(rotary_heads, type, x, positions, cosine, sine, y, batch, sequence, heads, size, inverse)
}

static const char *mask_softmax(void *stream, int type, const void *scores, const void *mask, void *shares, size_t rows,
                                size_t keys, size_t queries, size_t rows_per_mask) {
    (void)stream;
    CHECK_TYPE("mask_softmax", type);
    if (keys > CDAMA_LONGEST_SOFTMAX) {
        return cdama_cuda_fail("mask_softmax: rows of %zu numbers; at most %d fit", keys, CDAMA_LONGEST_SOFTMAX);
    }
    float *row = malloc(CDAMA_LONGEST_SOFTMAX * sizeof *row);
    if (row == NULL) return cdama_cuda_fail("mask_softmax: no memory for a row");
    switch (type) {
    case CDAMA_FLOAT32: mask_softmax_f32(scores, mask, shares, row, rows, keys, queries, rows_per_mask); break;
    case CDAMA_FLOAT16: mask_softmax_f16(scores, mask, shares, row, rows, keys, queries, rows_per_mask); break;
    default: mask_softmax_bf16(scores, mask, shares, row, rows, keys, queries, rows_per_mask);
    }
    free(row);
    return NULL;
}

static const char *softmax_grad(void *stream, int type, const void *shares, const void *flowing, const float *sums,
                                void *scores, size_t rows, size_t keys) {
    (void)stream;
    DISPATCH(softmax_grad, type, shares, flowing, sums, scores, rows, keys)
}

static const char *mask_tiles(void *stream, int type, const void *mask, int64_t *kinds, size_t masks, size_t queries,
                              size_t keys) {
    (void)stream;
    DISPATCH(mask_tiles, type, mask, kinds, masks, queries, keys)
}

static const char *norm(void *stream, int type, const void *x, const void *scale, const void *bias, void *y, float *means,
                        float *inverses, size_t rows, size_t width, float epsilon) {
    (void)stream;
    CHECK_TYPE("norm", type);
    for (size_t row = 0; row < rows; row++) {
        size_t start = row * width;
        float mean = 0, sum = 0;
        if (bias != NULL) {
            for (size_t i = 0; i < width; i++) mean += get(x, type, start + i);
            mean /= (float)width;
            means[row] = mean;
        }
        for (size_t i = 0; i < width; i++) {
            float value = get(x, type, start + i) - mean;
            sum += value * value;
        }
        inverses[row] = 1 / sqrtf(sum / (float)width + epsilon);
        for (size_t i = 0; i < width; i++) {
            float value = (get(x, type, start + i) - mean) * inverses[row] * get(scale, type, i);
            put(y, type, start + i, bias == NULL ? value : value + get(bias, type, i));
        }
    }
    return NULL;
}

static const char *added_norm(void *stream, int type, const void *x, const void *residual, const void *scale,
                              void *sums, void *y, float *inverses, size_t rows, size_t width, float epsilon) {
    CHECK_TYPE("added_norm", type);
    for (size_t i = 0; i < rows * width; i++) put(sums, type, i, get(x, type, i) + get(residual, type, i));
    return norm(stream, type, sums, scale, NULL, y, NULL, inverses, rows, width, epsilon);
}

static const char *token_embeddings(void *stream, int type, const void *table, const int64_t *tokens,
                                    const void *features, const int64_t *feature_rows, void *y, size_t vocabulary,
                                    size_t feature_count, size_t count, size_t width) {
    (void)stream;
    CHECK_TYPE("token_embeddings", type);
    size_t size = width * (size_t)cdama_type_size(type);
    for (size_t i = 0; i < count; i++) {
        int is_image = tokens[i] < 0;
        int64_t row = is_image ? feature_rows[i] : tokens[i];
        size_t rows = is_image ? feature_count : vocabulary;
        if (row < 0 || (uint64_t)row >= rows) {
            return cdama_cuda_fail("token_embeddings: token %zu is row %lld of the %s, which have %zu", i, (long long)row,
                                   is_image ? "features" : "embeddings", rows);
        }
        memcpy((char *)y + i * size, (const char *)(is_image ? features : table) + (size_t)row * size, size);
    }
    return NULL;
}

static const char *packed_mask(void *stream, int type, const int64_t *segments, const int64_t *positions, void *mask,
                               size_t batch, size_t length, int64_t window, float hidden) {
    (void)stream;
    CHECK_TYPE("packed_mask", type);
    for (size_t row = 0; row < batch * length; row++) {
        size_t first = row / length * length;
        for (size_t i = 0; i < length; i++) {
            size_t key = first + i;
            int is_seen = key <= row && (segments[key] == 0 || segments[key] == segments[row]) &&
                          (window == 0 || positions[row] < positions[key] + window);
            put(mask, type, row * length + i, is_seen ? 0 : hidden);
        }
    }
    return NULL;
}

static float activated(float x, cdama_activation activation) {
    switch (activation) {
    case CDAMA_QUICK_GELU: return x / (1 + expf(-1.702f * x));
    case CDAMA_GELU: return 0.5f * x * (1 + erff(x * 0.70710678f));
    case CDAMA_TANH_GELU: return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    default: return x;
    }
}

static const char *add_bias(void *stream, int type, const void *x, const void *bias, const void *residual, void *y,
                            size_t rows, size_t width, cdama_activation activation) {
    (void)stream;
    CHECK_TYPE("add_bias", type);
    for (size_t i = 0; i < rows * width; i++) {
        float value = activated(get(x, type, i) + get(bias, type, i % width), activation);
        put(y, type, i, residual == NULL ? value : value + get(residual, type, i));
    }
    return NULL;
}

static const char *attention(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                             const void *v, const void *mask, const int64_t *kinds, void *out, float *normalizers) {
    (void)stream;
    CHECK_TYPE("attention", type);
    float *numbers = malloc(((size_t)shape->sequence + (size_t)shape->size + 1) * sizeof *numbers);
    if (numbers == NULL) return cdama_cuda_fail("attention: no memory for a row");
    switch (type) {
    case CDAMA_FLOAT32: attention_f32(shape, q, k, v, mask, kinds, out, normalizers, numbers); break;
    case CDAMA_FLOAT16: attention_f16(shape, q, k, v, mask, kinds, out, normalizers, numbers); break;
    default: attention_bf16(shape, q, k, v, mask, kinds, out, normalizers, numbers);
    }
    free(numbers);
    return NULL;
}

static const char *attention_grad(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                                  const void *v, const void *mask, const int64_t *kinds, const void *flowing,
                                  const float *normalizers, const float *dots, void *dq, void *dk, void *dv) {
    (void)stream;
    CHECK_TYPE("attention_grad", type);
    size_t sequence = (size_t)shape->sequence, size = (size_t)shape->size;
    float *numbers = malloc((sequence + size + 2 * sequence * size + 1) * sizeof *numbers);
    if (numbers == NULL) return cdama_cuda_fail("attention_grad: no memory for the sums of a head");
    switch (type) {
    case CDAMA_FLOAT32:
        attention_grad_f32(shape, q, k, v, mask, kinds, flowing, normalizers, dots, dq, dk, dv, numbers);
        break;
    case CDAMA_FLOAT16:
        attention_grad_f16(shape, q, k, v, mask, kinds, flowing, normalizers, dots, dq, dk, dv, numbers);
        break;
    default: attention_grad_bf16(shape, q, k, v, mask, kinds, flowing, normalizers, dots, dq, dk, dv, numbers);
    }
    free(numbers);
    return NULL;
}

static const char *sum_rows(void *stream, int type, const void *x, const int64_t *indices, void *y, size_t rows,
                            size_t count, size_t uses, size_t width) {
    (void)stream;
    DISPATCH(sum_rows, type, x, indices, y, rows, count, uses, width)
}

/// A matrix in float, as it is or transposed.
static void copy_matrix(float *to, const void *from, int type, size_t rows, size_t columns, int transposes) {
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            to[i * columns + j] = get(from, type, transposes ? j * rows + i : i * columns + j);
        }
    }
}

static const char *product(void *stream, int type, const cdama_product *shape, const void *a, const void *b, void *y,
                           int y_type, int adds) {
    (void)stream;
    CHECK_TYPE("product", type);
    CHECK_TYPE("product", y_type);
    size_t rows = shape->rows, inner = shape->inner, columns = shape->columns;
    float *left = malloc((rows * inner + inner * columns + columns + 1) * sizeof *left);
    if (left == NULL) return cdama_cuda_fail("product: no memory for the matrices");
    float *right = left + rows * inner, *sums = right + inner * columns;
    copy_matrix(left, a, type, rows, inner, shape->transposes_a);
    copy_matrix(right, b, type, inner, columns, shape->transposes_b);
    for (size_t i = 0; i < rows; i++) {
        memset(sums, 0, columns * sizeof *sums);
        for (size_t k = 0; k < inner; k++) {
            float factor = left[i * inner + k];
            for (size_t j = 0; j < columns; j++) sums[j] += factor * right[k * columns + j];
        }
        for (size_t j = 0; j < columns; j++) {
            size_t at = i * columns + j;
            put(y, y_type, at, shape->scale * sums[j] + (adds ? get(y, y_type, at) : 0));
        }
    }
    free(left);
    return NULL;
}

static const char *row_dot(void *stream, int type, const void *a, const void *b, float *sums, size_t batch,
                           size_t sequence, size_t heads, size_t size) {
    (void)stream;
    DISPATCH(row_dot, type, a, b, sums, batch, sequence, heads, size)
}

static const char *rms_norm_grad(void *stream, int type, const void *dy, const void *x, const void *scale,
                                 const float *r, const void *residual, void *dx, size_t rows, size_t width) {
    (void)stream;
    if (width > CDAMA_LONGEST_NORM) {
        return cdama_cuda_fail("rms_norm_grad: rows of %zu numbers; at most %d fit", width, CDAMA_LONGEST_NORM);
    }
    DISPATCH(rms_norm_grad, type, dy, x, scale, r, residual, dx, rows, width)
}

static const char *rms_norm_scale_grad(void *stream, int type, const void *dy, const void *x, const float *r,
                                       void *dscale, size_t rows, size_t width) {
    (void)stream;
    DISPATCH(rms_norm_scale_grad, type, dy, x, r, dscale, rows, width)
}

static const char *swiglu(void *stream, int type, const void *gate, const void *up, void *y, size_t count) {
    (void)stream;
    DISPATCH(swiglu, type, gate, up, y, count)
}

static const char *swiglu_grad(void *stream, int type, const void *dy, const void *gate, const void *up, void *dgate,
                               void *dup, size_t count) {
    (void)stream;
    DISPATCH(swiglu_grad, type, dy, gate, up, dgate, dup, count)
}

static const char *likeliest(void *stream, int type, const void *logits, int64_t *tokens, size_t rows,
                             size_t vocabulary) {
    (void)stream;
    DISPATCH(likeliest, type, logits, tokens, rows, vocabulary)
}

static const char *check_targets(const char *kernel, const int64_t *targets, size_t rows, size_t vocabulary) {
    for (size_t i = 0; i < rows; i++) {
        if (targets[i] < 0 || (uint64_t)targets[i] >= vocabulary) {
            return cdama_cuda_fail("%s: target %zu is %lld; the vocabulary has %zu tokens", kernel, i,
                                   (long long)targets[i], vocabulary);
        }
    }
    return NULL;
}

static const char *token_logps(void *stream, int type, const void *logits, const int64_t *targets, float *logps,
                               float *normalizers, size_t rows, size_t vocabulary) {
    (void)stream;
    const char *error = check_targets("token_logps", targets, rows, vocabulary);
    if (error != NULL) return error;
    DISPATCH(token_logps, type, logits, targets, logps, normalizers, rows, vocabulary)
}

static const char *token_logps_grad(void *stream, int type, const void *logits, const int64_t *targets,
                                    const float *normalizers, const float *weights, void *dlogits, size_t rows,
                                    size_t vocabulary) {
    (void)stream;
    DISPATCH(token_logps_grad, type, logits, targets, normalizers, weights, dlogits, rows, vocabulary)
}

const cdama_kernels cdama_cpu_kernels = {
    adamw, sum_of_squares, accumulate, add_rows, fill, cast,
    rotary_heads, mask_softmax, softmax_grad, mask_tiles, attention, attention_grad, norm, added_norm,
    token_embeddings, packed_mask, add_bias, sum_rows, product, row_dot, rms_norm_grad, rms_norm_scale_grad,
    swiglu, swiglu_grad, likeliest, token_logps, token_logps_grad,
};
