#define _GNU_SOURCE
#include "cdama_threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

// The threads block a host's signals, except those of faults, which the faulting thread receives, and a profiler's.
static int start_thread(pthread_t *thread, void *(*body)(void *), void *context) {
    static const int own[] = {SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS, SIGPROF};
    sigset_t signals, before;
    sigfillset(&signals);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        sigdelset(&signals, own[i]);
    }
    pthread_sigmask(SIG_SETMASK, &signals, &before);
    int code = pthread_create(thread, NULL, body, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

// ---------------------------------------------------------------------------------------------------------------------
// The pool

// A call of cdama_parallel(). It is on its caller's stack, and in the list while it wants helpers.
struct job {
    void (*body)(void *, size_t);
    void *context;
    size_t count;
    atomic_size_t next;
    // Guarded by the lock: the helpers that may still join, and those at work.
    size_t wanted;
    size_t helpers;
    struct job *later;
};

enum { MOST_THREADS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct job *jobs = NULL;
static size_t pool_threads = 0;
static size_t idle_threads = 0;

static void take_part(struct job *job) {
    size_t index;
    while ((index = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->count) {
        job->body(job->context, index);
    }
}

static void remove_job(struct job *job) {
    for (struct job **link = &jobs; *link != NULL; link = &(*link)->later) {
        if (*link == job) {
            *link = job->later;
            return;
        }
    }
}

static void *help(void *nothing) {
    (void)nothing;
    pthread_mutex_lock(&lock);
    while (1) {
        struct job *job = jobs;
        if (job == NULL) {
            idle_threads++;
            pthread_cond_wait(&work, &lock);
            idle_threads--;
            continue;
        }
        job->helpers++;
        if (--job->wanted == 0) {
            remove_job(job);
        }
        pthread_mutex_unlock(&lock);
        take_part(job);
        pthread_mutex_lock(&lock);
        if (--job->helpers == 0) {
            pthread_cond_broadcast(&done);
        }
    }
    return NULL;
}

void cdama_parallel(size_t count, size_t threads, void (*body)(void *context, size_t index), void *context) {
    struct job job = {.body = body, .context = context, .count = count, .wanted = threads < count ? threads : count};
    atomic_init(&job.next, 0);
    if (job.wanted <= 1) {
        take_part(&job);
        return;
    }
    job.wanted--;
    pthread_mutex_lock(&lock);
    size_t missing = job.wanted > idle_threads ? job.wanted - idle_threads : 0;
    for (; missing > 0 && pool_threads < MOST_THREADS; missing--) {
        pthread_t thread;
        if (start_thread(&thread, help, NULL) != 0) {
            break;
        }
        pthread_detach(thread);
        pool_threads++;
    }
    job.later = jobs;
    jobs = &job;
    if (job.wanted >= idle_threads) {
        pthread_cond_broadcast(&work);
    } else {
        for (size_t i = 0; i < job.wanted; i++) {
            pthread_cond_signal(&work);
        }
    }
    pthread_mutex_unlock(&lock);
    take_part(&job);
    pthread_mutex_lock(&lock);
    remove_job(&job);
    while (job.helpers > 0) {
        pthread_cond_wait(&done, &lock);
    }
    pthread_mutex_unlock(&lock);
}

// ---------------------------------------------------------------------------------------------------------------------
// Separate threads

struct cdama_thread {
    pthread_t thread;
    void (*body)(void *);
    void *context;
};

static void *run_thread(void *pointer) {
    cdama_thread *thread = pointer;
    thread->body(thread->context);
    return NULL;
}

cdama_thread *cdama_thread_start(void (*body)(void *context), void *context) {
    cdama_thread *thread = malloc(sizeof *thread);
    if (thread == NULL) {
        return NULL;
    }
    thread->body = body;
    thread->context = context;
    int code = start_thread(&thread->thread, run_thread, thread);
    if (code != 0) {
        free(thread);
        errno = code;
        return NULL;
    }
    return thread;
}

void cdama_thread_join(cdama_thread *thread) {
    pthread_join(thread->thread, NULL);
    free(thread);
}

// ---------------------------------------------------------------------------------------------------------------------
// Semaphores

struct cdama_semaphore {
    pthread_mutex_t lock;
    pthread_cond_t risen;
    size_t value;
};

cdama_semaphore *cdama_semaphore_create(size_t value) {
    cdama_semaphore *semaphore = malloc(sizeof *semaphore);
    if (semaphore == NULL) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&semaphore->lock, NULL);
    pthread_cond_init(&semaphore->risen, &attributes);
    pthread_condattr_destroy(&attributes);
    semaphore->value = value;
    return semaphore;
}

void cdama_semaphore_free(cdama_semaphore *semaphore) {
    if (semaphore != NULL) {
        pthread_cond_destroy(&semaphore->risen);
        pthread_mutex_destroy(&semaphore->lock);
        free(semaphore);
    }
}

void cdama_semaphore_signal(cdama_semaphore *semaphore) {
    pthread_mutex_lock(&semaphore->lock);
    semaphore->value++;
    pthread_cond_signal(&semaphore->risen);
    pthread_mutex_unlock(&semaphore->lock);
}

int cdama_semaphore_wait(cdama_semaphore *semaphore, long milliseconds) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (milliseconds > 0) {
        end.tv_sec += milliseconds / 1000;
        end.tv_nsec += milliseconds % 1000 * 1000000;
        if (end.tv_nsec >= 1000000000) {
            end.tv_sec++;
            end.tv_nsec -= 1000000000;
        }
    }
    pthread_mutex_lock(&semaphore->lock);
    int code = 0;
    while (semaphore->value == 0 && code != ETIMEDOUT) {
        code = milliseconds < 0 ? pthread_cond_wait(&semaphore->risen, &semaphore->lock)
                                : pthread_cond_timedwait(&semaphore->risen, &semaphore->lock, &end);
    }
    int risen = semaphore->value > 0;
    semaphore->value -= (size_t)risen;
    pthread_mutex_unlock(&semaphore->lock);
    return risen;
}
