#include "cdama_kernels.h"

#include <math.h>
#include <string.h>

#include "cdama_float.h"

// Vectors of 16 floats on every processor: the compiler splits them into the level's own (4 × SSE or NEON, 2 × AVX2,
// 1 × AVX-512). Each kernel is written once, as an inline function, and compiled once for each level below.
typedef float vec __attribute__((vector_size(64)));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef uint32_t uvec __attribute__((vector_size(64)));
typedef float loose_vec __attribute__((vector_size(64), aligned(4), may_alias));
enum { LANES = 16 };

// Functions with vectors in their signatures are always inlined, so the ABI that these warnings concern is irrelevant.
#pragma GCC diagnostic ignored "-Wpsabi"
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *from) { return *(const loose_vec *)from; }
INLINE void store(float *to, vec value) { *(loose_vec *)to = value; }
INLINE vec all(float value) {
    return (vec){value, value, value, value, value, value, value, value,
                 value, value, value, value, value, value, value, value};
}
INLINE vec choose(ivec condition, vec yes, vec no) {
    return (vec)(((ivec)yes & condition) | ((ivec)no & ~condition));
}
// NaN in `a` is kept; NaN in `b` is dropped.
INLINE vec at_least(vec a, vec b) { return choose(a < b, b, a); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

INLINE float sum_of(vec v) {
    float lanes[LANES];
    memcpy(lanes, &v, sizeof lanes);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    }
    return lanes[0];
}

INLINE float largest_of(vec v) {
    float lanes[LANES], result;
    memcpy(lanes, &v, sizeof lanes);
    result = lanes[0];
    for (int i = 1; i < LANES; i++) result = lanes[i] > result ? lanes[i] : result;
    return result;
}

// e^x for x ≤ 88, within 2 units in the last place; 0 below −87.3, where the result would be subnormal. x = n ln 2 + r
// with |r| ≤ ½ ln 2, and e^r by a polynomial of degree 6 (Cephes' coefficients).
INLINE vec exponential(vec x) {
    const vec magic = all(12582912.0f); // 1.5 · 2^23: adding it rounds to an integer in the low bits
    ivec tiny = x < all(-87.33654f);
    x = at_least(x, all(-87.33654f));
    vec shifted = x * all(1.44269504f) + magic;
    vec n = shifted - magic;
    vec r = x - n * all(0.693359375f);
    r = r - n * all(-2.12194440e-4f);
    vec p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * r * r + r + all(1.0f);
    // The low bits of `shifted` are n; the high bits of the magic number are shifted out.
    uvec exponent = ((uvec)shifted << 23) + (uvec)all(1.0f);
    return choose(tiny, all(0.0f), p * (vec)exponent);
}

// The last count % 16 numbers, with `fill` in the remaining lanes.
INLINE vec load_tail(const float *from, size_t count, float fill) {
    float lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = fill;
    memcpy(lanes, from, count * sizeof *from);
    return load(lanes);
}

// MARK: - Log-probabilities

// A block stays in the first-level cache between its maximum and its sum, so that memory is read once.
enum { BLOCK = 2048 };

INLINE void logprob_forward(const float *logits, size_t count, size_t label, float *logprob, float *normalizer) {
    float most = -INFINITY;
    double sum = 0;
    for (size_t start = 0; start < count; start += BLOCK) {
        const float *block = logits + start;
        size_t length = count - start < BLOCK ? count - start : BLOCK;
        size_t whole = length / LANES * LANES;
        vec m0 = all(-INFINITY), m1 = m0;
        size_t i = 0;
        for (; i + 2 * LANES <= whole; i += 2 * LANES) {
            m0 = larger(load(block + i), m0);
            m1 = larger(load(block + i + LANES), m1);
        }
        for (; i < whole; i += LANES) m0 = larger(load(block + i), m0);
        if (whole < length) m1 = larger(load_tail(block + whole, length - whole, -INFINITY), m1);
        float block_most = largest_of(larger(m0, m1));
        if (block_most > most) {
            sum = sum > 0 ? sum * exp((double)most - block_most) : sum;
            most = block_most;
        }
        // If every logit so far is −∞, nothing may be subtracted: −∞ + ∞ is NaN.
        vec shift = all(most == -INFINITY ? 0 : most), s0 = all(0), s1 = all(0);
        for (i = 0; i + 2 * LANES <= whole; i += 2 * LANES) {
            s0 += exponential(load(block + i) - shift);
            s1 += exponential(load(block + i + LANES) - shift);
        }
        for (; i < whole; i += LANES) s0 += exponential(load(block + i) - shift);
        if (whole < length) s1 += exponential(load_tail(block + whole, length - whole, -INFINITY) - shift);
        sum += sum_of(s0 + s1);
    }
    double logarithm = log(sum);
    *normalizer = (float)(most + logarithm);
    *logprob = (float)((double)logits[label] - most - logarithm);
}

