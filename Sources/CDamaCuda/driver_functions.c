// The one place that opens the CUDA driver.

#define _GNU_SOURCE
#include "driver_functions.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "include/cdama_cuda_driver.h"
#include "support.h"

static cdama_driver functions;
static const cdama_driver *_Atomic opened;

/// The reason for which the driver cannot be used.
static const char *open_library(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return cdama_cuda_fail("the CUDA driver's library, libcuda.so.1, cannot be opened: %s", dlerror());
    }
#define LOOK_UP(name, arguments) \
    *(void **)&functions.name = dlsym(library, #name); \
    if (functions.name == NULL) { \
        dlclose(library); \
        return cdama_cuda_fail("the CUDA driver has no %s; version 11.2 or later is needed", #name); \
    }
    CDAMA_DRIVER_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    CUresult result = functions.cuInit(0);
    if (result != 0) {
        const char *text = NULL;
        functions.cuGetErrorString(result, &text);
        // The library stays open: a driver that has started threads cannot be unloaded.
        return cdama_cuda_fail("the CUDA driver does not start: %s (CUDA error %d)", text ? text : "unknown error",
                               result);
    }
    return NULL;
}

const cdama_driver *cdama_driver_open(const char **reason) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    *reason = NULL;
    const cdama_driver *driver = atomic_load(&opened);
    if (driver != NULL) return driver;
    pthread_mutex_lock(&mutex);
    if (atomic_load(&opened) == NULL) {
        *reason = open_library();
        if (*reason == NULL) atomic_store(&opened, &functions);
    }
    driver = atomic_load(&opened);
    pthread_mutex_unlock(&mutex);
    return driver;
}

int cdama_cuda_driver_version(void) {
    const char *reason;
    const cdama_driver *driver = cdama_driver_open(&reason);
    int version = 0;
    return driver == NULL || driver->cuDriverGetVersion(&version) != 0 ? 0 : version;
}

const char *cdama_library_of(const void *address) {
    Dl_info found;
    return dladdr(address, &found) == 0 ? NULL : found.dli_fname;
}
