// The device's kernels, compiled for the host. The threads of a block take turns on one thread of the host; each runs
// until it waits for others. Blocks follow one another.

#include "include/cuda_emulation.h"

#include <math.h>
#include <string.h>
#include <ucontext.h>

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

// Of cdama_float.h, a header of C that a C++ file cannot import as a module.
extern "C" {
void cdama_float_from_half(float *to, const void *from, size_t count);
void cdama_float_from_bfloat16(float *to, const void *from, size_t count);
void cdama_float_to_bfloat16(void *to, const float *from, size_t count);
void cdama_float_to_half(void *to, const float *from, size_t count);
}
#include "../../Sources/CDamaCuda/support.h"

// MARK: - What a device has

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct dimensions {
    unsigned x;
};
static dimensions threadIdx, blockIdx, blockDim, gridDim;

static void __syncthreads();
static void __syncwarp();
static float __shfl_xor_sync(unsigned mask, float value, int offset);

#define CDAMA_EMULATION
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define SHARED_MEMORY(name) alignas(128) static unsigned char name[SHARED_BYTES]
/// What a block of the smallest supported device may have.
enum { SHARED_BYTES = 99 << 10 };
#include "../../Sources/CDamaCuda/kernels/common.cuh"
#include "warp.h"

#pragma clang diagnostic ignored "-Wunused-function"
#pragma clang diagnostic ignored "-Wpass-failed"
#define TYPE 1
#include "../../Sources/CDamaCuda/kernels/kernels.cu"
#undef TYPE
#define TYPE 10
#include "../../Sources/CDamaCuda/kernels/kernels.cu"
#undef TYPE
#define TYPE 16
#include "../../Sources/CDamaCuda/kernels/kernels.cu"
#undef TYPE

// MARK: - Threads

namespace {

enum { WARP = 32, STACK = 1 << 16 };

/// Threads that wait for one another: those of a warp, or of the block.
struct barrier {
    unsigned live = 0, waiting = 0, turn = 0;

    void release_if_complete() {
        if (live > 0 && waiting == live) {
            waiting = 0;
            turn++;
        }
    }
};

struct thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool is_done = false;
    unsigned shuffles = 0;
};

std::vector<thread> threads;
std::vector<barrier> warps;
barrier block;
/// What each thread gives to a shuffle. A thread can be one shuffle ahead of the others, so there are two.
std::vector<float> given[2];
/// What each thread gives to an operation of its warp, in registers or as an address.
std::vector<unsigned> registers;
std::vector<const void *> addresses;
ucontext_t scheduler;
unsigned current;
bool has_progress;
std::string fault;
std::function<void()> body;

void yield() {
    swapcontext(&threads[current].context, &scheduler);
}

void wait(barrier &b) {
    unsigned turn = b.turn;
    b.waiting++;
    b.release_if_complete();
    has_progress = true;
    while (b.turn == turn && fault.empty()) yield();
}

void run() {
    body();
    threads[current].is_done = true;
    has_progress = true;
    barrier &warp = warps[current / WARP];
    warp.live--;
    block.live--;
    warp.release_if_complete();
    block.release_if_complete();
    yield();
}

void run_block(unsigned count) {
    warps.assign((count + WARP - 1) / WARP, barrier());
    block = barrier();
    block.live = count;
    if (threads.size() < count) threads = std::vector<thread>(count);
    for (auto &values : given) values.assign(count, 0);
    registers.assign(count * 6, 0);
    addresses.assign(count, nullptr);
    for (unsigned i = 0; i < count; i++) {
        thread &t = threads[i];
        warps[i / WARP].live++;
        t.is_done = false;
        t.shuffles = 0;
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = t.stack.get();
        t.context.uc_stack.ss_size = STACK;
        t.context.uc_link = &scheduler;
        makecontext(&t.context, run, 0);
    }
    while (block.live > 0 && fault.empty()) {
        has_progress = false;
        for (current = 0; current < count && fault.empty(); current++) {
            if (threads[current].is_done) continue;
            threadIdx.x = current;
            swapcontext(&scheduler, &threads[current].context);
        }
        if (!has_progress && fault.empty()) fault = "threads wait for others that never come";
    }
}

}  // namespace

static void __syncthreads() {
    wait(block);
}

static float __shfl_xor_sync(unsigned, float value, int offset) {
    unsigned own = current;
    if (warps[own / WARP].live != WARP) fault = "a shuffle without a full warp";
    std::vector<float> &values = given[threads[own].shuffles++ % 2];
    values[own] = value;
    wait(warps[own / WARP]);
    return values[own ^ (unsigned)offset];
}

// MARK: - What the threads of a warp do together

