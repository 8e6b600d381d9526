// Starting kernels on the current context through the driver, which is opened at run time.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_functions.h"
#include "include/cdama_cuda_kernels.h"
#include "products.h"
#include "support.h"

enum { COMPUTE_CAPABILITY_MAJOR = 75, COMPUTE_CAPABILITY_MINOR = 76 };
/// The attribute of a function: the most shared memory that its launches may take.
enum { LARGEST_SHARED_MEMORY = 8 };

/// The architecture of a device: 90 for compute capability 9.0.
static const char *architecture_of(const cdama_driver *cuda, CUdevice device, int *architecture) {
    int major = 0, minor = 0;
    int code = cuda->cuDeviceGetAttribute(&major, COMPUTE_CAPABILITY_MAJOR, device);
    if (code == 0) code = cuda->cuDeviceGetAttribute(&minor, COMPUTE_CAPABILITY_MINOR, device);
    if (code != 0) return cdama_cuda_fail("CUDA device %d gives no architecture: %s", device, error_name(cuda, code));
    *architecture = 10 * major + minor;
    return NULL;
}

const char *cdama_cuda_kernels_status(int device) {
    const char *error;
    const cdama_driver *cuda = cdama_driver_open(&error);
    if (cuda == NULL) return error;
    int handle = 0, architecture = 0;
    int code = cuda->cuDeviceGet(&handle, device);
    if (code != 0) return cdama_cuda_fail("there is no CUDA device %d: %s", device, error_name(cuda, code));
    error = architecture_of(cuda, handle, &architecture);
    if (error == NULL) error = cdama_cublas_status();
    if (error != NULL) return error;
    void *image;
    size_t size;
    error = cdama_cuda_image(architecture, CDAMA_BFLOAT16, &image, &size, NULL);
    free(image);
    return error;
}

int cdama_cuda_has_attention(int device) {
    const char *error;
    const cdama_driver *cuda = cdama_driver_open(&error);
    int handle = 0, architecture = 0;
    return cuda != NULL && cuda->cuDeviceGet(&handle, device) == 0 &&
           architecture_of(cuda, handle, &architecture) == NULL && architecture >= FIRST_ATTENTION_ARCHITECTURE;
}

// MARK: Modules

/// The kernels of one type in one context. Modules live as long as the process: a device's primary context does too.
struct module {
    void *context;
    int type;
    void *functions[KERNEL_COUNT];
    struct module *next;
};

#define NAME_OF(name) #name,
static const char *const names[KERNEL_COUNT] = {CDAMA_KERNEL_LIST(NAME_OF) CDAMA_ATTENTION_LIST(NAME_OF)};
static const char *const suffixes[3] = {"_f32", "_f16", "_bf16"};

static const char *make_module(const cdama_driver *cuda, struct module *module) {
    int device = 0, architecture = 0, code = cuda->cuCtxGetDevice(&device);
    if (code != 0) return cdama_cuda_fail("the current CUDA context has no device: %s", error_name(cuda, code));
    const char *error = architecture_of(cuda, device, &architecture);
    if (error != NULL) return error;
    void *image, *loaded = NULL;
    size_t size;
    error = cdama_cuda_image(architecture, module->type, &image, &size, NULL);
    if (error != NULL) return error;
    code = cuda->cuModuleLoadData(&loaded, image);
    free(image);
    if (code != 0) return cdama_cuda_fail("the CUDA driver does not load the kernels: %s", error_name(cuda, code));
    int has_attention = module->type != CDAMA_FLOAT32 && architecture >= FIRST_ATTENTION_ARCHITECTURE;
    for (int kernel = 0; kernel < (has_attention ? KERNEL_COUNT : FIRST_ATTENTION_KERNEL); kernel++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[kernel], suffixes[cdama_type_index(module->type)]);
        code = cuda->cuModuleGetFunction(&module->functions[kernel], loaded, name);
        if (code != 0) return cdama_cuda_fail("the CUDA driver lacks the kernel %s: %s", name, error_name(cuda, code));
        if (kernel < FIRST_ATTENTION_KERNEL) continue;
        code = cuda->cuFuncSetAttribute(module->functions[kernel], LARGEST_SHARED_MEMORY,
                                        (int)cdama_attention_memory(kernel));
        if (code != 0) {
            return cdama_cuda_fail("%s needs %u bytes of shared memory: %s", name, cdama_attention_memory(kernel),
                                   error_name(cuda, code));
        }
    }
    return NULL;
}

/// The module of the current context, made by the first call.
static const char *find_module(const cdama_driver *cuda, int type, const struct module **result) {
    static _Atomic(struct module *) first = NULL;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    void *context = NULL;
    int code = cuda->cuCtxGetCurrent(&context);
    if (code != 0 || context == NULL) {
        return cdama_cuda_fail("no CUDA context is current in this thread: %s",
                               code == 0 ? "none" : error_name(cuda, code));
    }
    for (struct module *m = atomic_load(&first); m != NULL; m = m->next) {
        if (m->context == context && m->type == type) return *result = m, NULL;
    }
    pthread_mutex_lock(&mutex);
    const char *error = NULL;
    struct module *module = atomic_load(&first);
    while (module != NULL && (module->context != context || module->type != type)) module = module->next;
    if (module == NULL) {
        module = calloc(1, sizeof *module);
        if (module == NULL) {
            error = cdama_cuda_fail("no memory for the kernels' module");
        } else {
            module->context = context;
            module->type = type;
            error = make_module(cuda, module);
            module->next = atomic_load(&first);
            if (error == NULL) atomic_store(&first, module);
            else free(module);
        }
    }
    pthread_mutex_unlock(&mutex);
    *result = module;
    return error;
}

// MARK: Launching

static _Atomic(cdama_launcher) launcher = NULL;

void cdama_cuda_set_launcher(cdama_launcher other) {
    atomic_store(&launcher, other);
}

int cdama_is_emulated(void) {
    return atomic_load(&launcher) != NULL;
}

const char *cdama_launch(int kernel, int type, void *stream, uint64_t blocks, unsigned threads, void **arguments) {
    if (blocks == 0) return NULL;
    if (blocks > INT32_MAX) return cdama_cuda_fail("%s: the tensors are too large for one launch", names[kernel]);
    cdama_launcher other = atomic_load(&launcher);
    if (other != NULL) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[kernel], suffixes[cdama_type_index(type)]);
        return other(name, (unsigned)blocks, threads, arguments);
    }
    const char *error;
    const cdama_driver *cuda = cdama_driver_open(&error);
    if (cuda == NULL) return error;
    const struct module *module;
    error = find_module(cuda, type, &module);
    if (error != NULL) return error;
    if (module->functions[kernel] == NULL) {
        return cdama_cuda_fail("%s: this device has no such kernel for type %d", names[kernel], type);
    }
    unsigned shared = kernel < FIRST_ATTENTION_KERNEL ? 0 : cdama_attention_memory(kernel);
    int code = cuda->cuLaunchKernel(module->functions[kernel], (unsigned)blocks, 1, 1, threads, 1, 1, shared, stream,
                                    arguments, NULL);
    if (code == 0) return NULL;
    return cdama_cuda_fail("the kernel %s does not start: %s", names[kernel], error_name(cuda, code));
}
