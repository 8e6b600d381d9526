#ifndef CDAMA_CUDA_KERNELS_H
#define CDAMA_CUDA_KERNELS_H

// Kernels of our own, each for the current CUDA device and, with the same parameters, for the CPU.
//
// The functions of the device start work on the stream `stream` (a CUstream; NULL is the default stream) and return at
// once. The stream's context must be current in the calling thread. All pointers are device memory, which stays valid
// until the work is done. The functions of the CPU ignore `stream` and have finished when they return.
//
// `type` is one of CDAMA_FLOAT32, CDAMA_FLOAT16, CDAMA_BFLOAT16, ONNX's numbers of these types. All arithmetic is in float. Arrays at multiples of 16 bytes, with rows of a multiple of 8 numbers, take
// the fast path. Results do not depend on the device's number of processors, and are the same in every run.
//
// Each returns NULL, or one line of text that says why nothing was started; it is valid until the thread's next call.

#include <stddef.h>
#include <stdint.h>

#include "cdama_kernels.h"

enum { CDAMA_FLOAT32 = 1, CDAMA_FLOAT16 = 10, CDAMA_BFLOAT16 = 16 };

/// The number of doubles in the workspace of `sum_of_squares`.
enum { CDAMA_SQUARES_WORKSPACE = 1024 };

/// The longest rows of mask_softmax, and of norm, added_norm and rms_norm_grad.
enum { CDAMA_LONGEST_SOFTMAX = 32768, CDAMA_LONGEST_NORM = 8192 };

/// The queries of a tile of attention, and its keys.
enum { CDAMA_ATTENTION_TILE = 64 };
/// A number of a mask of attention that hides a key, and every smaller one.
#define CDAMA_HIDDEN (-1e4f)
/// What a mask does to a tile.
typedef enum { CDAMA_HIDES_ALL = 0, CDAMA_HIDES_SOME = 1, CDAMA_HIDES_NONE = 2 } cdama_mask_tile;

/// The shapes of attention. `heads` is a multiple of `key_heads` (grouped-query attention), `masks` is 1 or `batch`, or 0
/// without a mask, `size` is 32, 64 or 128 on the device. The scores are multiplied by `scale`. If `is_merged`, queries
/// and keys lie as values do, [batch, sequence, heads, size].
typedef struct {
    int32_t batch, heads, key_heads, sequence, size, masks, is_merged;
    float scale;
} cdama_attention;

/// What follows the sum with a bias.
typedef enum {
    CDAMA_LINEAR = 0,
    /// x σ(1.702 x)
    CDAMA_QUICK_GELU = 1,
    /// x Φ(x)
    CDAMA_GELU = 2,
    /// The form of x Φ(x) with tanh.
    CDAMA_TANH_GELU = 3
} cdama_activation;

/// The matrices of a product, in rows: a is [rows, inner] and b [inner, columns], or what a transposition makes so.
typedef struct {
    size_t rows, inner, columns;
    int transposes_a, transposes_b;
    float scale;
} cdama_product;

