// Attention that never writes its scores (Dao et al., 2022): softmax(scale · q kᵀ + mask) v and its gradient, tile by
// tile, on the tensor cores. A block of four warps has a tile of queries, or of keys; each warp has 16 of its rows.
// Nothing is added up over blocks, so that every run gives the same bits.

#ifndef ATTENTION_CUH
#define ATTENTION_CUH

#include "warp.cuh"

/// The queries of a tile, and the keys. CDAMA_ATTENTION_TILE in cdama_cuda_kernels.h.
#define TILE 64
#define ATTENTION_THREADS 128
/// The length of a row of a mask's tile in shared memory: 8 rows' equal columns lie in different banks.
#define MASK_ROW (TILE + 8)
#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

/// What the mask does to a tile: cdama_mask_tile in cdama_cuda_kernels.h.
#define HIDES_ALL 0
#define HIDES_SOME 1
#define HIDES_NONE 2

/// The shapes of a call: cdama_attention in cdama_cuda_kernels.h. Heads h · group … share key head h.
struct attention_shape {
    int batch, heads, key_heads, sequence, size, masks, is_merged;
    float scale;
};

/// Where the rows of a head lie: the place of the first, and their distance. The rows of an item of the batch have fewer
/// than 2³¹ numbers.
struct head_rows {
    index_t start;
    int stride;

    /// The head `head` of `heads`, in an array [batch, heads, sequence, size], or [batch, sequence, heads, size] if
    /// merged.
    __device__ __forceinline__ head_rows(bool is_merged, int batch, int head, int heads, int sequence, int size)
        : start(is_merged ? ((index_t)batch * sequence * heads + head) * size
                          : ((index_t)batch * heads + head) * sequence * size),
          stride(is_merged ? heads * size : size) {}
};

/// The numbers of shared memory before the place of 16 bytes in a tile: the same 16 bytes of 8 rows lie in different
/// banks.
template <int SIZE>
static __device__ __forceinline__ int place(int row, int chunk) {
    const int chunks = SIZE / CHUNK;
    int turned = chunks >= 8 ? chunk ^ (row & 7) : chunk ^ ((row >> 1) & (chunks - 1));
    return (row * chunks + turned) * CHUNK;
}

/// Starts to copy the first `count` rows of a tile to shared memory, and clears the others.
template <int SIZE, class T>
static __device__ __forceinline__ void start_tile(T *to, const T *from, int stride, int count) {
    const int chunks = SIZE / CHUNK;
#pragma unroll
    for (int i = threadIdx.x; i < TILE * chunks; i += ATTENTION_THREADS) {
        int row = i / chunks, chunk = i % chunks;
        bool exists = row < count;
        start_copy(to + place<SIZE>(row, chunk), from + (exists ? row : 0) * stride + chunk * CHUNK, exists);
    }
}

/// Copies a tile of the mask, if there is one, to shared memory. What lies outside the sequence is hidden.
template <class T>
static __device__ __forceinline__ void copy_mask(T *to, const T *mask, int query, int key, int sequence) {
    for (int i = threadIdx.x; i < TILE * TILE; i += ATTENTION_THREADS) {
        int row = i / TILE, column = i % TILE;
        T found;
        if (query + row >= sequence || key + column >= sequence) assign(found, -infinity());
        else if (mask == 0) assign(found, 0);
        else found = mask[(index_t)(query + row) * sequence + key + column];
        to[row * MASK_ROW + column] = found;
    }
}

/// The next tile after `tile` of which something is visible; `stride` apart, `count` in all. Without a mask all are.
static __device__ __forceinline__ int next_visible(const index_t *kinds, index_t stride, int tile, int count) {
    do tile++;
    while (kinds != 0 && tile < count && kinds[tile * stride] == HIDES_ALL);
    return tile;
}

/// Whether some of the tile at `place` is hidden. Without a mask the keys outside the sequence are.
static __device__ __forceinline__ bool hides_some(const index_t *kinds, index_t place, int keys, int sequence) {
    return kinds == 0 ? (keys + 1) * TILE > sequence : kinds[place] == HIDES_SOME;
}

template <int COUNT>
static __device__ __forceinline__ void clear(float (&numbers)[COUNT][4]) {
#pragma unroll
    for (int n = 0; n < COUNT; n++) numbers[n][0] = numbers[n][1] = numbers[n][2] = numbers[n][3] = 0;
}