/// The warp of the current thread, whose threads must all take part.
static barrier &whole_warp() {
    if (warps[current / WARP].live != WARP) fault = "an operation of a warp without all its threads";
    return warps[current / WARP];
}

static void __syncwarp() {
    wait(whole_warp());
}

/// Number `half` of a register, as float.
template <class T>
static float half_of(unsigned bits, int half) {
    T value;
    value.bits = (unsigned short)(bits >> 16 * half);
    return number(value);
}

template <class T>
static void multiply_in_warp(float (&c)[4], const unsigned (&a)[4], unsigned first, unsigned second) {
    unsigned own = current, start = own / WARP * WARP, lane = own % WARP;
    const unsigned given_now[6] = {a[0], a[1], a[2], a[3], first, second};
    for (int i = 0; i < 6; i++) registers[own * 6 + i] = given_now[i];
    wait(whole_warp());
    for (int i = 0; i < 4; i++) {
        unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
        double sum = c[i];
        for (int k = 0; k < 16; k++) {
            // Register i of A has row r + 8 (i mod 2) and columns 8 (i / 2) …; register i of B has rows 8 i ….
            unsigned thread = start + 4 * row + k % 8 / 2, other = start + 4 * column + k % 8 / 2;
            float left = half_of<T>(registers[thread * 6 + i / 2 + k / 8 * 2], k % 2);
            sum += (double)left * half_of<T>(registers[other * 6 + 4 + k / 8], k % 2);
        }
        c[i] = (float)sum;
    }
    wait(whole_warp());
}

static void multiply_add(float16, float (&c)[4], const unsigned (&a)[4], unsigned first, unsigned second) {
    multiply_in_warp<float16>(c, a, first, second);
}
static void multiply_add(bfloat16, float (&c)[4], const unsigned (&a)[4], unsigned first, unsigned second) {
    multiply_in_warp<bfloat16>(c, a, first, second);
}

static void load_in_warp(unsigned (&m)[4], const void *row, bool transposes) {
    unsigned own = current, start = own / WARP * WARP, lane = own % WARP;
    addresses[own] = row;
    wait(whole_warp());
    for (unsigned i = 0; i < 4; i++) {
        m[i] = 0;
        for (unsigned half = 0; half < 2; half++) {
            unsigned line = transposes ? lane % 4 * 2 + half : lane / 4;
            unsigned column = transposes ? lane / 4 : lane % 4 * 2 + half;
            auto *from = static_cast<const unsigned short *>(addresses[start + 8 * i + line]);
            if (reinterpret_cast<uintptr_t>(from) % 16 != 0) fault = "a row of a matrix beside a multiple of 16 bytes";
            m[i] |= (unsigned)from[column] << 16 * half;
        }
    }
    wait(whole_warp());
}
static void load_matrices(unsigned (&m)[4], const void *row) {
    load_in_warp(m, row, false);
}
static void load_transposed(unsigned (&m)[4], const void *row) {
    load_in_warp(m, row, true);
}

// MARK: - Kernels by name

namespace {

using kernel = std::function<void(void **)>;

template <class... Arguments, size_t... Positions>
kernel caller(void (*function)(Arguments...), std::index_sequence<Positions...>) {
    return [function](void **arguments) { function(*static_cast<Arguments *>(arguments[Positions])...); };
}

template <class... Arguments>
kernel caller(void (*function)(Arguments...)) {
    return caller(function, std::index_sequence_for<Arguments...>());
}

#define SHORT_ENTRIES(name) {#name "_f16", caller(name##_f16)}, {#name "_bf16", caller(name##_bf16)},
#define ENTRIES(name) {#name "_f32", caller(name##_f32)}, SHORT_ENTRIES(name)
const std::map<std::string, kernel> &kernels() {
    static const std::map<std::string, kernel> all = {CDAMA_KERNEL_LIST(ENTRIES) CDAMA_ATTENTION_LIST(SHORT_ENTRIES)};
    return all;
}

}  // namespace

const char *cuda_emulation_launch(const char *name, unsigned blocks, unsigned threads_of_block, void **arguments) {
    static std::mutex mutex;
    static std::string message;
    std::lock_guard<std::mutex> lock(mutex);
    auto found = kernels().find(name);
    if (found == kernels().end()) return "there is no such kernel";
    fault.clear();
    body = [&] { found->second(arguments); };
    gridDim.x = blocks;
    blockDim.x = threads_of_block;
    for (blockIdx.x = 0; blockIdx.x < blocks && fault.empty(); blockIdx.x++) run_block(threads_of_block);
    if (fault.empty()) return nullptr;
    message = std::string(name) + ": " + fault;
    return message.c_str();
}

int cuda_emulation_is_available(void) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 0;
#else
    return 1;
#endif
}
