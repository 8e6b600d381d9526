// The fused operators, for the type REAL. cdama_cuda_kernels.h says what each computes; device_kernels.c launches them.
// `aligned`: all arrays are at multiples of 16 bytes, and all rows have a multiple of CHUNK numbers.

/// The most chunks of a row that a thread keeps in registers.
#define SOFTMAX_CHUNKS 4
#define NORM_CHUNKS 2

// A thread for CHUNK pairs of a head. The row of the head is at ((b · S + s) · h + head) in one layout and at
// ((b · h + head) · S + s) in the other.
extern "C" __global__ void NAME(rotary_heads)(const REAL *x, const index_t *positions, const float *cosine,
                                              const float *sine, REAL *y, index_t threads, int sequence, int heads,
                                              int half, index_t table, int inverse, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (half + CHUNK - 1) / CHUNK;
    index_t row = thread / pieces;
    int at = (int)(thread % pieces) * CHUNK, left = half - at;
    index_t head = row % heads, token = row / heads;
    index_t moved = (token / sequence * heads + head) * sequence + token % sequence;
    const REAL *from = x + (inverse ? moved : row) * 2 * half + at;
    REAL *to = y + (inverse ? row : moved) * 2 * half + at;

    index_t position = positions[token];
    position = position < 0 ? 0 : position >= table ? table - 1 : position;
    float a[CHUNK], b[CHUNK], c[CHUNK], s[CHUNK], first[CHUNK], second[CHUNK];
    load(from, left, aligned, 0, a);
    load(from + half, left, aligned, 0, b);
    load(cosine + position * half + at, left, aligned, 0, c);
    load(sine + position * half + at, left, aligned, 0, s);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) {
        float turn = inverse ? -s[k] : s[k];
        first[k] = a[k] * c[k] - b[k] * turn;
        second[k] = b[k] * c[k] + a[k] * turn;
    }
    store(to, left, aligned, first);
    store(to + half, left, aligned, second);
}

// `lanes` threads for a row, which stays in registers between its two reductions.
extern "C" __global__ void __launch_bounds__(1024)
    NAME(mask_softmax)(const REAL *scores, const REAL *mask, REAL *shares, index_t rows, int keys, int queries,
                       index_t rows_per_mask, int lanes, int aligned) {
    index_t row = (index_t)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    if (row >= rows) return;
    int lane = threadIdx.x % lanes;
    scores += row * keys;
    shares += row * keys;
    mask += (row / rows_per_mask * queries + row % queries) * keys;

    float v[SOFTMAX_CHUNKS][CHUNK], largest = -infinity();
#pragma unroll
    for (int c = 0; c < SOFTMAX_CHUNKS; c++) {
        int at = (c * lanes + lane) * CHUNK;
        float hidden[CHUNK];
        load(scores + at, keys - at, aligned, -infinity(), v[c]);
        load(mask + at, keys - at, aligned, 0, hidden);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            v[c][k] += hidden[k];
            largest = fmaxf(largest, v[c][k]);
        }
    }
    largest = row_max(largest, lanes);
    // All hidden: every exponential below is exp(−∞) = 0.
    if (largest == -infinity()) largest = 0;
    float sum = 0;
#pragma unroll
    for (int c = 0; c < SOFTMAX_CHUNKS; c++) {
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            v[c][k] = expf(v[c][k] - largest);
            sum += v[c][k];
        }
    }
    sum = row_sum(sum, lanes);
    float factor = sum == 0 ? 0 : 1 / sum;
#pragma unroll
    for (int c = 0; c < SOFTMAX_CHUNKS; c++) {
        int at = (c * lanes + lane) * CHUNK;
#pragma unroll
        for (int k = 0; k < CHUNK; k++) v[c][k] *= factor;
        store(shares + at, keys - at, aligned, v[c]);
    }
}

extern "C" __global__ void NAME(softmax_grad)(const REAL *shares, const REAL *flowing, const float *sums, REAL *scores,
                                              index_t threads, int keys, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (keys + CHUNK - 1) / CHUNK;
    index_t row = thread / pieces;
    int at = (int)(thread % pieces) * CHUNK;
    index_t start = row * keys + at;
    float p[CHUNK], d[CHUNK], sum = sums[row];
    load(shares + start, keys - at, aligned, 0, p);
    load(flowing + start, keys - at, aligned, 0, d);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) d[k] = p[k] * (d[k] - sum);
    store(scores + start, keys - at, aligned, d);
}

