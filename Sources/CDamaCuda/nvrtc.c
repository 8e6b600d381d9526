// The kernels' source, and NVRTC, which compiles it. NVRTC is opened at run time: the wheel onnxruntime-gpu[cuda]
// brings it, and machines without it run the plain graphs.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdama_sha256.h"
#include "include/cdama_cuda_kernels.h"
#include "support.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char kernels_source[] = {
#embed "kernels/kernels.cu"
    , 0};
static const char common_source[] = {
#embed "kernels/common.cuh"
    , 0};
static const char operators_source[] = {
#embed "kernels/operators.cuh"
    , 0};
static const char optimizer_source[] = {
#embed "kernels/optimizer.cuh"
    , 0};
static const char warp_source[] = {
#embed "kernels/warp.cuh"
    , 0};
static const char attention_source[] = {
#embed "kernels/attention.cuh"
    , 0};
static const char attention_kernels_source[] = {
#embed "kernels/attention_kernels.cuh"
    , 0};

enum { HEADERS = 6 };
static const char *const headers[HEADERS] = {common_source, operators_source, optimizer_source,
                                             warp_source, attention_source, attention_kernels_source};
static const char *const header_names[HEADERS] = {"common.cuh", "operators.cuh", "optimizer.cuh",
                                                  "warp.cuh", "attention.cuh", "attention_kernels.cuh"};

typedef void *program;
static struct {
    const char *(*text)(int);
    int (*version)(int *, int *);
    int (*create)(program *, const char *, const char *, int, const char *const *, const char *const *);
    int (*destroy)(program *);
    int (*compile)(program, int, const char *const *);
    int (*log_size)(program, size_t *);
    int (*log)(program, char *);
    int (*image_size)(program, size_t *);
    int (*image)(program, char *);
} nvrtc;
static char reason[512];
static int major, minor;

// MARK: Opening

/// Whether a library that the process has loaded is libcudart; then `folder` becomes its folder.
static int find_runtime(struct dl_phdr_info *info, size_t size, void *folder) {
    (void)size;
    const char *slash = strrchr(info->dlpi_name, '/');
    if (slash == NULL || strncmp(slash + 1, "libcudart.so", 12) != 0) return 0;
    size_t length = (size_t)(slash - info->dlpi_name);
    if (length >= 3000) return 0;
    memcpy(folder, info->dlpi_name, length);
    ((char *)folder)[length] = '\0';
    return 1;
}

