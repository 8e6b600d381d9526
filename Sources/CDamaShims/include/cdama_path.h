#ifndef CDAMA_PATH_H
#define CDAMA_PATH_H

/* Opens `path` below the folder that `root` is open on, for reading and without waiting. A path that leads out, by "..",
 * by a symbolic link or because it is absolute, fails with EXDEV. Gives a descriptor, or −1 with errno set. */
int cdama_open_beneath(int root, const char *path);

/* As cdama_open_beneath, but goes wherever the path and its links lead. */
int cdama_open_following(int root, const char *path);

/* Exchanges what two paths name, as one step. 0, or −1 with errno set: ENOSYS or EINVAL where the system or the file
 * system cannot. */
int cdama_exchange(const char *a, const char *b);

#endif
