// The kernels of attention for the type REAL. cdama_cuda_kernels.h says what each computes; device_kernels.c launches
// them.

#include "attention.cuh"

/// A mask's number from which on a key is hidden: CDAMA_HIDDEN.
#define HIDDEN -1e4f

// A block of 256 threads for a tile of the mask.
extern "C" __global__ void NAME(mask_tiles)(const REAL *mask, index_t *kinds, int queries, int keys) {
    int down = (queries + TILE - 1) / TILE, across = (keys + TILE - 1) / TILE;
    int tile = blockIdx.x % (down * across), query = tile / across * TILE, key = tile % across * TILE;
    mask += (index_t)(blockIdx.x / (down * across)) * queries * keys;
    float visible = 0, untouched = 0;
    for (int i = threadIdx.x; i < TILE * TILE; i += 256) {
        int row = query + i / TILE, column = key + i % TILE;
        if (row >= queries) continue;
        float value = column < keys ? number(mask[(index_t)row * keys + column]) : -infinity();
        // A number that is none hides nothing, so that it is not lost.
        visible += !(value <= HIDDEN);
        untouched += value == 0;
    }
    visible = row_sum(visible, 256);
    untouched = row_sum(untouched, 256);
    int rows = queries - query < TILE ? queries - query : TILE;
    if (threadIdx.x == 0) {
        kinds[blockIdx.x] = visible == 0 ? HIDES_ALL : untouched == (float)rows * TILE ? HIDES_NONE : HIDES_SOME;
    }
}

#if TYPE != 1 && (defined(CDAMA_EMULATION) || __CUDA_ARCH__ >= 800)
#define ATTENTION(SIZE)                                                                                               \
    extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 3)                                                \
        NAME(attention_##SIZE)(const REAL *q, const REAL *k, const REAL *v, const REAL *mask, const index_t *kinds,   \
                               REAL *out, float *normalizers, struct attention_shape shape) {                         \
        attend<REAL, SIZE>(q, k, v, mask, kinds, out, normalizers, shape);                                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 2)                                                \
        NAME(query_gradient_##SIZE)(const REAL *q, const REAL *k, const REAL *v, const REAL *mask,                    \
                                    const index_t *kinds, const REAL *flowing, const float *normalizers,              \
                                    const float *dots, REAL *dq, struct attention_shape shape) {                      \
        query_gradient<REAL, SIZE>(q, k, v, mask, kinds, flowing, normalizers, dots, dq, shape);                      \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 2)                                                \
        NAME(key_gradients_##SIZE)(const REAL *q, const REAL *k, const REAL *v, const REAL *mask,                     \
                                   const index_t *kinds, const REAL *flowing, const float *normalizers,               \
                                   const float *dots, REAL *dk, REAL *dv, struct attention_shape shape) {             \
        key_gradients<REAL, SIZE>(q, k, v, mask, kinds, flowing, normalizers, dots, dk, dv, shape);                   \
    }
ATTENTION(32)
ATTENTION(64)
ATTENTION(128)
#undef ATTENTION
#endif

#undef HIDDEN
