// The kernels' arguments and grids. Their code is in kernels/.

#include "include/cdama_cuda_kernels.h"
#include "products.h"
#include "support.h"

enum { BLOCK = 256, CHUNK = 8, WARP = 32, SOFTMAX_ROW = 32, NORM_ROW = 16, ATTENTION_THREADS = 128 };

#define ARGUMENTS(...) ((void *[]){__VA_ARGS__})
#define CHECK_TYPE(kernel, type)    \
    if (cdama_type_index(type) < 0) \
    return cdama_cuda_fail(kernel ": no kernel for type %d; 1, 10 and 16 have one", type)

static uint64_t blocks_for(uint64_t threads) {
    return (threads + BLOCK - 1) / BLOCK;
}
static uint64_t chunks_of(uint64_t count) {
    return (count + CHUNK - 1) / CHUNK;
}
static uint64_t tiles_of(uint64_t count) {
    return (count + CDAMA_ATTENTION_TILE - 1) / CDAMA_ATTENTION_TILE;
}

/// Whether 16 bytes can be loaded at once from each of the arrays, of which some may be NULL.
static int all_aligned(const void *const *arrays, int count) {
    uintptr_t bits = 0;
    for (int i = 0; i < count; i++) bits |= (uintptr_t)arrays[i];
    return bits % 16 == 0;
}
#define ALIGNED(...) \
    all_aligned((const void *const[]){__VA_ARGS__}, sizeof((const void *const[]){__VA_ARGS__}) / sizeof(void *))

/// The grid of a kernel whose rows stay in registers: `lanes` threads share a row, of which each keeps `own` numbers.
typedef struct {
    int64_t rows;
    int width, lanes;
    uint64_t blocks;
    unsigned threads;
} row_grid;

static row_grid grid_of_rows(size_t rows, size_t width, int own) {
    size_t each = (size_t)own * WARP;
    int lanes = (int)((width + each - 1) / each) * WARP, per_block = lanes == WARP ? BLOCK / WARP : 1;
    return (row_grid){(int64_t)rows, (int)width, lanes, (rows + (size_t)per_block - 1) / (size_t)per_block,
                      (unsigned)(lanes * per_block)};
}

/// Whether the lengths fit the kernels' 32-bit numbers.
static const char *check_lengths(const char *kernel, const size_t *lengths, int count) {
    for (int i = 0; i < count; i++) {
        if (lengths[i] > INT32_MAX) return cdama_cuda_fail("%s: a length of %zu is too large", kernel, lengths[i]);
    }
    return NULL;
}
#define CHECK_LENGTHS(kernel, ...)                                                                \
    do {                                                                                          \
        const size_t lengths_[] = {__VA_ARGS__};                                                  \
        const char *error_ = check_lengths(kernel, lengths_, sizeof lengths_ / sizeof *lengths_); \
        if (error_ != NULL) return error_;                                                        \
    } while (0)

// MARK: The optimizer

static const char *adamw(void *stream, const cdama_adamw *step, float *parameters, const void *gradient,
                         int gradient_type, float *first, float *second, void *working, int working_type,
                         size_t count) {
    CHECK_TYPE("adamw", gradient_type);
    if (working == NULL) working_type = CDAMA_FLOAT32;
    CHECK_TYPE("adamw", working_type);
    int aligned = ALIGNED(parameters, gradient, first, second, working), to = cdama_type_index(working_type);
    int64_t total = (int64_t)count;
    cdama_adamw numbers = *step;
    return cdama_launch(KERNEL_adamw, gradient_type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&numbers, &parameters, &gradient, &first, &second, &working, &to, &total, &aligned));
}

static const char *sum_of_squares(void *stream, const void *values, int type, size_t count, double *workspace,
                                  double *sum) {
    CHECK_TYPE("sum_of_squares", type);
    uint64_t blocks = blocks_for(chunks_of(count));
    if (blocks > CDAMA_SQUARES_WORKSPACE) blocks = CDAMA_SQUARES_WORKSPACE;
    int aligned = ALIGNED(values), parts = (int)blocks;
    int64_t total = (int64_t)count;
    if (blocks == 0) return NULL;
    const char *error =
        cdama_launch(KERNEL_squares, type, stream, blocks, BLOCK, ARGUMENTS(&values, &workspace, &total, &aligned));
    if (error != NULL) return error;
    return cdama_launch(KERNEL_sum_of_parts, type, stream, 1, BLOCK, ARGUMENTS(&workspace, &parts, &sum));
}