/// products[n] += rows · columnsᵀ for the warp's 16 rows of one tile and `COLUMNS` rows of the other from `first`.
template <int SIZE, int COLUMNS, class T>
static __device__ __forceinline__ void multiply_rows(float (&products)[COLUMNS / 8][4], const T *rows, int start,
                                                     const T *columns, int first) {
    int lane = threadIdx.x % 32;
// Not all at once: the compiler would keep more operands in registers than there are.
#pragma unroll 4
    for (int k = 0; k < SIZE / 16; k++) {
        unsigned a[4], b[4];
        load_matrices(a, rows + place<SIZE>(start + lane % 16, 2 * k ^ lane / 16));
#pragma unroll
        for (int n = 0; n < COLUMNS / 16; n++) {
            load_matrices(b, columns + place<SIZE>(first + n * 16 + lane / 16 * 8 + lane % 8, 2 * k ^ lane / 8 % 2));
            multiply_add(T(), products[2 * n], a, b[0], b[1]);
            multiply_add(T(), products[2 * n + 1], a, b[2], b[3]);
        }
    }
}

/// sums += shares · values for the warp's 16 rows of shares and `COLUMNS` rows of values from `first`.
template <int SIZE, int COLUMNS, class T>
static __device__ __forceinline__ void add_products(float (&sums)[SIZE / 8][4], const float (&shares)[COLUMNS / 8][4],
                                                    const T *values, int first) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < COLUMNS / 16; k++) {
        const unsigned a[4] = {packed(T(), shares[2 * k][0], shares[2 * k][1]),
                               packed(T(), shares[2 * k][2], shares[2 * k][3]),
                               packed(T(), shares[2 * k + 1][0], shares[2 * k + 1][1]),
                               packed(T(), shares[2 * k + 1][2], shares[2 * k + 1][3])};
        unsigned b[4];
#pragma unroll
        for (int n = 0; n < SIZE / 16; n++) {
            load_transposed(b, values + place<SIZE>(first + 16 * k + lane % 16, 2 * n ^ lane / 16));
            multiply_add(T(), sums[2 * n], a, b[0], b[1]);
            multiply_add(T(), sums[2 * n + 1], a, b[2], b[3]);
        }
    }
}

/// Writes the warp's 16 rows, times a factor for the first and one for the last 8 rows of a thread, to `to`, through the
/// warp's rows of a tile in shared memory that no other warp reads. The first `count` rows of the tile exist.
template <int SIZE, class T>
static __device__ __forceinline__ void write_rows(T *to, int stride, const float (&sums)[SIZE / 8][4],
                                                  float factor, float factor8, T *tile, int start, int count) {
    int lane = threadIdx.x % 32, row = start + lane / 4;
    __syncwarp();
#pragma unroll
    for (int n = 0; n < SIZE / 8; n++) {
        *(unsigned *)(tile + place<SIZE>(row, n) + lane % 4 * 2) =
            packed(T(), sums[n][0] * factor, sums[n][1] * factor);
        *(unsigned *)(tile + place<SIZE>(row + 8, n) + lane % 4 * 2) =
            packed(T(), sums[n][2] * factor8, sums[n][3] * factor8);
    }
    __syncwarp();
    const int chunks = SIZE / CHUNK;
    for (int i = lane; i < 16 * chunks; i += 32) {
        int line = start + i / chunks, chunk = i % chunks;
        if (line < count) {
            *(uint4 *)(to + line * stride + chunk * CHUNK) = *(const uint4 *)(tile + place<SIZE>(line, chunk));
        }
    }
}

/// Where a block works: a tile of a head.
struct attention_place {
    int batch, head, key_head, tile, tiles, start, rows;
    const index_t *kinds;
    index_t mask;

    /// The blocks of a head follow one another.
    __device__ __forceinline__ attention_place(const attention_shape &shape, const index_t *all, int heads, bool last) {
        tiles = (shape.sequence + TILE - 1) / TILE;
        int number = blockIdx.x / tiles;
        tile = blockIdx.x % tiles;
        // The tiles with the most work come first.
        if (last) tile = tiles - 1 - tile;
        batch = number / heads;
        head = number % heads;
        key_head = head / (heads / shape.key_heads);
        start = tile * TILE;
        rows = shape.sequence - start;
        int own = shape.masks <= 1 ? 0 : batch;
        kinds = all == 0 ? 0 : all + (index_t)own * tiles * tiles;
        mask = (index_t)own * shape.sequence * shape.sequence;
    }
};

