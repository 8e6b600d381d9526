/* The time, and a thread that cancels. */
#ifndef WAIT_H
#define WAIT_H

#include <dama.h>
#include <pthread.h>
#include <time.h>

static inline double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline void *cancel_soon(void *cancellation) {
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    dama_cancellation_cancel((dama_cancellation *)cancellation);
    return NULL;
}

#endif
