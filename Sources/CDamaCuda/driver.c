#include "cdama_cuda_driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "driver_device.h"

#define MOST_DEVICES 16

enum { POOLS_SUPPORTED = 115 };
enum { POOL_RELEASE_THRESHOLD = 4, POOL_RESERVED = 5, POOL_USED = 7, POOL_USED_HIGH = 8 };

struct CUmemPoolProps {
    int allocation_type, handle_types;
    int location_type, location_id;
    void *security;
    size_t most;
    unsigned short usage;
    unsigned char reserved[54];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cdama_cuda_device *_Atomic devices[MOST_DEVICES];
static struct cdama_cuda_device storage[MOST_DEVICES];
static _Thread_local char error_text[512];

const char *cdama_cuda_error(void) { return error_text; }

cdama_cuda_status cdama_device_failed(const cdama_driver *driver, CUresult result, const char *what) {
    const char *text = NULL;
    driver->cuGetErrorString(result, &text);
    snprintf(error_text, sizeof error_text, "%s: %s (CUDA error %d)", what, text ? text : "unknown error", result);
    return result == CU_OUT_OF_MEMORY ? CDAMA_CUDA_OUT_OF_MEMORY : CDAMA_CUDA_FAILED;
}

cdama_cuda_status cdama_device_refused(cdama_cuda_status status, const char *text) {
    snprintf(error_text, sizeof error_text, "%s", text);
    return status;
}

// MARK: Opening

static cdama_cuda_status open_device(const cdama_driver *driver, int ordinal, struct cdama_cuda_device *device) {
    int count = 0, has_pools = 0;
    CUdevice handle;
    CUresult result = driver->cuDeviceGetCount(&count);
    if (result) return cdama_device_failed(driver, result, "counting CUDA devices");
    if (ordinal >= count) {
        snprintf(error_text, sizeof error_text, "there is no CUDA device %d: this machine has %d%s", ordinal, count,
                 count == 1 ? ", number 0" : "");
        return CDAMA_CUDA_UNAVAILABLE;
    }
    if ((result = driver->cuDeviceGet(&handle, ordinal)) ||
        (result = driver->cuDeviceGetName(device->name, sizeof device->name, handle)) ||
        (result = driver->cuDeviceGetAttribute(&has_pools, POOLS_SUPPORTED, handle)))
        return cdama_device_failed(driver, result, "reading the CUDA device");
    if (!has_pools) {
        snprintf(error_text, sizeof error_text, "CUDA device %d, %s, has no memory pools", ordinal, device->name);
        return CDAMA_CUDA_UNAVAILABLE;
    }
    device->ordinal = ordinal;
    device->driver = driver;
    if ((result = driver->cuDevicePrimaryCtxRetain(&device->context, handle)) ||
        (result = driver->cuCtxPushCurrent_v2(device->context)))
        return cdama_device_failed(driver, result, "opening the CUDA device");
    CUcontext popped;
    CUmemPoolProps properties = {.allocation_type = 1, .location_type = 1, .location_id = ordinal};
    uint64_t everything = UINT64_MAX;
    if ((result = driver->cuStreamCreate(&device->stream, 0)) ||
        (result = driver->cuMemPoolCreate(&device->pool, &properties)) ||
        // Without this the pool would return its memory to the system at each synchronisation.
        (result = driver->cuMemPoolSetAttribute(device->pool, POOL_RELEASE_THRESHOLD, &everything))) {
        driver->cuCtxPopCurrent_v2(&popped);
        return cdama_device_failed(driver, result, "making a stream and a memory pool");
    }
    driver->cuCtxPopCurrent_v2(&popped);
    return CDAMA_CUDA_OK;
}

cdama_cuda_status cdama_cuda_open(int ordinal, cdama_cuda_device **device) {
    if (ordinal < 0 || ordinal >= MOST_DEVICES) {
        snprintf(error_text, sizeof error_text, "there is no CUDA device %d: numbers are from 0 to %d", ordinal,
                 MOST_DEVICES - 1);
        return CDAMA_CUDA_UNAVAILABLE;
    }
    *device = atomic_load(&devices[ordinal]);
    if (*device) return CDAMA_CUDA_OK;
    pthread_mutex_lock(&lock);
    cdama_cuda_status status = CDAMA_CUDA_OK;
    if (!atomic_load(&devices[ordinal])) {
        const char *reason;
        const cdama_driver *driver = cdama_driver_open(&reason);
        if (!driver) {
            snprintf(error_text, sizeof error_text, "%s", reason);
            status = CDAMA_CUDA_UNAVAILABLE;
        }
        if (!status) status = open_device(driver, ordinal, &storage[ordinal]);
        if (!status) atomic_store(&devices[ordinal], &storage[ordinal]);
    }
    *device = atomic_load(&devices[ordinal]);
    pthread_mutex_unlock(&lock);
    return status;
}

void *cdama_cuda_stream(const cdama_cuda_device *device) { return device->stream; }

cdama_cuda_status cdama_cuda_enter(cdama_cuda_device *device) {
    CUresult result = device->driver->cuCtxPushCurrent_v2(device->context);
    return result ? cdama_device_failed(device->driver, result, "entering the CUDA device") : CDAMA_CUDA_OK;
}

void cdama_cuda_leave(cdama_cuda_device *device) {
    CUcontext popped;
    device->driver->cuCtxPopCurrent_v2(&popped);
}

// MARK: Memory

static CUresult allocate(cdama_cuda_device *device, size_t bytes, CUdeviceptr *address) {
    if (bytes == 0) bytes = 1;
    CUresult result = device->driver->cuMemAllocFromPoolAsync(address, bytes, device->pool, device->stream);
    if (result != CU_OUT_OF_MEMORY) return result;
    // Memory that was released but not yet reused may lie in pieces.
    if ((result = device->driver->cuStreamSynchronize(device->stream))) return result;
    device->driver->cuMemPoolTrimTo(device->pool, 0);
    return device->driver->cuMemAllocFromPoolAsync(address, bytes, device->pool, device->stream);
}

cdama_cuda_status cdama_cuda_allocate(cdama_cuda_device *device, size_t bytes, void **memory) {
    cdama_cuda_status status = cdama_cuda_enter(device);
    if (status) return status;
    CUdeviceptr address = 0;
    CUresult result = allocate(device, bytes, &address);
    cdama_cuda_leave(device);
    *memory = (void *)(uintptr_t)address;
    if (!result) return CDAMA_CUDA_OK;
    if (result != CU_OUT_OF_MEMORY)
        return cdama_device_failed(device->driver, result, "allocating memory of the CUDA device");
    cdama_cuda_memory found = {0};
    cdama_cuda_describe_memory(device, 0, &found);
    snprintf(error_text, sizeof error_text, "CUDA device %d has no %.2f GB left: %.2f of %.2f GB are free",
             device->ordinal, bytes / 1e9, (found.available + found.reserved - found.used) / 1e9, found.total / 1e9);
    return CDAMA_CUDA_OUT_OF_MEMORY;
}

void cdama_cuda_release(cdama_cuda_device *device, void *memory) {
    if (!memory || cdama_cuda_enter(device)) return;
    device->driver->cuMemFreeAsync((CUdeviceptr)(uintptr_t)memory, device->stream);
    cdama_cuda_leave(device);
}

cdama_cuda_status cdama_cuda_describe_memory(cdama_cuda_device *device, int resets, cdama_cuda_memory *memory) {
    cdama_cuda_status status = cdama_cuda_enter(device);
    if (status) return status;
    size_t available = 0, total = 0;
    uint64_t zero = 0;
    CUresult result;
    if (!(result = device->driver->cuMemGetInfo_v2(&available, &total)) &&
        !(result = device->driver->cuMemPoolGetAttribute(device->pool, POOL_USED, &memory->used)) &&
        !(result = device->driver->cuMemPoolGetAttribute(device->pool, POOL_USED_HIGH, &memory->used_peak)) &&
        !(result = device->driver->cuMemPoolGetAttribute(device->pool, POOL_RESERVED, &memory->reserved)) && resets)
        result = device->driver->cuMemPoolSetAttribute(device->pool, POOL_USED_HIGH, &zero);
    cdama_cuda_leave(device);
    (memory->available = available), (memory->total = total);
    return result ? cdama_device_failed(device->driver, result, "reading the memory of the CUDA device")
                  : CDAMA_CUDA_OK;
}

// MARK: Copies

#define IN_CONTEXT(what, call) \
    if (bytes == 0) return CDAMA_CUDA_OK; \
    cdama_cuda_status status = cdama_cuda_enter(device); \
    if (status) return status; \
    CUresult result = call; \
    cdama_cuda_leave(device); \
    return result ? cdama_device_failed(device->driver, result, what) : CDAMA_CUDA_OK

cdama_cuda_status cdama_cuda_copy_in(cdama_cuda_device *device, void *to, const void *from, size_t bytes) {
    // From pageable memory the call returns once the driver has read the source.
    IN_CONTEXT("copying to the CUDA device",
               device->driver->cuMemcpyHtoDAsync_v2((CUdeviceptr)(uintptr_t)to, from, bytes, device->stream));
}

static CUresult copy_out(cdama_cuda_device *device, void *to, const void *from, size_t bytes) {
    CUresult result = device->driver->cuMemcpyDtoHAsync_v2(to, (CUdeviceptr)(uintptr_t)from, bytes, device->stream);
    return result ? result : device->driver->cuStreamSynchronize(device->stream);
}

cdama_cuda_status cdama_cuda_copy_out(cdama_cuda_device *device, void *to, const void *from, size_t bytes) {
    IN_CONTEXT("copying from the CUDA device", copy_out(device, to, from, bytes));
}

cdama_cuda_status cdama_cuda_copy(cdama_cuda_device *device, void *to, const void *from, size_t bytes) {
    IN_CONTEXT("copying within the CUDA device",
               device->driver->cuMemcpyDtoDAsync_v2((CUdeviceptr)(uintptr_t)to, (CUdeviceptr)(uintptr_t)from, bytes,
                                           device->stream));
}

cdama_cuda_status cdama_cuda_clear(cdama_cuda_device *device, void *memory, size_t bytes) {
    IN_CONTEXT("clearing memory of the CUDA device",
               device->driver->cuMemsetD8Async((CUdeviceptr)(uintptr_t)memory, 0, bytes, device->stream));
}
