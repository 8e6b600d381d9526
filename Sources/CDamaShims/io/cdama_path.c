#define _GNU_SOURCE
#include "cdama_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/openat2.h, which older systems lack. */
struct open_how_beneath {
    uint64_t flags, mode, resolve;
};
#define RESOLVE_BENEATH_FLAG 0x08u
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* From linux/fs.h; older versions of glibc lack the function that takes it. */
#define EXCHANGE_FLAG 2u

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* For kernels before 5.6 and sandboxes without the call: opens the file first and then checks its location. */
static int open_and_check(int root, const char *path) {
    char link[64], root_path[PATH_MAX], file_path[PATH_MAX];
    if (path[0] == '/') {
        errno = EXDEV;
        return -1;
    }
    int file = openat(root, path, OPEN_FLAGS);
    if (file < 0) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", root);
    ssize_t root_length = readlink(link, root_path, sizeof root_path);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t file_length = readlink(link, file_path, sizeof file_path);
    if (root_length == 1 && root_path[0] == '/') root_length = 0;
    if (root_length < 0 || file_length <= root_length || root_length == (ssize_t)sizeof root_path ||
        memcmp(root_path, file_path, (size_t)root_length) != 0 || file_path[root_length] != '/') {
        close(file);
        errno = EXDEV;
        return -1;
    }
    return file;
}

int cdama_open_beneath(int root, const char *path) {
    struct open_how_beneath how = {.flags = OPEN_FLAGS, .mode = 0, .resolve = RESOLVE_BENEATH_FLAG};
    int attempts = 0;
    for (;;) {
        long file = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (file >= 0) return (int)file;
        /* EAGAIN: a rename, harmless or not, happened while ".." was followed. */
        if (errno == EINTR || (errno == EAGAIN && attempts++ < 16)) continue;
        if (errno == ENOSYS || errno == EPERM) return open_and_check(root, path);
        return -1;
    }
}

int cdama_open_following(int root, const char *path) {
    int file;
    do {
        file = openat(root, path, OPEN_FLAGS);
    } while (file < 0 && errno == EINTR);
    return file;
}

int cdama_exchange(const char *a, const char *b) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE_FLAG);
}
