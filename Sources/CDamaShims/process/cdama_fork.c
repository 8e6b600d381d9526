#define _DEFAULT_SOURCE
#include "cdama_fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int is_used = 0;
static atomic_int is_child = 0;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// Runs in the child, where only async-signal-safe calls are allowed.
static void note_child(void) { atomic_store_explicit(&is_child, 1, memory_order_relaxed); }

static void watch(void) {
    pthread_atfork(NULL, NULL, note_child);
    atomic_store_explicit(&is_used, 1, memory_order_release);
}

void cdama_fork_note_use(void) {
    if (!atomic_load_explicit(&is_used, memory_order_acquire)) {
        pthread_once(&once, watch);
    }
}

int cdama_fork_is_child(void) { return atomic_load_explicit(&is_child, memory_order_relaxed); }

static void end_child(int status, void *nothing) {
    (void)nothing;
    if (cdama_fork_is_child()) {
        fflush(NULL);
        _exit(status);
    }
}

void cdama_fork_end_child_at_exit(void) {
    cdama_fork_note_use();
    on_exit(end_child, NULL);
}