// q [batch, heads, sequence, SIZE], k likewise with key heads, v [batch, sequence, key heads · SIZE] → out [batch,
// sequence, heads · SIZE], and the logarithm of each row's sum.
template <class T, int SIZE>
static __device__ __forceinline__ void attend(const T *q, const T *k, const T *v, const T *mask, const index_t *tiles,
                                              T *out, float *normalizers, const attention_shape &shape) {
    SHARED_MEMORY(memory);
    T *queries = (T *)memory, *keys = queries + TILE * SIZE, *values = keys + TILE * SIZE;
    T *hidden = values + TILE * SIZE;
    const attention_place at(shape, tiles, shape.heads, true);
    const index_t *kinds = at.kinds == 0 ? 0 : at.kinds + (index_t)at.tile * at.tiles;
    const int sequence = shape.sequence, start = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const head_rows own_q(shape.is_merged, at.batch, at.head, shape.heads, sequence, SIZE);
    const head_rows own_k(shape.is_merged, at.batch, at.key_head, shape.key_heads, sequence, SIZE);
    const head_rows own_v(true, at.batch, at.key_head, shape.key_heads, sequence, SIZE);
    q += own_q.start + at.start * own_q.stride;
    k += own_k.start;
    v += own_v.start;
    mask += at.mask;

    float sums[SIZE / 8][4], largest[2] = {-infinity(), -infinity()}, total[2] = {0, 0};
    clear(sums);
    int tile = next_visible(kinds, 1, -1, at.tiles);
    start_tile<SIZE>(queries, q, own_q.stride, at.rows);
    if (tile < at.tiles) start_tile<SIZE>(keys, k + tile * TILE * own_k.stride, own_k.stride, sequence - tile * TILE);
    end_copies();
    while (tile < at.tiles) {
        int first = tile * TILE, next = next_visible(kinds, 1, tile, at.tiles);
        bool is_mixed = hides_some(kinds, tile, tile, sequence);
        wait_for_copies<0>();
        __syncthreads();
        start_tile<SIZE>(values, v + first * own_v.stride, own_v.stride, sequence - first);
        end_copies();
        if (is_mixed) copy_mask(hidden, mask, at.start, first, sequence);
        float shares[TILE / 8][4];
        clear(shares);
        multiply_rows<SIZE, TILE>(shares, queries, start, keys, 0);
        wait_for_copies<0>();
        __syncthreads();
        if (next < at.tiles) {
            start_tile<SIZE>(keys, k + next * TILE * own_k.stride, own_k.stride, sequence - next * TILE);
        }
        end_copies();

        float top[2] = {largest[0], largest[1]};
        const T *own = hidden + (start + lane / 4) * MASK_ROW + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                shares[n][c] *= shape.scale * LOG2_E;
                if (is_mixed) shares[n][c] += number(own[c / 2 * 8 * MASK_ROW + n * 8 + c % 2]) * LOG2_E;
                top[c / 2] = fmaxf(top[c / 2], shares[n][c]);
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            top[r] = fmaxf(top[r], __shfl_xor_sync(0xFFFFFFFF, top[r], 1));
            top[r] = fmaxf(top[r], __shfl_xor_sync(0xFFFFFFFF, top[r], 2));
            // All hidden so far: every power below is 2^−∞ = 0.
            float base = top[r] == -infinity() ? 0 : top[r], factor = exponential2(largest[r] - base);
            largest[r] = top[r];
            top[r] = base;
            total[r] *= factor;
#pragma unroll
            for (int n = 0; n < SIZE / 8; n++) {
                sums[n][2 * r] *= factor;
                sums[n][2 * r + 1] *= factor;
            }
        }
#pragma unroll
        for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                shares[n][c] = exponential2(shares[n][c] - top[c / 2]);
                total[c / 2] += shares[n][c];
            }
        }
        add_products<SIZE, TILE>(sums, shares, values, 0);
        tile = next;
    }
    wait_for_copies<0>();
    __syncthreads();
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        total[r] += __shfl_xor_sync(0xFFFFFFFF, total[r], 1);
        total[r] += __shfl_xor_sync(0xFFFFFFFF, total[r], 2);
        factor[r] = total[r] == 0 ? 0 : 1 / total[r];
        int row = start + lane / 4 + 8 * r;
        if (lane % 4 == 0 && row < at.rows) {
            normalizers[(index_t)(at.batch * shape.heads + at.head) * sequence + at.start + row] =
                largest[r] * LN_2 + logf(total[r]);
        }
    }
    const head_rows own_out(true, at.batch, at.head, shape.heads, sequence, SIZE);
    write_rows<SIZE>(out + own_out.start + at.start * own_out.stride, own_out.stride, sums, factor[0], factor[1],
                     queries, start, at.rows);
}

