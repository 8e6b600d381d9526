// AdamW and what gradients pass through on their way to it, for gradients of the type REAL. Other types are numbers: 0
// float, 1 float16, 2 bfloat16.

/// The numbers of a step: cdama_adamw in cdama_kernels.h.
#ifndef ADAMW
#define ADAMW
struct adamw_numbers {
    float keep, beta1, one_minus_beta1, beta2, one_minus_beta2, step_size, inverse_root_correction, epsilon,
        gradient_scale;
};
#endif

extern "C" __global__ void NAME(adamw)(struct adamw_numbers c, float *parameters, const REAL *gradient, float *first,
                                       float *second, void *working, int working_type, index_t count, int aligned) {
    index_t at = thread_number() * CHUNK, left = count - at;
    if (left <= 0) return;
    float p[CHUNK], g[CHUNK], m[CHUNK], v[CHUNK];
    load(parameters + at, left, aligned, 0, p);
    load(gradient + at, left, aligned, 0, g);
    load(first + at, left, aligned, 0, m);
    load(second + at, left, aligned, 0, v);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) {
        g[k] *= c.gradient_scale;
        m[k] = m[k] * c.beta1 + g[k] * c.one_minus_beta1;
        v[k] = v[k] * c.beta2 + g[k] * g[k] * c.one_minus_beta2;
        float denominator = sqrtf(v[k]) * c.inverse_root_correction + c.epsilon;
        p[k] = p[k] * c.keep - c.step_size * m[k] / denominator;
    }
    store(parameters + at, left, aligned, p);
    store(first + at, left, aligned, m);
    store(second + at, left, aligned, v);
    if (working) store_any(working, working_type, at, left, aligned, p);
}

// Every block adds up the chunks with its number modulo the number of blocks; sum_of_parts adds the blocks up.
extern "C" __global__ void NAME(squares)(const REAL *values, double *parts, index_t count, int aligned) {
    __shared__ double sums[256];
    double sum = 0;
    index_t step = (index_t)gridDim.x * blockDim.x * CHUNK;
    for (index_t at = thread_number() * CHUNK; at < count; at += step) {
        float v[CHUNK];
        load(values + at, count - at, aligned, 0, v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) sum += (double)v[k] * v[k];
    }
    sums[threadIdx.x] = sum;
    for (unsigned half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) parts[blockIdx.x] = sums[0];
}

/// One block; the same for every type.
extern "C" __global__ void NAME(sum_of_parts)(const double *parts, int count, double *sum) {
    __shared__ double sums[256];
    double own = 0;
    for (int at = threadIdx.x; at < count; at += 256) own += parts[at];
    sums[threadIdx.x] = own;
    for (unsigned half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) *sum += sums[0];
}

extern "C" __global__ void NAME(accumulate)(float *sums, const REAL *values, index_t count, int aligned) {
    index_t at = thread_number() * CHUNK, left = count - at;
    if (left <= 0) return;
    float a[CHUNK], b[CHUNK];
    load(sums + at, left, aligned, 0, a);
    load(values + at, left, aligned, 0, b);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) a[k] += b[k];
    store(sums + at, left, aligned, a);
}

// A thread for CHUNK columns of a row of the table.
extern "C" __global__ void NAME(add_rows)(void *table, int table_type, const REAL *values, const index_t *rows,
                                          const index_t *starts, const index_t *positions, index_t threads, int width,
                                          int aligned) {
    index_t thread = thread_number();
    if (thread >= threads) return;
    int pieces = (width + CHUNK - 1) / CHUNK;
    index_t row = thread / pieces;
    int at = (int)(thread % pieces) * CHUNK, left = width - at;
    float sum[CHUNK], v[CHUNK];
    load_any(table, table_type, rows[row] * width + at, left, aligned, sum);
    for (index_t j = starts[row]; j < starts[row + 1]; j++) {
        load(values + positions[j] * width + at, left, aligned, 0, v);
#pragma unroll
        for (int k = 0; k < CHUNK; k++) sum[k] += v[k];
    }
    store_any(table, table_type, rows[row] * width + at, left, aligned, sum);
}

extern "C" __global__ void NAME(fill)(REAL *to, float value, index_t count, int aligned) {
    index_t at = thread_number() * CHUNK;
    if (at >= count) return;
    float v[CHUNK];
#pragma unroll
    for (int k = 0; k < CHUNK; k++) v[k] = value;
    store(to + at, count - at, aligned, v);
}

extern "C" __global__ void NAME(cast)(void *to, int to_type, const REAL *from, index_t count, int aligned) {
    index_t at = thread_number() * CHUNK;
    if (at >= count) return;
    float v[CHUNK];
    load(from + at, count - at, aligned, 0, v);
    store_any(to, to_type, at, count - at, aligned, v);
}
