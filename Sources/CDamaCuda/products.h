#ifndef CDAMA_CUDA_PRODUCTS_H
#define CDAMA_CUDA_PRODUCTS_H

#include "include/cdama_cuda_kernels.h"

/// cdama_kernels.product on the current device.
const char *cdama_cuda_product(void *stream, int type, const cdama_product *shape, const void *a, const void *b,
                               void *y, int y_type, int adds);

/// NULL if cuBLAS can be opened, else the reason in one line.
const char *cdama_cublas_status(void);

#endif