/// ∂q: with p = exp(scale · q kᵀ + mask − normalizer) and ∂s = p (∂o vᵀ − Σ ∂o o), scale · ∂s k.
template <class T, int SIZE>
static __device__ __forceinline__ void query_gradient(const T *q, const T *k, const T *v, const T *mask,
                                                      const index_t *tiles, const T *flowing,
                                                      const float *normalizers, const float *dots, T *dq,
                                                      const attention_shape &shape) {
    SHARED_MEMORY(memory);
    T *queries = (T *)memory, *gradients = queries + TILE * SIZE, *keys = gradients + TILE * SIZE;
    T *values = keys + TILE * SIZE, *hidden = values + TILE * SIZE;
    const attention_place at(shape, tiles, shape.heads, true);
    const index_t *kinds = at.kinds == 0 ? 0 : at.kinds + (index_t)at.tile * at.tiles;
    const int sequence = shape.sequence, start = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const head_rows own_q(shape.is_merged, at.batch, at.head, shape.heads, sequence, SIZE);
    const head_rows own_k(shape.is_merged, at.batch, at.key_head, shape.key_heads, sequence, SIZE);
    const head_rows own_v(true, at.batch, at.key_head, shape.key_heads, sequence, SIZE);
    const head_rows own_out(true, at.batch, at.head, shape.heads, sequence, SIZE);
    const index_t row = (index_t)(at.batch * shape.heads + at.head) * sequence + at.start;
    q += own_q.start + at.start * own_q.stride;
    dq += own_q.start + at.start * own_q.stride;
    k += own_k.start;
    v += own_v.start;
    flowing += own_out.start + at.start * own_out.stride;
    mask += at.mask;

    float normalizer[2], dot[2], sums[SIZE / 8][4];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int own = start + lane / 4 + 8 * r;
        bool exists = own < at.rows;
        // Rows outside the sequence, and those that see nothing, have no shares.
        normalizer[r] = exists ? normalizers[row + own] * LOG2_E : infinity();
        if (normalizer[r] == -infinity()) normalizer[r] = infinity();
        dot[r] = exists ? dots[row + own] : 0;
    }
    clear(sums);
    int tile = next_visible(kinds, 1, -1, at.tiles);
    start_tile<SIZE>(queries, q, own_q.stride, at.rows);
    start_tile<SIZE>(gradients, flowing, own_out.stride, at.rows);
    if (tile < at.tiles) {
        int first = tile * TILE;
        start_tile<SIZE>(keys, k + first * own_k.stride, own_k.stride, sequence - first);
        start_tile<SIZE>(values, v + first * own_v.stride, own_v.stride, sequence - first);
    }
    end_copies();
    while (tile < at.tiles) {
        int first = tile * TILE, next = next_visible(kinds, 1, tile, at.tiles), after = next * TILE;
        bool is_mixed = hides_some(kinds, tile, tile, sequence);
        if (is_mixed) copy_mask(hidden, mask, at.start, first, sequence);
        wait_for_copies<0>();
        __syncthreads();
        float shares[TILE / 8][4], difference[TILE / 8][4];
        clear(shares);
        clear(difference);
        multiply_rows<SIZE, TILE>(difference, gradients, start, values, 0);
        __syncthreads();
        if (next < at.tiles) start_tile<SIZE>(values, v + after * own_v.stride, own_v.stride, sequence - after);
        multiply_rows<SIZE, TILE>(shares, queries, start, keys, 0);
        const T *own = hidden + (start + lane / 4) * MASK_ROW + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                float score = shares[n][c] * (shape.scale * LOG2_E);
                if (is_mixed) score += number(own[c / 2 * 8 * MASK_ROW + n * 8 + c % 2]) * LOG2_E;
                shares[n][c] = exponential2(score - normalizer[c / 2]) * (difference[n][c] - dot[c / 2]);
            }
        }
        add_products<SIZE, TILE>(sums, shares, keys, 0);
        __syncthreads();
        if (next < at.tiles) start_tile<SIZE>(keys, k + after * own_k.stride, own_k.stride, sequence - after);
        end_copies();
        tile = next;
    }
    wait_for_copies<0>();
    __syncthreads();
    write_rows<SIZE>(dq, own_q.stride, sums, shape.scale, shape.scale, queries, start, at.rows);
}