// A thread for CHUNK columns of a row.
extern "C" __global__ void NAME(token_embeddings)(const REAL *table, const index_t *tokens, const REAL *features,
                                                  const index_t *feature_rows, REAL *y, index_t vocabulary,
                                                  index_t feature_count, index_t threads, int width, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (width + CHUNK - 1) / CHUNK, at = (int)(thread % pieces) * CHUNK;
    index_t place = thread / pieces, row = tokens[place], count = vocabulary;
    if (row < 0) {
        table = features;
        row = feature_rows[place];
        count = feature_count;
    }
    row = row < 0 ? 0 : row >= count ? count - 1 : row;
    float v[CHUNK];
    load(table + row * width + at, width - at, aligned, 0, v);
    store(y + place * width + at, width - at, aligned, v);
}

// A thread for CHUNK keys of a query.
extern "C" __global__ void NAME(packed_mask)(const index_t *segments, const index_t *positions, REAL *mask,
                                             index_t threads, int length, index_t window, float hidden, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (length + CHUNK - 1) / CHUNK, at = (int)(thread % pieces) * CHUNK;
    index_t row = thread / pieces, first = row / length * length;
    int query = (int)(row - first);
    index_t own = segments[row], reach = positions[row] - window;
    float v[CHUNK];
#pragma unroll
    for (int k = 0; k < CHUNK; k++) {
        int key = at + k;
        v[k] = hidden;
        if (key > query) continue;
        index_t segment = segments[first + key];
        if ((segment == 0 || segment == own) && (window == 0 || positions[first + key] > reach)) v[k] = 0;
    }
    store(mask + row * length + at, length - at, aligned, v);
}

/// cdama_activation in cdama_cuda_kernels.h.
#ifndef CDAMA_ACTIVATED
#define CDAMA_ACTIVATED
static __device__ __forceinline__ float activated(float x, int activation) {
    if (activation == 1) return x / (1 + expf(-1.702f * x));
    if (activation == 2) return 0.5f * x * (1 + erff(x * 0.70710678f));
    // x (1 + tanh u) / 2 = x σ(2 u)
    if (activation == 3) return x / (1 + expf(-1.5957691f * (x + 0.044715f * x * x * x)));
    return x;
}
#endif

// A thread for CHUNK columns of a row.
extern "C" __global__ void NAME(add_bias)(const REAL *x, const REAL *bias, const REAL *residual, REAL *y,
                                          index_t threads, int width, int activation, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (width + CHUNK - 1) / CHUNK, at = (int)(thread % pieces) * CHUNK, left = width - at;
    index_t start = thread / pieces * width + at;
    float v[CHUNK], b[CHUNK];
    load(x + start, left, aligned, 0, v);
    load(bias + at, left, aligned, 0, b);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) v[k] = activated(v[k] + b[k], activation);
    if (residual != 0) {
        load(residual + start, left, aligned, 0, b);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) v[k] += b[k];
    }
    store(y + start, left, aligned, v);
}

// A thread for CHUNK columns of a row of y.
extern "C" __global__ void NAME(sum_rows)(const REAL *x, const index_t *indices, REAL *y, index_t rows,
                                          index_t threads, int uses, int width, int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (width + CHUNK - 1) / CHUNK;
    index_t row = thread / pieces;
    int at = (int)(thread % pieces) * CHUNK, left = width - at;
    float sum[CHUNK] = {0, 0, 0, 0, 0, 0, 0, 0}, v[CHUNK];
    for (int use = 0; use < uses; use++) {
        index_t from = indices[row * uses + use];
        if (from < 0 || from >= rows) continue;
        load(x + from * width + at, left, aligned, 0, v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) sum[k] += v[k];
    }
    store(y + row * width + at, left, aligned, sum);
}