static const char *accumulate(void *stream, float *sums, const void *values, int type, size_t count) {
    CHECK_TYPE("accumulate", type);
    int aligned = ALIGNED(sums, values);
    int64_t total = (int64_t)count;
    return cdama_launch(KERNEL_accumulate, type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&sums, &values, &total, &aligned));
}

static const char *add_rows(void *stream, void *table, int table_type, const void *values, int values_type,
                            const int64_t *rows, const int64_t *starts, const int64_t *positions, size_t count,
                            size_t width) {
    CHECK_TYPE("add_rows", table_type);
    CHECK_TYPE("add_rows", values_type);
    CHECK_LENGTHS("add_rows", width);
    int aligned = width % CHUNK == 0 && ALIGNED(table, values), to = cdama_type_index(table_type);
    int columns = (int)width;
    int64_t threads = (int64_t)(count * chunks_of(width));
    return cdama_launch(
        KERNEL_add_rows, values_type, stream, blocks_for((uint64_t)threads), BLOCK,
        ARGUMENTS(&table, &to, &values, &rows, &starts, &positions, &threads, &columns, &aligned));
}

static const char *fill(void *stream, void *to, int type, float value, size_t count) {
    CHECK_TYPE("fill", type);
    int aligned = ALIGNED(to);
    int64_t total = (int64_t)count;
    return cdama_launch(KERNEL_fill, type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&to, &value, &total, &aligned));
}

static const char *cast(void *stream, void *to, int to_type, const void *from, int from_type, size_t count) {
    CHECK_TYPE("cast", to_type);
    CHECK_TYPE("cast", from_type);
    int aligned = ALIGNED(to, from), target = cdama_type_index(to_type);
    int64_t total = (int64_t)count;
    return cdama_launch(KERNEL_cast, from_type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&to, &target, &from, &total, &aligned));
}

// MARK: Fused operators

static const char *rotary_heads(void *stream, int type, const void *x, const int64_t *positions, const float *cosine,
                                const float *sine, void *y, size_t batch, size_t sequence, size_t heads, size_t size,
                                size_t table, int inverse) {
    CHECK_TYPE("rotary_heads", type);
    CHECK_LENGTHS("rotary_heads", sequence, heads, size);
    int length = (int)sequence, number = (int)heads, half = (int)(size / 2);
    int aligned = half % CHUNK == 0 && ALIGNED(x, cosine, sine, y);
    int64_t threads = (int64_t)(batch * sequence * heads * chunks_of(size / 2)), rows = (int64_t)table;
    return cdama_launch(KERNEL_rotary_heads, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&x, &positions, &cosine, &sine, &y, &threads, &length, &number, &half, &rows,
                                  &inverse, &aligned));
}

static const char *mask_softmax(void *stream, int type, const void *scores, const void *mask, void *shares, size_t rows,
                                size_t keys, size_t queries, size_t rows_per_mask) {
    CHECK_TYPE("mask_softmax", type);
    if (keys > CDAMA_LONGEST_SOFTMAX) {
        return cdama_cuda_fail("mask_softmax: rows of %zu numbers; at most %d fit", keys, CDAMA_LONGEST_SOFTMAX);
    }
    CHECK_LENGTHS("mask_softmax", queries);
    if (rows == 0 || keys == 0) return NULL;
    row_grid grid = grid_of_rows(rows, keys, SOFTMAX_ROW);
    int aligned = keys % CHUNK == 0 && ALIGNED(scores, mask, shares);
    int number = (int)queries;
    int64_t per_mask = (int64_t)rows_per_mask;
    return cdama_launch(KERNEL_mask_softmax, type, stream, grid.blocks, grid.threads,
                        ARGUMENTS(&scores, &mask, &shares, &grid.rows, &grid.width, &number, &per_mask, &grid.lanes,
                                  &aligned));
}

static const char *softmax_grad(void *stream, int type, const void *shares, const void *flowing, const float *sums,
                                void *scores, size_t rows, size_t keys) {
    CHECK_TYPE("softmax_grad", type);
    CHECK_LENGTHS("softmax_grad", keys);
    int aligned = keys % CHUNK == 0 && ALIGNED(shares, flowing, scores), width = (int)keys;
    int64_t threads = (int64_t)(rows * chunks_of(keys));
    return cdama_launch(KERNEL_softmax_grad, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&shares, &flowing, &sums, &scores, &threads, &width, &aligned));
}

static const char *mask_tiles(void *stream, int type, const void *mask, int64_t *kinds, size_t masks, size_t queries,
                              size_t keys) {
    CHECK_TYPE("mask_tiles", type);
    CHECK_LENGTHS("mask_tiles", queries, keys);
    int down = (int)queries, across = (int)keys;
    return cdama_launch(KERNEL_mask_tiles, type, stream, masks * tiles_of(queries) * tiles_of(keys), BLOCK,
                        ARGUMENTS(&mask, &kinds, &down, &across));
}