typedef struct cdama_kernels {
    // MARK: The optimizer and its gradients

    /// One step of AdamW as cdama_adamw_step() does it, over float masters and moments. `gradient` is of the type
    /// `gradient_type`. `working`, if not NULL, receives the parameters rounded to `working_type`.
    const char *(*adamw)(void *stream, const cdama_adamw *step, float *parameters, const void *gradient,
                         int gradient_type, float *first, float *second, void *working, int working_type,
                         size_t count);

    /// *sum += Σ values², in double, in an order that depends only on `count`. `workspace` is CDAMA_SQUARES_WORKSPACE
    /// doubles.
    const char *(*sum_of_squares)(void *stream, const void *values, int type, size_t count, double *workspace,
                                  double *sum);

    /// sums += values.
    const char *(*accumulate)(void *stream, float *sums, const void *values, int type, size_t count);

    /// table[rows[r]] += Σ values[positions[j]] for j in starts[r] ..< starts[r + 1], in the order of j.
    ///
    /// `table` and `values` have rows of `width` numbers, of their own types; one of the types is float or both are the
    /// same. `rows` are `count` different rows of the table, `starts` has count + 1 elements.
    const char *(*add_rows)(void *stream, void *table, int table_type, const void *values, int values_type,
                            const int64_t *rows, const int64_t *starts, const int64_t *positions, size_t count,
                            size_t width);

    /// All `count` numbers become `value`.
    const char *(*fill)(void *stream, void *to, int type, float value, size_t count);

    /// Rounds to nearest, ties to even.
    const char *(*cast)(void *stream, void *to, int to_type, const void *from, int from_type, size_t count);

    // MARK: Fused operators; see docs/graph.md

    /// y[b, h, s] = rotation of x[b, s, h] by positions[b, s], for heads of `size` numbers whose halves are the pairs
    /// (Su et al., 2021). `inverse` rotates back, from [b, h, s] to [b, s, h].
    ///
    /// `cosine` and `sine`: float [table, size / 2]. A position outside the table is an error on the CPU; on the device
    /// the nearest row is taken.
    const char *(*rotary_heads)(void *stream, int type, const void *x, const int64_t *positions, const float *cosine,
                                const float *sine, void *y, size_t batch, size_t sequence, size_t heads, size_t size,
                                size_t table, int inverse);

    /// shares = softmax(scores + mask) over rows of `keys` numbers. Row r takes row r mod queries of mask
    /// r / rows_per_mask. A row that the mask hides with −∞ everywhere gives zeros. `shares` may be `scores`.
    const char *(*mask_softmax)(void *stream, int type, const void *scores, const void *mask, void *shares, size_t rows,
                                size_t keys, size_t queries, size_t rows_per_mask);

    /// ∂scores = shares (∂shares − sums[row]). `scores` may be `flowing`.
    const char *(*softmax_grad)(void *stream, int type, const void *shares, const void *flowing, const float *sums,
                                void *scores, size_t rows, size_t keys);

    /// What each mask [queries, keys] does to its tiles: int64 [masks, ⌈queries / CDAMA_ATTENTION_TILE⌉,
    /// ⌈keys / CDAMA_ATTENTION_TILE⌉], of cdama_mask_tile. Keys after the last one count as hidden.
    const char *(*mask_tiles)(void *stream, int type, const void *mask, int64_t *kinds, size_t masks, size_t queries,
                              size_t keys);

    /// out[b, s, h] = Σ p v with p = softmax(scale · q kᵀ + mask), whose scores are never written (Dao et al., 2022).
    /// A row that sees nothing gives zeros.
    ///
    /// @param q  [batch, heads, sequence, size], or merged
    /// @param k  [batch, key heads, sequence, size], or merged
    /// @param v  [batch, sequence, key heads, size]
    /// @param mask  [masks, sequence, sequence]; `kinds` is its mask_tiles. Both NULL without a mask.
    /// @param[out] out  [batch, sequence, heads, size]
    /// @param[out] normalizers  [batch, heads, sequence]: log Σ exp(scores).
    const char *(*attention)(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                             const void *v, const void *mask, const int64_t *kinds, void *out, float *normalizers);

    /// The gradients of q, k and v, of their shapes, from `flowing` ∂out and `dots` [batch, heads, sequence], which is
    /// row_dot of ∂out and out: ∂v = pᵀ ∂o, ∂s = p (∂o vᵀ − dots), ∂q = scale · ∂s k, ∂k = scale · ∂sᵀ q.
    const char *(*attention_grad)(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                                  const void *v, const void *mask, const int64_t *kinds, const void *flowing,
                                  const float *normalizers, const float *dots, void *dq, void *dk, void *dv);

    /// Layer normalisation, or root mean square normalisation if `bias` and `means` are NULL: y = (x − mean) · inverse ·
    /// scale + bias with inverse = 1 / √(mean (x − mean)² + epsilon), or y = x · inverse · scale with inverse =
    /// 1 / √(mean x² + epsilon), for rows of at most CDAMA_LONGEST_NORM numbers.
    ///
    /// @param[out] means  [rows]
    /// @param[out] inverses  [rows]
    const char *(*norm)(void *stream, int type, const void *x, const void *scale, const void *bias, void *y, float *means,
                        float *inverses, size_t rows, size_t width, float epsilon);

    /// A residual connection and the norm that reads it, with the bits of the two: sums = x + residual, rounded to the
    /// type, then root mean square normalisation y of the sums as `norm` does it. `sums` may be `x` or `residual`.
    ///
    /// @param[out] inverses  [rows]
    const char *(*added_norm)(void *stream, int type, const void *x, const void *residual, const void *scale,
                              void *sums, void *y, float *inverses, size_t rows, size_t width, float epsilon);

    /// y[i] = table[tokens[i]], or features[feature_rows[i]] where tokens[i] is negative. A number outside the table or
    /// the features is an error on the CPU; on the device the nearest row is taken.
    ///
    /// @param table  [vocabulary, width]
    /// @param tokens  int64 [count]
    /// @param features  [feature count, width]
    /// @param feature_rows  int64 [count]
    /// @param[out] y  [count, width]
    const char *(*token_embeddings)(void *stream, int type, const void *table, const int64_t *tokens,
                                    const void *features, const int64_t *feature_rows, void *y, size_t vocabulary,
                                    size_t feature_count, size_t count, size_t width);

    /// The attention mask of packed responses: 0 where a query sees a key, elsewhere `hidden`. A key is visible if it is
    /// not later, and in the prefix or in the query's own segment, and with a window also if the query's position is
    /// less than the key's plus `window`.
    ///
    /// @param segments  int64 [batch, length]: 0 in the prefix, 1, 2, … in the responses, −1 in the padding
    /// @param positions  int64 [batch, length]
    /// @param[out] mask  [batch, length, length]
    /// @param window  0 for none
    const char *(*packed_mask)(void *stream, int type, const int64_t *segments, const int64_t *positions, void *mask,
                               size_t batch, size_t length, int64_t window, float hidden);

    /// y = activation(x + bias) + residual, for rows of `width` numbers. `residual` may be NULL, and `y` may be `x`.
    const char *(*add_bias)(void *stream, int type, const void *x, const void *bias, const void *residual, void *y,
                            size_t rows, size_t width, cdama_activation activation);

    /// y[i] = Σ x[j] over the numbers j in indices[i] that are less than `rows`; others are padding.
    ///
    /// @param x  [rows, width]
    /// @param indices  int64 [count, uses]
    /// @param[out] y  [count, width]
    const char *(*sum_rows)(void *stream, int type, const void *x, const int64_t *indices, void *y, size_t rows,
                            size_t count, size_t uses, size_t width);

    /// y = scale · a b, or with `adds` y += scale · a b; in float, rounded once. y is of the type `y_type`: `type`, or
    /// float. On the device it is cuBLAS's product.
    const char *(*product)(void *stream, int type, const cdama_product *shape, const void *a, const void *b, void *y,
                           int y_type, int adds);

    /// sums[b, h, s] = Σ a[b, s, h] · b[b, s, h] over a head's `size` numbers.
    const char *(*row_dot)(void *stream, int type, const void *a, const void *b, float *sums, size_t batch,
                           size_t sequence, size_t heads, size_t size);

    /// ∂x of y = x r scale with r = 1 / √(mean x² + ε): r h − x r³ mean(h x) + residual, h = ∂y scale. `residual` may
    /// be NULL.
    const char *(*rms_norm_grad)(void *stream, int type, const void *dy, const void *x, const void *scale,
                                 const float *r, const void *residual, void *dx, size_t rows, size_t width);

    /// ∂scale of the same: Σ ∂y x r over the rows.
    const char *(*rms_norm_scale_grad)(void *stream, int type, const void *dy, const void *x, const float *r,
                                       void *dscale, size_t rows, size_t width);

    /// y = gate σ(gate) up.
    const char *(*swiglu)(void *stream, int type, const void *gate, const void *up, void *y, size_t count);

    /// ∂gate = ∂y up (σ + gate σ (1 − σ)) and ∂up = ∂y gate σ.
    const char *(*swiglu_grad)(void *stream, int type, const void *dy, const void *gate, const void *up, void *dgate,
                               void *dup, size_t count);

    /// The first place of the largest number of each row; NaN counts as −∞. −1 for a row without a number above −∞. The
    /// vocabulary has at most 2²⁴ tokens.
    const char *(*likeliest)(void *stream, int type, const void *logits, int64_t *tokens, size_t rows,
                             size_t vocabulary);

    /// normalizers = log Σ exp(logits) of each row, logps = logits[target] − normalizers. A target outside the
    /// vocabulary is an error on the CPU and gives NaN on the device.
    const char *(*token_logps)(void *stream, int type, const void *logits, const int64_t *targets, float *logps,
                               float *normalizers, size_t rows, size_t vocabulary);

    /// ∂logits = weights ([target] − exp(logits − normalizer)). `dlogits` may be `logits`.
    const char *(*token_logps_grad)(void *stream, int type, const void *logits, const int64_t *targets,
                                    const float *normalizers, const float *weights, void *dlogits, size_t rows,
                                    size_t vocabulary);
} cdama_kernels;

