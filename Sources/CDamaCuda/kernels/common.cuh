// Types, conversions and reductions that the kernels share. NVRTC brings no CUDA headers, so conversions are written
// out. Tests compile this code for the host as well, where emulation.h replaces what only a device has.

#ifndef COMMON_CUH
#define COMMON_CUH

typedef long long index_t;

struct float16 {
    unsigned short bits;
};
struct bfloat16 {
    unsigned short bits;
};

/// What each thread loads at once: 16 bytes of 16-bit numbers, or twice as much of float.
#define CHUNK 8

#ifdef CDAMA_EMULATION
#include "conversions.h"
#else
static __device__ __forceinline__ float number(float v) { return v; }
static __device__ __forceinline__ float number(float16 v) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
    return f;
}
static __device__ __forceinline__ float number(bfloat16 v) { return __uint_as_float((unsigned)v.bits << 16); }

static __device__ __forceinline__ void assign(float &to, float v) { to = v; }
static __device__ __forceinline__ void assign(float16 &to, float v) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(v));
}
static __device__ __forceinline__ void assign(bfloat16 &to, float v) {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(v));
#else
    unsigned bits = __float_as_uint(v);
    to.bits = v == v ? (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 : 0x7FFF;
#endif
}
static __device__ __forceinline__ float infinity() { return __uint_as_float(0x7F800000); }
static __device__ __forceinline__ float not_a_number() { return __uint_as_float(0x7FFFFFFF); }
#endif

/// The number as memory of the type T holds it.
template <class T>
static __device__ __forceinline__ float rounded(float v) {
    T held;
    assign(held, v);
    return number(held);
}

/// 16 bytes as numbers.
template <class T>
union Word {
    uint4 word;
    T numbers[16 / sizeof(T)];
    __device__ __forceinline__ Word() {}
};

/// CHUNK numbers, of which only the first `count` exist; the others are `missing`.
template <class T>
static __device__ __forceinline__ void load(const T *from, index_t count, bool aligned, float missing,
                                            float (&v)[CHUNK]) {
    const int each = 16 / sizeof(T);
    if (aligned && count >= CHUNK) {
#pragma unroll
        for (int w = 0; w < CHUNK / each; w++) {
            Word<T> word;
            word.word = ((const uint4 *)from)[w];
#pragma unroll
            for (int k = 0; k < each; k++) v[w * each + k] = number(word.numbers[k]);
        }
    } else {
#pragma unroll
        for (int k = 0; k < CHUNK; k++) v[k] = k < count ? number(from[k]) : missing;
    }
}

/// CHUNK numbers as they lie in memory.
template <class T>
struct Chunk {
    Word<T> words[CHUNK * sizeof(T) / 16];
};

/// As load() with zeros for what is missing, but without a conversion, for which a thread would wait: it loads all its
/// chunks first. If aligned, a chunk exists as a whole or not at all.
template <class T>
static __device__ __forceinline__ void load_chunk(const T *from, index_t count, bool aligned, Chunk<T> &to) {
    const int each = 16 / sizeof(T);
#pragma unroll
    for (int w = 0; w < CHUNK / each; w++) {
        to.words[w].word = uint4{0, 0, 0, 0};
        if (aligned) {
            if (count > 0) to.words[w].word = ((const uint4 *)from)[w];
        } else {
#pragma unroll
            for (int k = 0; k < each; k++) {
                if (w * each + k < count) to.words[w].numbers[k] = from[w * each + k];
            }
        }
    }
}

template <class T>
static __device__ __forceinline__ void unpack(const Chunk<T> &from, float (&v)[CHUNK]) {
    const int each = 16 / sizeof(T);
#pragma unroll
    for (int k = 0; k < CHUNK; k++) v[k] = number(from.words[k / each].numbers[k % each]);
}

/// The first `count` of CHUNK numbers.
template <class T>
static __device__ __forceinline__ void store(T *to, index_t count, bool aligned, const float (&v)[CHUNK]) {
    const int each = 16 / sizeof(T);
    if (aligned && count >= CHUNK) {
#pragma unroll
        for (int w = 0; w < CHUNK / each; w++) {
            Word<T> word;
#pragma unroll
            for (int k = 0; k < each; k++) assign(word.numbers[k], v[w * each + k]);
            ((uint4 *)to)[w] = word.word;
        }
    } else {
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            if (k < count) assign(to[k], v[k]);
        }
    }
}

/// load() and store() for a type that is known only when the kernel runs: 0 float, 1 float16, 2 bfloat16.
static __device__ __forceinline__ void load_any(const void *from, int type, index_t at, index_t count, bool aligned,
                                                float (&v)[CHUNK]) {
    if (type == 0) load((const float *)from + at, count, aligned, 0, v);
    else if (type == 1) load((const float16 *)from + at, count, aligned, 0, v);
    else load((const bfloat16 *)from + at, count, aligned, 0, v);
}

static __device__ __forceinline__ void store_any(void *to, int type, index_t at, index_t count, bool aligned,
                                                 const float (&v)[CHUNK]) {
    if (type == 0) store((float *)to + at, count, aligned, v);
    else if (type == 1) store((float16 *)to + at, count, aligned, v);
    else store((bfloat16 *)to + at, count, aligned, v);
}

// Sum and maximum over the `lanes` threads that share a row, a multiple of 32; every thread gets the result. If there
// are more than 32, they are the whole block.

static __device__ __forceinline__ float row_sum(float v, int lanes) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xFFFFFFFF, v, offset);
    if (lanes == 32) return v;
    __shared__ float parts[32];
    int lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = lane < lanes / 32 ? parts[lane] : 0;
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xFFFFFFFF, v, offset);
    return v;
}

static __device__ __forceinline__ float row_max(float v, int lanes) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFF, v, offset));
    if (lanes == 32) return v;
    __shared__ float parts[32];
    int lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = lane < lanes / 32 ? parts[lane] : -infinity();
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFF, v, offset));
    return v;
}

/// The number of the thread in the whole grid.
static __device__ __forceinline__ index_t thread_number() { return (index_t)blockIdx.x * blockDim.x + threadIdx.x; }

#endif