// A block for a row.
extern "C" __global__ void __launch_bounds__(256)
    NAME(likeliest)(const REAL *logits, index_t *tokens, int vocabulary, int aligned) {
    logits += (index_t)blockIdx.x * vocabulary;
    float top = -infinity(), v[CHUNK];
    for (int at = threadIdx.x * CHUNK; at < vocabulary; at += 256 * CHUNK) {
        load(logits + at, vocabulary - at, aligned, -infinity(), v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            if (v[k] > top) top = v[k];
        }
    }
    top = row_max(top, 256);
    int first = vocabulary;
    for (int at = threadIdx.x * CHUNK; at < vocabulary && first == vocabulary; at += 256 * CHUNK) {
        load(logits + at, vocabulary - at, aligned, -infinity(), v);
#pragma unroll
        for (int k = CHUNK - 1; k >= 0; k--) {
            if (v[k] == top && at + k < vocabulary) first = at + k;
        }
    }
    // Integers up to 2^24 are exact.
    int place = (int)-row_max(-(float)first, 256);
    if (threadIdx.x == 0) tokens[blockIdx.x] = top == -infinity() ? -1 : place;
}

// Eight threads for the head of a token. All threads of a warp stay for the sum.
extern "C" __global__ void NAME(row_dot)(const REAL *a, const REAL *b, float *sums, index_t rows, int sequence,
                                         int heads, int size, int aligned) {
    index_t row = thread_number() / 8;
    int lane = threadIdx.x % 8;
    float sum = 0;
    if (row < rows) {
        for (int at = lane * CHUNK; at < size; at += 8 * CHUNK) {
            float x[CHUNK], y[CHUNK];
            load(a + row * size + at, size - at, aligned, 0, x);
            load(b + row * size + at, size - at, aligned, 0, y);
#pragma unroll
            for (int k = 0; k < CHUNK; k++) sum += x[k] * y[k];
        }
    }
#pragma unroll
    for (int offset = 4; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xFFFFFFFF, sum, offset);
    if (row < rows && lane == 0) {
        index_t token = row / heads, head = row % heads;
        sums[(token / sequence * heads + head) * sequence + token % sequence] = sum;
    }
}

// What norms do with a row, of which each of its `lanes` threads has the numbers `v`, and those of the scale, in
// registers: y, and the row's statistics. Layer normalisation if there is a bias.
static __device__ __forceinline__ void NAME(normalize)(float (&v)[NORM_CHUNKS][CHUNK],
                                                       const Chunk<REAL> (&scale)[NORM_CHUNKS], const REAL *bias,
                                                       REAL *y, float *means, float *inverses, index_t row, int width,
                                                       float epsilon, int lanes, int aligned) {
    int lane = threadIdx.x % lanes;
    y += row * width;
    float sum = 0, mean = 0;
    if (bias != 0) {
#pragma unroll
        for (int c = 0; c < NORM_CHUNKS; c++) {
#pragma unroll
            for (int k = 0; k < CHUNK; k++) sum += v[c][k];
        }
        mean = row_sum(sum, lanes) / width;
        sum = 0;
    }
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        int left = width - (c * lanes + lane) * CHUNK;
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            v[c][k] -= mean;
            if (k < left) sum += v[c][k] * v[c][k];
        }
    }
    float inverse = 1 / sqrtf(row_sum(sum, lanes) / width + epsilon);
    if (lane == 0) {
        inverses[row] = inverse;
        if (bias != 0) means[row] = mean;
    }
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        int at = (c * lanes + lane) * CHUNK;
        float w[CHUNK], b[CHUNK];
        unpack(scale[c], w);
        if (bias != 0) load(bias + at, width - at, aligned, 0, b);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) v[c][k] = v[c][k] * inverse * w[k] + (bias != 0 ? b[k] : 0);
        store(y + at, width - at, aligned, v[c]);
    }
}

// What a thread has of a row.
static __device__ __forceinline__ void NAME(load_row)(const REAL *row, int width, int lanes, bool aligned,
                                                      Chunk<REAL> (&chunks)[NORM_CHUNKS]) {
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        int at = (c * lanes + threadIdx.x % lanes) * CHUNK;
        load_chunk(row + at, width - at, aligned, chunks[c]);
    }
}

// `lanes` threads for a row.
extern "C" __global__ void __launch_bounds__(512, 2)
    NAME(norm)(const REAL *x, const REAL *scale, const REAL *bias, REAL *y, float *means, float *inverses, index_t rows,
               int width, float epsilon, int lanes, int aligned) {
    index_t row = (index_t)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    if (row >= rows) return;
    Chunk<REAL> own[NORM_CHUNKS], factors[NORM_CHUNKS];
    if (aligned) {
        NAME(load_row)(x + row * width, width, lanes, true, own);
        NAME(load_row)(scale, width, lanes, true, factors);
    } else {
        NAME(load_row)(x + row * width, width, lanes, false, own);
        NAME(load_row)(scale, width, lanes, false, factors);
    }
    float v[NORM_CHUNKS][CHUNK];
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) unpack(own[c], v[c]);
    NAME(normalize)(v, factors, bias, y, means, inverses, row, width, epsilon, lanes, aligned);
}