INLINE void logprob_backward(const float *logits, size_t count, size_t label, float normalizer, float weight,
                             float *gradient) {
    if (weight == 0) {
        memset(gradient, 0, count * sizeof *gradient);
        return;
    }
    vec shift = all(normalizer), scale = all(-weight);
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) store(gradient + i, scale * exponential(load(logits + i) - shift));
    if (whole < count) {
        float lanes[LANES];
        store(lanes, scale * exponential(load_tail(logits + whole, count - whole, 0) - shift));
        memcpy(gradient + whole, lanes, (count - whole) * sizeof *lanes);
    }
    gradient[label] += weight;
}

// MARK: - AdamW

INLINE vec square_root(vec v) {
    return __builtin_elementwise_sqrt(v);
}

typedef uint16_t loose_halves __attribute__((vector_size(32), aligned(2), may_alias));

// As cdama_float_to_bfloat16() and cdama_float_to_half(), in the low 16 bits of each lane.
INLINE uvec bfloat16_of(vec v) {
    uvec bits = (uvec)v;
    uvec rounded = bits + 0x7FFF + (bits >> 16 & 1);
    return (uvec)choose((ivec)((bits & 0x7FFFFFFF) > 0x7F800000), (vec)(bits | 0x00400000), (vec)rounded) >> 16;
}

INLINE uvec half_of(vec v) {
    uvec bits = (uvec)v, magnitude = bits & 0x7FFFFFFF;
    uvec nan = 0x7E00 | (magnitude >> 13 & 0x3FF);
    uvec small = (uvec)((vec)magnitude + all(0.5f)) - 0x3F000000;
    uvec result = (magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    result = (uvec)choose((ivec)(magnitude < 0x38800000), (vec)small, (vec)result);
    uvec infinite = (uvec){0} + 0x7C00;
    result = (uvec)choose((ivec)(magnitude >= 0x47800000), (vec)infinite, (vec)result);
    result = (uvec)choose((ivec)(magnitude > 0x7F800000), (vec)nan, (vec)result);
    return result | (bits >> 16 & 0x8000);
}

INLINE void store_rounded(enum cdama_rounding rounding, char *to, vec v) {
    uvec bits = rounding == CDAMA_ROUND_BFLOAT16 ? bfloat16_of(v) : half_of(v);
    *(loose_halves *)to = __builtin_convertvector(bits, loose_halves);
}

INLINE void adamw_step(const cdama_adamw *s, float *p, const float *g, float *m, float *v,
                       enum cdama_rounding rounding, char *rounded, size_t count) {
    const cdama_adamw c = *s;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vec gradient = load(g + i) * all(c.gradient_scale);
        vec first = load(m + i) * all(c.beta1) + gradient * all(c.one_minus_beta1);
        vec second = load(v + i) * all(c.beta2) + gradient * gradient * all(c.one_minus_beta2);
        vec denominator = square_root(second) * all(c.inverse_root_correction) + all(c.epsilon);
        vec value = load(p + i) * all(c.keep) - all(c.step_size) * first / denominator;
        store(m + i, first);
        store(v + i, second);
        store(p + i, value);
        if (rounding != CDAMA_ROUND_NOT) store_rounded(rounding, rounded + 2 * i, value);
    }
    size_t whole = i;
    for (; i < count; i++) {
        float gradient = g[i] * c.gradient_scale;
        m[i] = m[i] * c.beta1 + gradient * c.one_minus_beta1;
        v[i] = v[i] * c.beta2 + gradient * gradient * c.one_minus_beta2;
        float denominator = sqrtf(v[i]) * c.inverse_root_correction + c.epsilon;
        p[i] = p[i] * c.keep - c.step_size * m[i] / denominator;
    }
    if (rounding == CDAMA_ROUND_BFLOAT16) cdama_float_to_bfloat16(rounded + 2 * whole, p + whole, count - whole);
    if (rounding == CDAMA_ROUND_HALF) cdama_float_to_half(rounded + 2 * whole, p + whole, count - whole);
}

