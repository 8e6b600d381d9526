#ifndef CDAMA_CUDA_SUPPORT_H
#define CDAMA_CUDA_SUPPORT_H

// What the files of this folder share. Functions that can fail return NULL or a line of text, as cdama_cuda_kernels.h
// says.

#include <stddef.h>
#include <stdint.h>

/// Formats the calling thread's line of text and returns it. Line breaks become spaces.
const char *cdama_cuda_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// 0 for float, 1 for float16, 2 for bfloat16; −1 for any other number.
int cdama_type_index(int type);
int cdama_type_size(int type);

/// All text of the kernels' source and the compiler's version, by which machine code is found again.
const char *cdama_nvrtc_fingerprint(int architecture, int type, char hexadecimal[65]);

/// The kernels for every type.
#define CDAMA_KERNEL_LIST(KERNEL)                                                                              \
    KERNEL(rotary_heads) KERNEL(mask_softmax) KERNEL(softmax_grad) KERNEL(row_dot) KERNEL(rms_norm_grad)       \
    KERNEL(rms_norm_scale_grad) KERNEL(swiglu) KERNEL(swiglu_grad) KERNEL(token_logps) KERNEL(token_logps_grad) \
    KERNEL(adamw) KERNEL(squares) KERNEL(sum_of_parts) KERNEL(accumulate) KERNEL(add_rows) KERNEL(fill) KERNEL(cast) \
    KERNEL(mask_tiles) KERNEL(sum_rows) KERNEL(likeliest) KERNEL(add_bias) KERNEL(token_embeddings) \
    KERNEL(packed_mask) KERNEL(norm) KERNEL(added_norm)

/// The kernels for types of 16 bits, on devices of compute capability 8.0 and later.
#define CDAMA_ATTENTION_LIST(KERNEL)                                                   \
    KERNEL(attention_32) KERNEL(attention_64) KERNEL(attention_128)                    \
    KERNEL(query_gradient_32) KERNEL(query_gradient_64) KERNEL(query_gradient_128)     \
    KERNEL(key_gradients_32) KERNEL(key_gradients_64) KERNEL(key_gradients_128)

#define CDAMA_KERNEL_CASE(name) KERNEL_##name,
enum { CDAMA_KERNEL_LIST(CDAMA_KERNEL_CASE) CDAMA_ATTENTION_LIST(CDAMA_KERNEL_CASE) KERNEL_COUNT };
#undef CDAMA_KERNEL_CASE
enum { FIRST_ATTENTION_KERNEL = KERNEL_attention_32, FIRST_ATTENTION_ARCHITECTURE = 80 };

/// The shared memory of a kernel of attention, in bytes.
unsigned cdama_attention_memory(int kernel);

/// Starts a kernel for numbers of `type` on the current context.
const char *cdama_launch(int kernel, int type, void *stream, uint64_t blocks, unsigned threads, void **arguments);

/// Whether a launcher of a test takes the place of the driver's.
int cdama_is_emulated(void);

#endif
