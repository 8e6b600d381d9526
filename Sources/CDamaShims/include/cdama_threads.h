#ifndef CDAMA_THREADS_H
#define CDAMA_THREADS_H

#include <stddef.h>

// Threads on pthreads alone. Dispatch opens file descriptors when it starts, and ends the process if none is left.

/// Calls `body(context, index)` once for every index below `count`, on the calling thread and on up to `threads` − 1
/// threads of a pool that grows as needed. If no thread can be started, the calling thread does all the work. May be
/// called from several threads at once and from inside a body.
void cdama_parallel(size_t count, size_t threads, void (*body)(void *context, size_t index), void *context);

typedef struct cdama_thread cdama_thread;

/// Runs `body(context)` on a new thread, which blocks the host's signals. NULL, with errno set, on failure.
cdama_thread *cdama_thread_start(void (*body)(void *context), void *context);

/// Waits until the thread has ended, and frees it.
void cdama_thread_join(cdama_thread *thread);

typedef struct cdama_semaphore cdama_semaphore;

/// NULL if memory ran out.
cdama_semaphore *cdama_semaphore_create(size_t value);
void cdama_semaphore_free(cdama_semaphore *semaphore);
void cdama_semaphore_signal(cdama_semaphore *semaphore);
/// Waits for a signal, at most `milliseconds`, or forever if that is negative. 0 if the time ran out.
int cdama_semaphore_wait(cdama_semaphore *semaphore, long milliseconds);

#endif