// MARK: - Norms

INLINE double sum_of_squares(const float *values, size_t count) {
    typedef double dvec __attribute__((vector_size(64)));
    typedef float half_vec __attribute__((vector_size(32), aligned(4), may_alias));
    dvec low = {0}, high = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        dvec a = __builtin_convertvector(*(const half_vec *)(values + i), dvec);
        dvec b = __builtin_convertvector(*(const half_vec *)(values + i + LANES / 2), dvec);
        low += a * a;
        high += b * b;
    }
    low += high;
    double sum = 0;
    for (int lane = 0; lane < 8; lane++) sum += low[lane];
    for (; i < count; i++) sum += (double)values[i] * values[i];
    return sum;
}

// MARK: - Levels

#define KERNELS(suffix, attribute)                                                                                     \
    attribute static void forward_##suffix(const float *l, size_t n, size_t label, float *p, float *z) {               \
        logprob_forward(l, n, label, p, z);                                                                            \
    }                                                                                                                  \
    attribute static void backward_##suffix(const float *l, size_t n, size_t label, float z, float w, float *out) {    \
        logprob_backward(l, n, label, z, w, out);                                                                      \
    }                                                                                                                  \
    attribute static void adamw_##suffix(const cdama_adamw *s, float *p, const float *g, float *m, float *v,           \
                                         enum cdama_rounding rounding, char *rounded, size_t n) {                      \
        switch (rounding) {                                                                                            \
        case CDAMA_ROUND_NOT: adamw_step(s, p, g, m, v, CDAMA_ROUND_NOT, NULL, n); break;                              \
        case CDAMA_ROUND_BFLOAT16: adamw_step(s, p, g, m, v, CDAMA_ROUND_BFLOAT16, rounded, n); break;                 \
        case CDAMA_ROUND_HALF: adamw_step(s, p, g, m, v, CDAMA_ROUND_HALF, rounded, n); break;                         \
        }                                                                                                              \
    }                                                                                                                  \
    attribute static double squares_##suffix(const float *values, size_t n) { return sum_of_squares(values, n); }

KERNELS(base, )
#if defined(__x86_64__)
KERNELS(avx2, __attribute__((target("avx2,fma"))))
KERNELS(avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))))
#define CALL(kernel, level, ...)                                  \
    ((level) >= CDAMA_LEVEL_AVX512 ? kernel##_avx512(__VA_ARGS__) \
     : (level) == CDAMA_LEVEL_AVX2 ? kernel##_avx2(__VA_ARGS__)   \
                                   : kernel##_base(__VA_ARGS__))
#else
#define CALL(kernel, level, ...) ((void)(level), kernel##_base(__VA_ARGS__))
#endif

int cdama_kernel_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        return CDAMA_LEVEL_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CDAMA_LEVEL_AVX2;
#endif
    return CDAMA_LEVEL_BASE;
}

void cdama_logprob_forward(int level, const float *logits, size_t count, size_t label, float *logprob,
                           float *normalizer) {
    CALL(forward, level, logits, count, label, logprob, normalizer);
}

void cdama_logprob_backward(int level, const float *logits, size_t count, size_t label, float normalizer, float weight,
                            float *gradient) {
    CALL(backward, level, logits, count, label, normalizer, weight, gradient);
}

void cdama_adamw_step(int level, const cdama_adamw *step, float *parameters, const float *gradients, float *first,
                      float *second, size_t count) {
    CALL(adamw, level, step, parameters, gradients, first, second, CDAMA_ROUND_NOT, NULL, count);
}

void cdama_adamw_step_rounded(int level, const cdama_adamw *step, float *parameters, const float *gradients,
                              float *first, float *second, enum cdama_rounding rounding, void *rounded, size_t count) {
    CALL(adamw, level, step, parameters, gradients, first, second, rounding, rounded, count);
}

double cdama_sum_of_squares(int level, const float *values, size_t count) {
    return CALL(squares, level, values, count);
}
