// Matrix products that ONNX Runtime has no operator for, through the cuBLAS that its CUDA provider loads: sums that go
// on where they lie, and products of 16-bit numbers in float.

#define _GNU_SOURCE
#include "products.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver_functions.h"
#include "support.h"

typedef void *handle;
/// cublasOperation_t, cudaDataType_t, cublasComputeType_t and cublasGemmAlgo_t by their numbers.
enum { AS_IT_IS = 0, TRANSPOSED = 1, REAL_32 = 0, REAL_16 = 2, REAL_B16 = 14, IN_FLOAT = 68, IN_TF32 = 77, ANY = -1 };

static struct {
    int (*create)(handle *);
    int (*set_stream)(handle, void *);
    int (*multiply)(handle, int, int, int64_t, int64_t, int64_t, const void *, const void *, int, int64_t, const void *,
                    int, int64_t, const void *, void *, int, int64_t, int, int);
} cublas;
static char reason[256];

static void open_once(void) {
    static const char *const names[] = {"libcublas.so.13", "libcublas.so.12"};
    void *library = NULL;
    // First the one that the process already uses.
    for (int i = 0; i < 2 && library == NULL; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    for (int i = 0; i < 2 && library == NULL; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(reason, sizeof reason, "cuBLAS (libcublas.so.13 or .12) cannot be opened");
        return;
    }
    struct {
        const char *name;
        void *to;
    } functions[] = {{"cublasCreate_v2", &cublas.create}, {"cublasSetStream_v2", &cublas.set_stream},
                     {"cublasGemmEx_64", &cublas.multiply}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        if (found == NULL) {
            snprintf(reason, sizeof reason, "cuBLAS lacks %s; version 12 or later has it", functions[i].name);
            return;
        }
        *(void **)functions[i].to = found;
    }
}

const char *cdama_cublas_status(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    return reason[0] == '\0' ? NULL : cdama_cuda_fail("%s", reason);
}

static int element(int type) {
    return type == CDAMA_FLOAT32 ? REAL_32 : type == CDAMA_FLOAT16 ? REAL_16 : REAL_B16;
}

/// The handle of each context, made by its first product; they live as long as the process, as the contexts do.
enum { MOST_CONTEXTS = 64 };
static struct {
    void *context;
    handle handle;
} known[MOST_CONTEXTS];

static const char *find_handle(handle *found) {
    const char *error;
    const cdama_driver *cuda = cdama_driver_open(&error);
    if (cuda == NULL) return error;
    void *context = NULL;
    int code = cuda->cuCtxGetCurrent(&context);
    if (code != 0 || context == NULL) return cdama_cuda_fail("a product: no CUDA context is current in this thread");
    int i = 0;
    while (i < MOST_CONTEXTS && known[i].context != NULL && known[i].context != context) i++;
    if (i == MOST_CONTEXTS) return cdama_cuda_fail("a product: more than %d CUDA contexts", MOST_CONTEXTS);
    if (known[i].context == NULL) {
        code = cublas.create(&known[i].handle);
        if (code != 0) return cdama_cuda_fail("cuBLAS does not start: status %d", code);
        known[i].context = context;
    }
    *found = known[i].handle;
    return NULL;
}

const char *cdama_cuda_product(void *stream, int type, const cdama_product *shape, const void *a, const void *b,
                               void *y, int y_type, int adds) {
    if (cdama_is_emulated()) return cdama_cpu_kernels.product(stream, type, shape, a, b, y, y_type, adds);
    if (cdama_type_index(type) < 0 || (y_type != type && y_type != CDAMA_FLOAT32)) {
        return cdama_cuda_fail("product: no product of type %d into type %d", type, y_type);
    }
    if (shape->rows == 0 || shape->columns == 0) return NULL;
    const char *error = cdama_cublas_status();
    if (error != NULL) return error;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    handle own = NULL;
    error = find_handle(&own);
    int code = error == NULL ? cublas.set_stream(own, stream) : 0;
    if (error == NULL && code == 0) {
        // cuBLAS has columns where these are rows: it computes yᵀ = bᵀ aᵀ.
        int64_t rows = (int64_t)shape->rows, inner = (int64_t)shape->inner, columns = (int64_t)shape->columns;
        float scale = shape->scale, keeps = adds ? 1 : 0;
        code = cublas.multiply(own, shape->transposes_b ? TRANSPOSED : AS_IT_IS,
                               shape->transposes_a ? TRANSPOSED : AS_IT_IS, columns, rows, inner, &scale, b,
                               element(type), shape->transposes_b ? inner : columns, a, element(type),
                               shape->transposes_a ? rows : inner, &keeps, y, element(y_type), columns,
                               type == CDAMA_FLOAT32 ? IN_TF32 : IN_FLOAT, ANY);
    }
    pthread_mutex_unlock(&mutex);
    if (error != NULL) return error;
    return code == 0 ? NULL : cdama_cuda_fail("cuBLAS does not multiply: status %d", code);
}