static void *open_library(void) {
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    const char *given = getenv("DAMA_NVRTC");
    if (given != NULL && *given != '\0') return dlopen(given, RTLD_NOW | RTLD_LOCAL);
    void *library = NULL;
    for (int i = 0; i < 3 && library == NULL; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    char folder[3072] = "";
    if (library != NULL || !dl_iterate_phdr(find_runtime, folder)) return library;
    // The wheels of CUDA 13 share a folder; those of CUDA 12 have one each.
    static const char *const patterns[] = {"%s/%s", "%s/../../cuda_nvrtc/lib/%s"};
    for (int i = 0; i < 6 && library == NULL; i++) {
        char path[4096];
        snprintf(path, sizeof path, patterns[i / 3], folder, names[i % 3]);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

static void open_once(void) {
    void *library = open_library();
    if (library == NULL) {
        const char *given = getenv("DAMA_NVRTC");
        if (given != NULL && *given != '\0') {
            snprintf(reason, sizeof reason, "cannot open $DAMA_NVRTC: %s", dlerror());
        } else {
            snprintf(reason, sizeof reason, "NVRTC (libnvrtc.so.13 or .12) is not on the loader's path; "
                                            "`pip install nvidia-cuda-nvrtc` brings it, and DAMA_NVRTC names its file");
        }
        return;
    }
    const struct {
        const char *name;
        void *function;
    } functions[] = {
        {"nvrtcGetErrorString", &nvrtc.text},      {"nvrtcVersion", &nvrtc.version},
        {"nvrtcCreateProgram", &nvrtc.create},     {"nvrtcDestroyProgram", &nvrtc.destroy},
        {"nvrtcCompileProgram", &nvrtc.compile},   {"nvrtcGetProgramLogSize", &nvrtc.log_size},
        {"nvrtcGetProgramLog", &nvrtc.log},        {"nvrtcGetCUBINSize", &nvrtc.image_size},
        {"nvrtcGetCUBIN", &nvrtc.image},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *symbol = dlsym(library, functions[i].name);
        if (symbol == NULL) {
            snprintf(reason, sizeof reason, "NVRTC lacks the function %s; version 11.2 or later is needed",
                     functions[i].name);
            return;
        }
        memcpy(functions[i].function, &symbol, sizeof symbol);
    }
    if (nvrtc.version(&major, &minor) != 0) snprintf(reason, sizeof reason, "NVRTC does not give its version");
}

const char *cdama_nvrtc_status(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    return reason[0] == '\0' ? NULL : cdama_cuda_fail("%s", reason);
}

// MARK: Compiling

static void add_text(cdama_sha256 *context, const char *text) {
    cdama_sha256_update(context, text, strlen(text) + 1);
}

const char *cdama_nvrtc_fingerprint(int architecture, int type, char hexadecimal[65]) {
    const char *error = cdama_nvrtc_status();
    if (error != NULL) return error;
    cdama_sha256 context;
    cdama_sha256_init(&context, 0);
    add_text(&context, kernels_source);
    for (int i = 0; i < HEADERS; i++) add_text(&context, headers[i]);
    char target[64];
    snprintf(target, sizeof target, "sm_%d TYPE=%d NVRTC %d.%d", architecture, type, major, minor);
    add_text(&context, target);
    uint8_t digest[32];
    cdama_sha256_final(&context, digest);
    for (int i = 0; i < 32; i++) snprintf(hexadecimal + 2 * i, 3, "%02x", digest[i]);
    return NULL;
}

const char *cdama_nvrtc_compile(int architecture, int type, int verbose, char **log, void **image, size_t *size) {
    *log = NULL;
    *image = NULL;
    *size = 0;
    const char *error = cdama_nvrtc_status();
    if (error != NULL) return error;
    program p = NULL;
    int code = nvrtc.create(&p, kernels_source, "kernels.cu", HEADERS, headers, header_names);
    if (code != 0) return cdama_cuda_fail("NVRTC cannot read the kernels: %s", nvrtc.text(code));

    char target[32], define[32];
    snprintf(target, sizeof target, "--gpu-architecture=sm_%d", architecture);
    snprintf(define, sizeof define, "--define-macro=TYPE=%d", type);
    const char *const options[] = {target, define, "--std=c++17", "--ptxas-options=-v"};
    code = nvrtc.compile(p, verbose ? 4 : 3, options);
    size_t length = 0;
    char *text = NULL;
    if (nvrtc.log_size(p, &length) == 0 && length > 0 && (text = malloc(length + 1)) != NULL) {
        text[length] = '\0';
        if (nvrtc.log(p, text) != 0) text[0] = '\0';
    }
    if (code != 0) {
        error = cdama_cuda_fail("NVRTC %d.%d cannot compile the kernels for sm_%d: %s %s", major, minor, architecture,
                                nvrtc.text(code), text == NULL ? "" : text);
    } else if (nvrtc.image_size(p, size) != 0 || *size == 0 || (*image = malloc(*size)) == NULL ||
               nvrtc.image(p, *image) != 0) {
        error = cdama_cuda_fail("NVRTC %d.%d gives no machine code for sm_%d", major, minor, architecture);
        free(*image);
        *image = NULL;
    }
    nvrtc.destroy(&p);
    if (error == NULL && text == NULL) text = calloc(1, 1);
    if (error != NULL) free(text);
    *log = error == NULL ? text : NULL;
    return error;
}
