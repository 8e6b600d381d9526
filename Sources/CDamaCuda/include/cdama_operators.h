#ifndef CDAMA_OPERATORS_H
#define CDAMA_OPERATORS_H

/// Creates the domain "dama" with the fused operators, each for float, float16 (`…_f16`) and bfloat16 (`…_bf16`) and
/// for the providers CUDA and CPU. The domain must live as long as the sessions that use it.
///
/// @param api  the runtime's OrtApi, of version 21 or later.
/// @param[out] domain  the OrtCustomOpDomain.
/// @return an OrtStatus, or NULL.
void *cdama_operators_create(const void *api, void **domain);

/// Whether the operators of the CPU provider start the device's kernels, for tests that emulate those
/// (cdama_cuda_set_launcher()).
void cdama_operators_use_device_kernels(int use);

#endif
