#define _GNU_SOURCE
#include "cdama_processors.h"

#include <sched.h>

int cdama_allowed_processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}
