#ifndef CUDA_EMULATION_H
#define CUDA_EMULATION_H

#ifdef __cplusplus
extern "C" {
#endif

/// Runs a kernel of Sources/CDamaCuda/kernels on the host, one block after the other; a `cdama_launcher`. All pointers
/// are the host's.
///
/// @return NULL, or what is wrong: an unknown kernel, a barrier that not all threads reach, a shuffle without a full
/// warp.
const char *cuda_emulation_launch(const char *kernel, unsigned blocks, unsigned threads, void **arguments);

/// Whether kernels can be emulated. Sanitizers do not follow the threads' stacks.
int cuda_emulation_is_available(void);

#ifdef __cplusplus
}
#endif

#endif
