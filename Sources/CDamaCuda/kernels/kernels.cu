// All kernels, for numbers of one type. TYPE is ONNX's number of it.

#include "common.cuh"

#if TYPE == 1
#define REAL float
#define NAME(kernel) kernel##_f32
#elif TYPE == 10
#define REAL float16
#define NAME(kernel) kernel##_f16
#elif TYPE == 16
#define REAL bfloat16
#define NAME(kernel) kernel##_bf16
#else
#error "TYPE is none of 1, 10 and 16"
#endif

#include "operators.cuh"
#include "attention_kernels.cuh"
#include "optimizer.cuh"

#undef REAL
#undef NAME
