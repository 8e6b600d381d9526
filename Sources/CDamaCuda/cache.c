// Machine code of the kernels in the user's cache. A file is the SHA-256 of the code, then the code.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cdama_sha256.h"
#include "include/cdama_cuda_kernels.h"
#include "support.h"

enum { DIGEST = 32, LARGEST = 1 << 26 };

static void digest(const void *bytes, size_t size, uint8_t result[DIGEST]) {
    cdama_sha256 context;
    cdama_sha256_init(&context, 0);
    cdama_sha256_update(&context, bytes, size);
    cdama_sha256_final(&context, result);
}

/// The folder of the cache, which is created if `create` is set. False if there is none.
static int cache_folder(char *path, size_t size, int create) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    // The specification ignores a path that is not absolute.
    if (cache != NULL && cache[0] == '/') length = snprintf(path, size, "%s", cache);
    else if (home != NULL && home[0] == '/') length = snprintf(path, size, "%s/.cache", home);
    else return 0;
    if (length < 0 || (size_t)length + 16 >= size) return 0;
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) return 0;
    strcat(path, "/libdama");
    return !create || mkdir(path, 0700) == 0 || errno == EEXIST;
}

static int read_all(int file, uint8_t *to, size_t size) {
    while (size > 0) {
        ssize_t count = read(file, to, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return 0;
        to += count;
        size -= (size_t)count;
    }
    return 1;
}

static int write_all(int file, const uint8_t *from, size_t size) {
    while (size > 0) {
        ssize_t count = write(file, from, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return 0;
        from += count;
        size -= (size_t)count;
    }
    return 1;
}

/// The code in a file; NULL if it is missing or damaged.
static void *read_image(const char *path, size_t *size) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0) return NULL;
    struct stat status;
    uint8_t expected[DIGEST], found[DIGEST];
    void *image = NULL;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > DIGEST && status.st_size < LARGEST &&
        read_all(file, expected, DIGEST)) {
        *size = (size_t)status.st_size - DIGEST;
        image = malloc(*size);
        int whole = image != NULL && read_all(file, image, *size);
        if (whole) digest(image, *size, found);
        if (!whole || memcmp(expected, found, DIGEST) != 0) {
            free(image);
            image = NULL;
        }
    }
    close(file);
    return image;
}

/// Replaces the file in one step, so that no other process reads a part of it.
static void write_image(const char *path, const void *image, size_t size) {
    char temporary[4200];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int file = mkostemp(temporary, O_CLOEXEC);
    if (file < 0) return;
    uint8_t sum[DIGEST];
    digest(image, size, sum);
    int whole = write_all(file, sum, DIGEST) && write_all(file, image, size) && fsync(file) == 0;
    if (close(file) != 0 || !whole || rename(temporary, path) != 0) unlink(temporary);
}

const char *cdama_cuda_image(int architecture, int type, void **image, size_t *size, int *compiled) {
    char key[65], folder[4000], path[4100];
    *image = NULL;
    *size = 0;
    if (compiled != NULL) *compiled = 0;
    const char *error = cdama_nvrtc_fingerprint(architecture, type, key);
    if (error != NULL) return error;
    if (cache_folder(folder, sizeof folder, 0)) {
        snprintf(path, sizeof path, "%s/%s.cubin", folder, key);
        *image = read_image(path, size);
        if (*image != NULL) return NULL;
    }
    char *log;
    error = cdama_nvrtc_compile(architecture, type, 0, &log, image, size);
    if (error != NULL) return error;
    free(log);
    if (compiled != NULL) *compiled = 1;
    if (cache_folder(folder, sizeof folder, 1)) {
        snprintf(path, sizeof path, "%s/%s.cubin", folder, key);
        write_image(path, *image, *size);
    }
    return NULL;
}