static const char *norm(void *stream, int type, const void *x, const void *scale, const void *bias, void *y, float *means,
                        float *inverses, size_t rows, size_t width, float epsilon) {
    CHECK_TYPE("norm", type);
    if (width > CDAMA_LONGEST_NORM) {
        return cdama_cuda_fail("norm: rows of %zu numbers; at most %d fit", width, CDAMA_LONGEST_NORM);
    }
    if (rows == 0 || width == 0) return NULL;
    row_grid grid = grid_of_rows(rows, width, NORM_ROW);
    int aligned = width % CHUNK == 0 && ALIGNED(x, scale, bias, y);
    return cdama_launch(KERNEL_norm, type, stream, grid.blocks, grid.threads,
                        ARGUMENTS(&x, &scale, &bias, &y, &means, &inverses, &grid.rows, &grid.width, &epsilon,
                                  &grid.lanes, &aligned));
}

static const char *added_norm(void *stream, int type, const void *x, const void *residual, const void *scale,
                              void *sums, void *y, float *inverses, size_t rows, size_t width, float epsilon) {
    CHECK_TYPE("added_norm", type);
    if (width > CDAMA_LONGEST_NORM) {
        return cdama_cuda_fail("added_norm: rows of %zu numbers; at most %d fit", width, CDAMA_LONGEST_NORM);
    }
    if (rows == 0 || width == 0) return NULL;
    row_grid grid = grid_of_rows(rows, width, NORM_ROW);
    int aligned = width % CHUNK == 0 && ALIGNED(x, residual, scale, sums, y);
    return cdama_launch(KERNEL_added_norm, type, stream, grid.blocks, grid.threads,
                        ARGUMENTS(&x, &residual, &scale, &sums, &y, &inverses, &grid.rows, &grid.width, &epsilon,
                                  &grid.lanes, &aligned));
}

static const char *token_embeddings(void *stream, int type, const void *table, const int64_t *tokens,
                                    const void *features, const int64_t *feature_rows, void *y, size_t vocabulary,
                                    size_t feature_count, size_t count, size_t width) {
    CHECK_TYPE("token_embeddings", type);
    CHECK_LENGTHS("token_embeddings", width);
    int aligned = width % CHUNK == 0 && ALIGNED(table, features, y), columns = (int)width;
    int64_t threads = (int64_t)(count * chunks_of(width)), rows = (int64_t)vocabulary, images = (int64_t)feature_count;
    return cdama_launch(KERNEL_token_embeddings, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&table, &tokens, &features, &feature_rows, &y, &rows, &images, &threads, &columns,
                                  &aligned));
}

static const char *packed_mask(void *stream, int type, const int64_t *segments, const int64_t *positions, void *mask,
                               size_t batch, size_t length, int64_t window, float hidden) {
    CHECK_TYPE("packed_mask", type);
    CHECK_LENGTHS("packed_mask", length);
    int aligned = length % CHUNK == 0 && ALIGNED(mask), keys = (int)length;
    int64_t threads = (int64_t)(batch * length * chunks_of(length));
    return cdama_launch(KERNEL_packed_mask, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&segments, &positions, &mask, &threads, &keys, &window, &hidden, &aligned));
}

static const char *add_bias(void *stream, int type, const void *x, const void *bias, const void *residual, void *y,
                            size_t rows, size_t width, cdama_activation activation) {
    CHECK_TYPE("add_bias", type);
    CHECK_LENGTHS("add_bias", width);
    int aligned = width % CHUNK == 0 && ALIGNED(x, bias, residual, y), columns = (int)width, kind = (int)activation;
    int64_t threads = (int64_t)(rows * chunks_of(width));
    return cdama_launch(KERNEL_add_bias, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&x, &bias, &residual, &y, &threads, &columns, &kind, &aligned));
}

/// The number of a kernel of attention for heads of this size, from that for 32.
static const char *find_attention(const char *name, const cdama_attention *shape, int *kernel) {
    *kernel += shape->size == 64 ? 1 : shape->size == 128 ? 2 : 0;
    if ((int64_t)shape->sequence * shape->heads * shape->size > INT32_MAX) {
        return cdama_cuda_fail("%s: %d tokens of %d heads of %d numbers are too many", name, (int)shape->sequence,
                               (int)shape->heads, (int)shape->size);
    }
    if (shape->size == 32 || shape->size == 64 || shape->size == 128) return NULL;
    return cdama_cuda_fail("%s: heads of %d numbers; 32, 64 and 128 have a kernel", name, (int)shape->size);
}