// The same threads; each writes sums only where it has read.
extern "C" __global__ void __launch_bounds__(512, 2)
    NAME(added_norm)(const REAL *x, const REAL *residual, const REAL *scale, REAL *sums, REAL *y, float *inverses,
                     index_t rows, int width, float epsilon, int lanes, int aligned) {
    index_t row = (index_t)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    if (row >= rows) return;
    Chunk<REAL> own[NORM_CHUNKS], other[NORM_CHUNKS], factors[NORM_CHUNKS];
    if (aligned) {
        NAME(load_row)(x + row * width, width, lanes, true, own);
        NAME(load_row)(residual + row * width, width, lanes, true, other);
        NAME(load_row)(scale, width, lanes, true, factors);
    } else {
        NAME(load_row)(x + row * width, width, lanes, false, own);
        NAME(load_row)(residual + row * width, width, lanes, false, other);
        NAME(load_row)(scale, width, lanes, false, factors);
    }
    float v[NORM_CHUNKS][CHUNK], more[CHUNK];
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        int at = (c * lanes + threadIdx.x % lanes) * CHUNK;
        unpack(own[c], v[c]);
        unpack(other[c], more);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) v[c][k] = rounded<REAL>(v[c][k] + more[k]);
        store(sums + row * width + at, width - at, aligned, v[c]);
    }
    NAME(normalize)(v, factors, 0, y, 0, inverses, row, width, epsilon, lanes, aligned);
}

// The same threads.
extern "C" __global__ void __launch_bounds__(512)
    NAME(rms_norm_grad)(const REAL *dy, const REAL *x, const REAL *scale, const float *r, const REAL *residual,
                        REAL *dx, index_t rows, int width, int lanes, int aligned) {
    index_t row = (index_t)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    if (row >= rows) return;
    dy += row * width;
    x += row * width;
    dx += row * width;
    // Without a residual dy stands for it, and is not added.
    const REAL *added = residual ? residual + row * width : dy;
    Chunk<REAL> flowing[NORM_CHUNKS], from[NORM_CHUNKS], factors[NORM_CHUNKS], more[NORM_CHUNKS];
    if (aligned) {
        NAME(load_row)(dy, width, lanes, true, flowing);
        NAME(load_row)(x, width, lanes, true, from);
        NAME(load_row)(scale, width, lanes, true, factors);
        NAME(load_row)(added, width, lanes, true, more);
    } else {
        NAME(load_row)(dy, width, lanes, false, flowing);
        NAME(load_row)(x, width, lanes, false, from);
        NAME(load_row)(scale, width, lanes, false, factors);
        NAME(load_row)(added, width, lanes, false, more);
    }
    float inverse = r[row];

    float h[NORM_CHUNKS][CHUNK], own[NORM_CHUNKS][CHUNK], sum = 0;
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        float w[CHUNK];
        unpack(flowing[c], h[c]);
        unpack(from[c], own[c]);
        unpack(factors[c], w);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            h[c][k] *= w[k];
            sum += h[c][k] * own[c][k];
        }
    }
    float along = row_sum(sum, lanes) / width * inverse * inverse * inverse;
#pragma unroll
    for (int c = 0; c < NORM_CHUNKS; c++) {
        int at = (c * lanes + threadIdx.x % lanes) * CHUNK;
        float other[CHUNK];
        unpack(more[c], other);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            h[c][k] = inverse * h[c][k] - own[c][k] * along;
            if (residual) h[c][k] += other[k];
        }
        store(dx + at, width - at, aligned, h[c]);
    }
}

