#ifndef CDAMA_CUDA_DRIVER_FUNCTIONS_H
#define CDAMA_CUDA_DRIVER_FUNCTIONS_H

// The part of the driver's interface that this folder uses, by its documented names and numbers.

#include <stddef.h>
#include <stdint.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef void *CUcontext, *CUstream, *CUevent, *CUmemoryPool, *CUmodule, *CUfunction;
typedef struct CUmemPoolProps CUmemPoolProps;
enum { CU_OUT_OF_MEMORY = 2 };

#define CDAMA_DRIVER_FUNCTIONS(X) \
    X(cuInit, (unsigned)) \
    X(cuDriverGetVersion, (int *)) \
    X(cuGetErrorString, (CUresult, const char **)) \
    X(cuGetErrorName, (CUresult, const char **)) \
    X(cuDeviceGetCount, (int *)) \
    X(cuDeviceGet, (CUdevice *, int)) \
    X(cuDeviceGetName, (char *, int, CUdevice)) \
    X(cuDeviceGetAttribute, (int *, int, CUdevice)) \
    X(cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice)) \
    X(cuCtxPushCurrent_v2, (CUcontext)) \
    X(cuCtxPopCurrent_v2, (CUcontext *)) \
    X(cuCtxGetCurrent, (CUcontext *)) \
    X(cuCtxGetDevice, (CUdevice *)) \
    X(cuStreamCreate, (CUstream *, unsigned)) \
    X(cuStreamDestroy_v2, (CUstream)) \
    X(cuStreamSynchronize, (CUstream)) \
    X(cuStreamWaitEvent, (CUstream, CUevent, unsigned)) \
    X(cuEventCreate, (CUevent *, unsigned)) \
    X(cuEventDestroy_v2, (CUevent)) \
    X(cuEventRecord, (CUevent, CUstream)) \
    X(cuEventSynchronize, (CUevent)) \
    X(cuMemHostAlloc, (void **, size_t, unsigned)) \
    X(cuMemFreeHost, (void *)) \
    X(cuMemPoolCreate, (CUmemoryPool *, const CUmemPoolProps *)) \
    X(cuMemPoolSetAttribute, (CUmemoryPool, int, void *)) \
    X(cuMemPoolGetAttribute, (CUmemoryPool, int, void *)) \
    X(cuMemPoolTrimTo, (CUmemoryPool, size_t)) \
    X(cuMemAllocFromPoolAsync, (CUdeviceptr *, size_t, CUmemoryPool, CUstream)) \
    X(cuMemFreeAsync, (CUdeviceptr, CUstream)) \
    X(cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream)) \
    X(cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream)) \
    X(cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream)) \
    X(cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream)) \
    X(cuMemGetInfo_v2, (size_t *, size_t *)) \
    X(cuModuleLoadData, (CUmodule *, const void *)) \
    X(cuModuleGetFunction, (CUfunction *, CUmodule, const char *)) \
    X(cuFuncSetAttribute, (CUfunction, int, int)) \
    X(cuLaunchKernel, (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, \
                       void **, void **))

typedef struct {
#define CDAMA_DECLARE(name, arguments) CUresult(*name) arguments;
    CDAMA_DRIVER_FUNCTIONS(CDAMA_DECLARE)
#undef CDAMA_DECLARE
} cdama_driver;

/// The driver's functions, from libcuda.so.1, which the first call opens and starts. NULL if that fails, with a line of
/// text; a later call tries again.
const cdama_driver *cdama_driver_open(const char **reason);

/// The name of a result, "CUDA_ERROR_INVALID_DEVICE".
static inline const char *error_name(const cdama_driver *driver, CUresult result) {
    const char *name = NULL;
    return driver->cuGetErrorName(result, &name) != 0 || name == NULL ? "an unknown error" : name;
}

#endif
