// Starting kernels on the current context through the driver, which is opened at run time.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/cdama_cuda_kernels.h"
#include "support.h"

enum { COMPUTE_CAPABILITY_MAJOR = 75, COMPUTE_CAPABILITY_MINOR = 76 };

static struct {
    int (*init)(unsigned);
    int (*device_get)(int *, int);
    int (*attribute)(int *, int, int);
    int (*current)(void **);
    int (*current_device)(int *);
    int (*load)(void **, const void *);
    int (*function)(void **, void *, const char *);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                  void **);
    int (*error_name)(int, const char **);
} cuda;
static char reason[512];

static const char *error_name(int code) {
    const char *name = NULL;
    if (cuda.error_name == NULL || cuda.error_name(code, &name) != 0 || name == NULL) return "an unknown error";
    return name;
}

static void open_once(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(reason, sizeof reason, "the CUDA driver (libcuda.so.1) is not on the loader's path");
        return;
    }
    const struct {
        const char *name;
        void *function;
    } functions[] = {
        {"cuInit", &cuda.init},
        {"cuDeviceGet", &cuda.device_get},
        {"cuDeviceGetAttribute", &cuda.attribute},
        {"cuCtxGetCurrent", &cuda.current},
        {"cuCtxGetDevice", &cuda.current_device},
        {"cuModuleLoadData", &cuda.load},
        {"cuModuleGetFunction", &cuda.function},
        {"cuLaunchKernel", &cuda.launch},
        {"cuGetErrorName", &cuda.error_name},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *symbol = dlsym(library, functions[i].name);
        if (symbol == NULL) {
            snprintf(reason, sizeof reason, "the CUDA driver lacks the function %s", functions[i].name);
            return;
        }
        memcpy(functions[i].function, &symbol, sizeof symbol);
    }
    int code = cuda.init(0);
    if (code != 0) snprintf(reason, sizeof reason, "the CUDA driver cannot start: %s", error_name(code));
}

static const char *open_driver(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    return reason[0] == '\0' ? NULL : cdama_cuda_fail("%s", reason);
}

/// The architecture of a device: 90 for compute capability 9.0.
static const char *architecture_of(int device, int *architecture) {
    int major = 0, minor = 0;
    int code = cuda.attribute(&major, COMPUTE_CAPABILITY_MAJOR, device);
    if (code == 0) code = cuda.attribute(&minor, COMPUTE_CAPABILITY_MINOR, device);
    if (code != 0) return cdama_cuda_fail("CUDA device %d gives no architecture: %s", device, error_name(code));
    *architecture = 10 * major + minor;
    return NULL;
}

const char *cdama_cuda_kernels_status(int device) {
    const char *error = open_driver();
    if (error != NULL) return error;
    int handle = 0, architecture = 0;
    int code = cuda.device_get(&handle, device);
    if (code != 0) return cdama_cuda_fail("there is no CUDA device %d: %s", device, error_name(code));
    error = architecture_of(handle, &architecture);
    if (error != NULL) return error;
    void *image;
    size_t size;
    error = cdama_cuda_image(architecture, CDAMA_BFLOAT16, &image, &size, NULL);
    free(image);
    return error;
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
static const char *const names[KERNEL_COUNT] = {CDAMA_KERNEL_LIST(NAME_OF)};
static const char *const suffixes[3] = {"_f32", "_f16", "_bf16"};

static const char *make_module(struct module *module) {
    int device = 0, architecture = 0, code = cuda.current_device(&device);
    if (code != 0) return cdama_cuda_fail("the current CUDA context has no device: %s", error_name(code));
    const char *error = architecture_of(device, &architecture);
    if (error != NULL) return error;
    void *image, *loaded = NULL;
    size_t size;
    error = cdama_cuda_image(architecture, module->type, &image, &size, NULL);
    if (error != NULL) return error;
    code = cuda.load(&loaded, image);
    free(image);
    if (code != 0) return cdama_cuda_fail("the CUDA driver does not load the kernels: %s", error_name(code));
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[kernel], suffixes[cdama_type_index(module->type)]);
        code = cuda.function(&module->functions[kernel], loaded, name);
        if (code != 0) return cdama_cuda_fail("the CUDA driver lacks the kernel %s: %s", name, error_name(code));
    }
    return NULL;
}

/// The module of the current context, made by the first call.
static const char *find_module(int type, const struct module **result) {
    static _Atomic(struct module *) first = NULL;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    void *context = NULL;
    int code = cuda.current(&context);
    if (code != 0 || context == NULL) {
        return cdama_cuda_fail("no CUDA context is current in this thread: %s", code == 0 ? "none" : error_name(code));
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
            error = make_module(module);
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

const char *cdama_launch(int kernel, int type, void *stream, uint64_t blocks, unsigned threads, void **arguments) {
    if (blocks == 0) return NULL;
    if (blocks > INT32_MAX) return cdama_cuda_fail("%s: the tensors are too large for one launch", names[kernel]);
    cdama_launcher other = atomic_load(&launcher);
    if (other != NULL) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[kernel], suffixes[cdama_type_index(type)]);
        return other(name, (unsigned)blocks, threads, arguments);
    }
    const char *error = open_driver();
    if (error != NULL) return error;
    const struct module *module;
    error = find_module(type, &module);
    if (error != NULL) return error;
    int code =
        cuda.launch(module->functions[kernel], (unsigned)blocks, 1, 1, threads, 1, 1, 0, stream, arguments, NULL);
    return code == 0 ? NULL : cdama_cuda_fail("the kernel %s does not start: %s", names[kernel], error_name(code));
}
