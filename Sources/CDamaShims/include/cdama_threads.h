#ifndef CDAMA_THREADS_H
#define CDAMA_THREADS_H

#include <stddef.h>

// Threads on pthreads alone. Dispatch opens file descriptors when it starts, and ends the process where there are none.

/// Calls `body(context, index)` once for every index below `count`, on the calling thread and on up to `threads` − 1
/// threads of a pool that grows as needed. Where no thread can be had, the calling thread does it all. May be called
/// from several threads at once and from inside a body.
void cdama_parallel(size_t count, size_t threads, void (*body)(void *context, size_t index), void *context);

typedef struct cdama_thread cdama_thread;

/// Runs `body(context)` on a new thread, which hears no signals of others. NULL where no thread can be had; errno says why.
cdama_thread *cdama_thread_start(void (*body)(void *context), void *context);

/// Waits until the thread has ended, and frees it.
void cdama_thread_join(cdama_thread *thread);

typedef struct cdama_semaphore cdama_semaphore;

/// NULL where there is no memory.
cdama_semaphore *cdama_semaphore_create(size_t value);
void cdama_semaphore_free(cdama_semaphore *semaphore);
void cdama_semaphore_signal(cdama_semaphore *semaphore);
/// Waits for a signal, at most `milliseconds`, or for ever where that is negative. 0 where the time ran out.
int cdama_semaphore_wait(cdama_semaphore *semaphore, long milliseconds);

#endif