// A block of 256 threads for 32 columns: 4 chunks by 64 rows at a time, whose sums are added at the end.
extern "C" __global__ void NAME(rms_norm_scale_grad)(const REAL *dy, const REAL *x, const float *r, REAL *dscale,
                                                     index_t rows, int width, int aligned) {
    __shared__ float parts[64][4][CHUNK + 1];
    int chunk = threadIdx.x % 4, line = threadIdx.x / 4;
    int at = (blockIdx.x * 4 + chunk) * CHUNK;
    float sum[CHUNK] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (index_t row = line; row < rows; row += 64) {
        float d[CHUNK], v[CHUNK], inverse = r[row];
        load(dy + row * width + at, width - at, aligned, 0, d);
        load(x + row * width + at, width - at, aligned, 0, v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) sum[k] += d[k] * (v[k] * inverse);
    }
#pragma unroll
    for (int k = 0; k < CHUNK; k++) parts[line][chunk][k] = sum[k];
    __syncthreads();
    if (threadIdx.x >= 32) return;
    int column = blockIdx.x * 4 * CHUNK + threadIdx.x;
    float total = 0;
    for (int other = 0; other < 64; other++) total += parts[other][threadIdx.x / CHUNK][threadIdx.x % CHUNK];
    if (column < width) assign(dscale[column], total);
}

extern "C" __global__ void NAME(swiglu)(const REAL *gate, const REAL *up, REAL *y, index_t count, int aligned) {
    index_t at = thread_number() * CHUNK;
    if (at >= count) return;
    float a[CHUNK], b[CHUNK];
    load(gate + at, count - at, aligned, 0, a);
    load(up + at, count - at, aligned, 0, b);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) a[k] = a[k] / (1 + expf(-a[k])) * b[k];
    store(y + at, count - at, aligned, a);
}

extern "C" __global__ void NAME(swiglu_grad)(const REAL *dy, const REAL *gate, const REAL *up, REAL *dgate, REAL *dup,
                                             index_t count, int aligned) {
    index_t at = thread_number() * CHUNK;
    if (at >= count) return;
    float d[CHUNK], a[CHUNK], b[CHUNK];
    load(dy + at, count - at, aligned, 0, d);
    load(gate + at, count - at, aligned, 0, a);
    load(up + at, count - at, aligned, 0, b);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) {
        float sigmoid = 1 / (1 + expf(-a[k])), swish = a[k] * sigmoid;
        a[k] = d[k] * b[k] * (sigmoid + swish * (1 - sigmoid));
        b[k] = d[k] * swish;
    }
    store(dgate + at, count - at, aligned, a);
    store(dup + at, count - at, aligned, b);
}

// A block for a row. Each thread keeps the largest logit so far and the sum of exponentials relative to it (Milakov and
// Gimelshein, 2018).
extern "C" __global__ void NAME(token_logps)(const REAL *logits, const index_t *targets, float *logps,
                                             float *normalizers, int vocabulary, int aligned) {
    index_t row = blockIdx.x;
    logits += row * vocabulary;
    float largest = -infinity(), sum = 0;
    for (int at = threadIdx.x * CHUNK; at < vocabulary; at += blockDim.x * CHUNK) {
        float v[CHUNK], next = largest;
        load(logits + at, vocabulary - at, aligned, -infinity(), v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) next = fmaxf(next, v[k]);
        if (next == -infinity()) continue;
        sum *= expf(largest - next);
        largest = next;
#pragma unroll
        for (int k = 0; k < CHUNK; k++) sum += expf(v[k] - largest);
    }
    float all = row_max(largest, blockDim.x);
    sum = row_sum(largest == -infinity() ? sum : sum * expf(largest - all), blockDim.x);
    if (threadIdx.x != 0) return;
    index_t target = targets[row];
    float normalizer = all + logf(sum);
    normalizers[row] = normalizer;
    logps[row] = target >= 0 && target < vocabulary ? number(logits[target]) - normalizer : not_a_number();
}

extern "C" __global__ void NAME(token_logps_grad)(const REAL *logits, const index_t *targets, const float *normalizers,
                                                  const float *weights, REAL *dlogits, index_t threads, int vocabulary,
                                                  int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (vocabulary + CHUNK - 1) / CHUNK;
    index_t row = thread / pieces;
    int at = (int)(thread % pieces) * CHUNK;
    index_t start = row * vocabulary + at, target = targets[row] - at;
    float v[CHUNK], normalizer = normalizers[row], weight = weights[row];
    load(logits + start, vocabulary - at, aligned, 0, v);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) v[k] = weight * ((k == target ? 1.0f : 0.0f) - expf(v[k] - normalizer));
    store(dlogits + start, vocabulary - at, aligned, v);
}

#undef SOFTMAX_CHUNKS
#undef NORM_CHUNKS