unsigned cdama_attention_memory(int kernel) {
    unsigned size = 32u << (kernel - FIRST_ATTENTION_KERNEL) % 3, kind = (unsigned)(kernel - FIRST_ATTENTION_KERNEL) / 3;
    unsigned tile = CDAMA_ATTENTION_TILE * size * 2, mask = CDAMA_ATTENTION_TILE * (CDAMA_ATTENTION_TILE + CHUNK) * 2;
    return (kind == 0 ? 3 : 4) * tile + mask + (kind == 2 ? 2 * CDAMA_ATTENTION_TILE * (unsigned)sizeof(float) : 0);
}

static const char *attention(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                             const void *v, const void *mask, const int64_t *kinds, void *out, float *normalizers) {
    CHECK_TYPE("attention", type);
    int kernel = KERNEL_attention_32;
    const char *error = find_attention("attention", shape, &kernel);
    if (error != NULL) return error;
    if (!ALIGNED(q, k, v, out)) return cdama_cuda_fail("attention: an array is not at a multiple of 16 bytes");
    cdama_attention numbers = *shape;
    uint64_t blocks = (uint64_t)shape->batch * (uint64_t)shape->heads * tiles_of((size_t)shape->sequence);
    return cdama_launch(kernel, type, stream, blocks, ATTENTION_THREADS,
                        ARGUMENTS(&q, &k, &v, &mask, &kinds, &out, &normalizers, &numbers));
}

static const char *attention_grad(void *stream, int type, const cdama_attention *shape, const void *q, const void *k,
                                  const void *v, const void *mask, const int64_t *kinds, const void *flowing,
                                  const float *normalizers, const float *dots, void *dq, void *dk, void *dv) {
    CHECK_TYPE("attention_grad", type);
    int queries = KERNEL_query_gradient_32, keys = KERNEL_key_gradients_32;
    const char *error = find_attention("attention_grad", shape, &queries);
    if (error == NULL) error = find_attention("attention_grad", shape, &keys);
    if (error != NULL) return error;
    if (!ALIGNED(q, k, v, flowing, dq, dk, dv)) {
        return cdama_cuda_fail("attention_grad: an array is not at a multiple of 16 bytes");
    }
    cdama_attention numbers = *shape;
    uint64_t tiles = (uint64_t)shape->batch * tiles_of((size_t)shape->sequence);
    error = cdama_launch(queries, type, stream, tiles * (uint64_t)shape->heads, ATTENTION_THREADS,
                         ARGUMENTS(&q, &k, &v, &mask, &kinds, &flowing, &normalizers, &dots, &dq, &numbers));
    if (error != NULL) return error;
    return cdama_launch(keys, type, stream, tiles * (uint64_t)shape->key_heads, ATTENTION_THREADS,
                        ARGUMENTS(&q, &k, &v, &mask, &kinds, &flowing, &normalizers, &dots, &dk, &dv, &numbers));
}

static const char *sum_rows(void *stream, int type, const void *x, const int64_t *indices, void *y, size_t rows,
                            size_t count, size_t uses, size_t width) {
    CHECK_TYPE("sum_rows", type);
    CHECK_LENGTHS("sum_rows", uses, width);
    int aligned = width % CHUNK == 0 && ALIGNED(x, y), each = (int)uses, columns = (int)width;
    int64_t total = (int64_t)rows, threads = (int64_t)(count * chunks_of(width));
    return cdama_launch(KERNEL_sum_rows, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&x, &indices, &y, &total, &threads, &each, &columns, &aligned));
}

static const char *row_dot(void *stream, int type, const void *a, const void *b, float *sums, size_t batch,
                           size_t sequence, size_t heads, size_t size) {
    CHECK_TYPE("row_dot", type);
    CHECK_LENGTHS("row_dot", sequence, heads, size);
    int aligned = size % CHUNK == 0 && ALIGNED(a, b), length = (int)sequence, number = (int)heads, width = (int)size;
    int64_t rows = (int64_t)(batch * sequence * heads);
    return cdama_launch(KERNEL_row_dot, type, stream, blocks_for((uint64_t)rows * 8), BLOCK,
                        ARGUMENTS(&a, &b, &sums, &rows, &length, &number, &width, &aligned));
}

