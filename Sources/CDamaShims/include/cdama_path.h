#ifndef CDAMA_PATH_H
#define CDAMA_PATH_H

/* Opens `path` below the folder that `root` has open, for reading and without blocking. A path that leads out, by "..",
 * by a symbolic link or because it is absolute, fails with EXDEV. Returns a descriptor, or −1 with errno set. */
int cdama_open_beneath(int root, const char *path);

/* Like cdama_open_beneath, but follows the path and its links anywhere. */
int cdama_open_following(int root, const char *path);

/* Exchanges two paths atomically. Returns 0, or −1 with errno set: ENOSYS or EINVAL if the system or the file system
 * does not support it. */
int cdama_exchange(const char *a, const char *b);

#endif
