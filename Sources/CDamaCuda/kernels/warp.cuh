// What the threads of a warp do together: products of small matrices on the tensor cores, loads of their operands from
// shared memory, and copies into it that go on in the background. Devices of compute capability 8.0 and later have them.

#ifndef WARP_CUH
#define WARP_CUH

#include "common.cuh"

#ifndef CDAMA_EMULATION
/// Shared memory whose size the launch gives.
#define SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]

static __device__ __forceinline__ float exponential2(float v) {
    float f;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(f) : "f"(v));
    return f;
}

/// Two numbers rounded to the type of `example`, the first in the lower half.
static __device__ __forceinline__ unsigned packed(float16, float first, float second) {
    unsigned bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
    return bits;
}
static __device__ __forceinline__ unsigned packed(bfloat16, float first, float second) {
    unsigned bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
    return bits;
}

/// c += a b for a [16, 16] and b [16, 8], which lie over the warp's threads as PTX's mma.m16n8k16 has them: of c, thread
/// 4 r + k has the columns 2k and 2k + 1 of row r, then of row r + 8.
static __device__ __forceinline__ void multiply_add(float16, float (&c)[4], const unsigned (&a)[4], unsigned first,
                                                    unsigned second) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(first), "r"(second));
}
static __device__ __forceinline__ void multiply_add(bfloat16, float (&c)[4], const unsigned (&a)[4], unsigned first,
                                                    unsigned second) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(first), "r"(second));
}

/// Four matrices of 8 by 8 numbers from shared memory: thread i gives the start of row i mod 8 of matrix i / 8, and gets
/// of each the columns 2k and 2k + 1 of row r, with r and k as above.
static __device__ __forceinline__ void load_matrices(unsigned (&m)[4], const void *row) {
    unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(address)
                 : "memory");
}

/// The same, of the transposed matrices.
static __device__ __forceinline__ void load_transposed(unsigned (&m)[4], const void *row) {
    unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(address)
                 : "memory");
}

/// Starts a copy of 16 bytes to shared memory, or clears them if `exists` is false. `from` must be valid in both cases.
static __device__ __forceinline__ void start_copy(void *to, const void *from, bool exists) {
    unsigned address = (unsigned)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(address), "l"(from), "r"(exists ? 16 : 0)
                 : "memory");
}

/// Ends a group of copies.
static __device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most the last `OPEN` groups of this thread go on.
template <int OPEN>
static __device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" : : "n"(OPEN) : "memory");
}
#endif

#endif
