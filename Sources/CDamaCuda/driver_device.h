#ifndef CDAMA_CUDA_DRIVER_DEVICE_H
#define CDAMA_CUDA_DRIVER_DEVICE_H

// What the files that work through the driver share: an open device, and the text of an error.

#include "driver_functions.h"
#include "include/cdama_cuda_driver.h"

struct cdama_cuda_device {
    int ordinal;
    char name[128];
    const cdama_driver *driver;
    CUcontext context;
    CUstream stream;
    CUmemoryPool pool;
};

/// Keeps the text of an error of the driver for cdama_cuda_error(): "what: the driver's words (CUDA error 2)".
cdama_cuda_status cdama_device_failed(const cdama_driver *driver, CUresult result, const char *what);

/// The same for an error of this library.
cdama_cuda_status cdama_device_refused(cdama_cuda_status status, const char *text);

#endif