static const char *rms_norm_grad(void *stream, int type, const void *dy, const void *x, const void *scale,
                                 const float *r, const void *residual, void *dx, size_t rows, size_t width) {
    CHECK_TYPE("rms_norm_grad", type);
    if (width > CDAMA_LONGEST_NORM) {
        return cdama_cuda_fail("rms_norm_grad: rows of %zu numbers; at most %d fit", width, CDAMA_LONGEST_NORM);
    }
    if (rows == 0 || width == 0) return NULL;
    row_grid grid = grid_of_rows(rows, width, NORM_ROW);
    int aligned = width % CHUNK == 0 && ALIGNED(dy, x, scale, residual, dx);
    return cdama_launch(KERNEL_rms_norm_grad, type, stream, grid.blocks, grid.threads,
                        ARGUMENTS(&dy, &x, &scale, &r, &residual, &dx, &grid.rows, &grid.width, &grid.lanes, &aligned));
}

static const char *rms_norm_scale_grad(void *stream, int type, const void *dy, const void *x, const float *r,
                                       void *dscale, size_t rows, size_t width) {
    CHECK_TYPE("rms_norm_scale_grad", type);
    CHECK_LENGTHS("rms_norm_scale_grad", width);
    int aligned = width % CHUNK == 0 && ALIGNED(dy, x), columns = (int)width;
    int64_t total = (int64_t)rows;
    return cdama_launch(KERNEL_rms_norm_scale_grad, type, stream, (chunks_of(width) + 3) / 4, BLOCK,
                        ARGUMENTS(&dy, &x, &r, &dscale, &total, &columns, &aligned));
}

static const char *swiglu(void *stream, int type, const void *gate, const void *up, void *y, size_t count) {
    CHECK_TYPE("swiglu", type);
    int aligned = ALIGNED(gate, up, y);
    int64_t total = (int64_t)count;
    return cdama_launch(KERNEL_swiglu, type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&gate, &up, &y, &total, &aligned));
}

static const char *swiglu_grad(void *stream, int type, const void *dy, const void *gate, const void *up, void *dgate,
                               void *dup, size_t count) {
    CHECK_TYPE("swiglu_grad", type);
    int aligned = ALIGNED(dy, gate, up, dgate, dup);
    int64_t total = (int64_t)count;
    return cdama_launch(KERNEL_swiglu_grad, type, stream, blocks_for(chunks_of(count)), BLOCK,
                        ARGUMENTS(&dy, &gate, &up, &dgate, &dup, &total, &aligned));
}

static const char *likeliest(void *stream, int type, const void *logits, int64_t *tokens, size_t rows,
                             size_t vocabulary) {
    CHECK_TYPE("likeliest", type);
    if (vocabulary > 1 << 24) return cdama_cuda_fail("likeliest: a vocabulary of %zu tokens; at most 2^24 fit", vocabulary);
    int aligned = vocabulary % CHUNK == 0 && ALIGNED(logits), width = (int)vocabulary;
    return cdama_launch(KERNEL_likeliest, type, stream, rows, BLOCK, ARGUMENTS(&logits, &tokens, &width, &aligned));
}

static const char *token_logps(void *stream, int type, const void *logits, const int64_t *targets, float *logps,
                               float *normalizers, size_t rows, size_t vocabulary) {
    CHECK_TYPE("token_logps", type);
    CHECK_LENGTHS("token_logps", vocabulary);
    int aligned = vocabulary % CHUNK == 0 && ALIGNED(logits), width = (int)vocabulary;
    return cdama_launch(KERNEL_token_logps, type, stream, rows, 2 * BLOCK,
                        ARGUMENTS(&logits, &targets, &logps, &normalizers, &width, &aligned));
}

static const char *token_logps_grad(void *stream, int type, const void *logits, const int64_t *targets,
                                    const float *normalizers, const float *weights, void *dlogits, size_t rows,
                                    size_t vocabulary) {
    CHECK_TYPE("token_logps_grad", type);
    CHECK_LENGTHS("token_logps_grad", vocabulary);
    int aligned = vocabulary % CHUNK == 0 && ALIGNED(logits, dlogits), width = (int)vocabulary;
    int64_t threads = (int64_t)(rows * chunks_of(vocabulary));
    return cdama_launch(KERNEL_token_logps_grad, type, stream, blocks_for((uint64_t)threads), BLOCK,
                        ARGUMENTS(&logits, &targets, &normalizers, &weights, &dlogits, &threads, &width, &aligned));
}

const cdama_kernels cdama_cuda_kernels = {
    adamw, sum_of_squares, accumulate, add_rows, fill, cast,
    rotary_heads, mask_softmax, softmax_grad, mask_tiles, attention, attention_grad, norm, added_norm,
    token_embeddings, packed_mask, add_bias, sum_rows, cdama_cuda_product,
    row_dot, rms_norm_grad, rms_norm_scale_grad,
    swiglu, swiglu_grad, likeliest, token_logps, token_logps_grad,
};