/// ∂k = scale · Σ ∂sᵀ q and ∂v = Σ pᵀ ∂o over the heads that share the key head.
template <class T, int SIZE>
static __device__ __forceinline__ void key_gradients(const T *q, const T *k, const T *v, const T *mask,
                                                     const index_t *tiles, const T *flowing, const float *normalizers,
                                                     const float *dots, T *dk, T *dv, const attention_shape &shape) {
    SHARED_MEMORY(memory);
    T *keys = (T *)memory, *values = keys + TILE * SIZE, *queries = values + TILE * SIZE;
    T *gradients = queries + TILE * SIZE, *hidden = gradients + TILE * SIZE;
    float *normalizer = (float *)(hidden + TILE * MASK_ROW), *dot = normalizer + TILE;
    const attention_place at(shape, tiles, shape.key_heads, false);
    const int sequence = shape.sequence, start = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const int group = shape.heads / shape.key_heads;
    const head_rows own_k(shape.is_merged, at.batch, at.head, shape.key_heads, sequence, SIZE);
    const head_rows own_v(true, at.batch, at.head, shape.key_heads, sequence, SIZE);
    const index_t own_keys = own_k.start + at.start * own_k.stride, own_values = own_v.start + at.start * own_v.stride;
    const index_t *kinds = at.kinds == 0 ? 0 : at.kinds + at.tile;
    mask += at.mask;

    float key_sums[SIZE / 8][4], value_sums[SIZE / 8][4];
    clear(key_sums);
    clear(value_sums);
    start_tile<SIZE>(keys, k + own_keys, own_k.stride, at.rows);
    start_tile<SIZE>(values, v + own_values, own_v.stride, at.rows);
    for (int head = at.head * group; head < (at.head + 1) * group; head++) {
        const index_t row = (index_t)(at.batch * shape.heads + head) * sequence;
        const head_rows own_q(shape.is_merged, at.batch, head, shape.heads, sequence, SIZE);
        const head_rows own_out(true, at.batch, head, shape.heads, sequence, SIZE);
        for (int tile = next_visible(kinds, at.tiles, -1, at.tiles); tile < at.tiles;
             tile = next_visible(kinds, at.tiles, tile, at.tiles)) {
            int first = tile * TILE;
            start_tile<SIZE>(queries, q + own_q.start + first * own_q.stride, own_q.stride, sequence - first);
            end_copies();
            start_tile<SIZE>(gradients, flowing + own_out.start + first * own_out.stride, own_out.stride,
                             sequence - first);
            end_copies();
            bool is_mixed = hides_some(kinds, (index_t)tile * at.tiles, at.tile, sequence);
            if (is_mixed) copy_mask(hidden, mask, first, at.start, sequence);
            if (threadIdx.x < TILE) {
                int query = first + threadIdx.x;
                float found = query < sequence ? normalizers[row + query] * LOG2_E : infinity();
                // Rows outside the sequence, and those that see nothing, have no shares.
                normalizer[threadIdx.x] = found == -infinity() ? infinity() : found;
                dot[threadIdx.x] = query < sequence ? dots[row + query] : 0;
            }
            wait_for_copies<1>();
            __syncthreads();
            bool has_gradients = false;
            // In parts, so that everything fits into registers. Rows are keys here, and columns are queries.
            const int part = TILE / 2;
#pragma unroll 1
            for (int from = 0; from < TILE; from += part) {
                float shares[part / 8][4], difference[part / 8][4];
                clear(shares);
                clear(difference);
                multiply_rows<SIZE, part>(shares, keys, start, queries, from);
#pragma unroll
                for (int n = 0; n < part / 8; n++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        int query = from + n * 8 + lane % 4 * 2 + c % 2;
                        float score = shares[n][c] * (shape.scale * LOG2_E);
                        if (is_mixed) {
                            score += number(hidden[query * MASK_ROW + start + lane / 4 + c / 2 * 8]) * LOG2_E;
                        }
                        shares[n][c] = exponential2(score - normalizer[query]);
                    }
                }
                if (!has_gradients) {
                    wait_for_copies<0>();
                    __syncthreads();
                    has_gradients = true;
                }
                add_products<SIZE, part>(value_sums, shares, gradients, from);
                multiply_rows<SIZE, part>(difference, values, start, gradients, from);
#pragma unroll
                for (int n = 0; n < part / 8; n++) {
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        shares[n][c] *= difference[n][c] - dot[from + n * 8 + lane % 4 * 2 + c % 2];
                    }
                }
                add_products<SIZE, part>(key_sums, shares, queries, from);
            }
            __syncthreads();
        }
    }
    wait_for_copies<0>();
    __syncthreads();
    write_rows<SIZE>(dk + own_keys, own_k.stride, key_sums, shape.scale, shape.scale, keys, start, at.rows);
    write_rows<SIZE>(dv + own_values, own_v.stride, value_sums, 1, 1, values, start, at.rows);
}

#endif