extern const cdama_kernels cdama_cuda_kernels;
extern const cdama_kernels cdama_cpu_kernels;

// MARK: Availability

/// NULL if kernels can be launched on the device of this number, else the reason in one line. The first call for a
/// kind of device compiles the kernels (some seconds) or reads them from the cache.
const char *cdama_cuda_kernels_status(int device);

/// Whether the device of this number has kernels of attention in float16 and bfloat16: compute capability 8.0 or later.
int cdama_cuda_has_attention(int device);

/// NULL if NVRTC, the compiler of the kernels, can be opened, else the reason in one line. It is looked for as
/// $DAMA_NVRTC, on the loader's path, and beside the process's CUDA libraries.
const char *cdama_nvrtc_status(void);

/// Compiles the kernels for numbers of one type and for an architecture, for instance 90. No device is needed.
///
/// @param verbose  adds the registers that each kernel uses to the log.
/// @param[out] log  the compiler's messages, empty if there are none; freed with free(). NULL on an error.
/// @param[out] image, size  the machine code; freed with free().
/// @return NULL, or the reason in one line, with the compiler's messages.
const char *cdama_nvrtc_compile(int architecture, int type, int verbose, char **log, void **image, size_t *size);

/// What cdama_nvrtc_compile() gives, from the cache ($XDG_CACHE_HOME/libdama or ~/.cache/libdama) if it is there; else
/// it is compiled and put there. A cache that cannot be read or written is not an error.
///
/// @param[out] compiled  whether the compiler ran. May be NULL.
const char *cdama_cuda_image(int architecture, int type, void **image, size_t *size, int *compiled);

/// Takes the place of the driver's launch in tests. NULL restores the driver's.
/// Products, which are no kernels of this library, are then the CPU's.
typedef const char *(*cdama_launcher)(const char *kernel, unsigned blocks, unsigned threads, void **arguments);
void cdama_cuda_set_launcher(cdama_launcher launcher);

#endif
