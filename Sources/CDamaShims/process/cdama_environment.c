#define _GNU_SOURCE
#include "cdama_environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t count_of(char **table) {
    size_t count = 0;
    while (table != NULL && table[count] != NULL) {
        count += 1;
    }
    return count;
}

void cdama_environment_add(cdama_environment *state, const char *entry) {
    *state = (cdama_environment){entry, NULL, NULL, 0};
    const char *end = entry == NULL ? NULL : strchr(entry, '=');
    if (end == NULL) {
        return;
    }
    char **before = environ;
    const size_t count = count_of(before);
    for (size_t index = 0; index < count; index += 1) {
        if (strncmp(before[index], entry, (size_t)(end - entry) + 1) == 0) {
            return;
        }
    }
    char **memory = malloc((count + 3) * sizeof *memory);
    if (memory == NULL) {
        return;
    }
    /* Never freed, but reachable for leak checkers: each table is preceded by a pointer to the previous one. */
    static char **kept = NULL;
    memory[0] = (char *)kept;
    kept = memory;
    char **during = memory + 1;
    if (count > 0) {
        memcpy(during, before, count * sizeof *during);
    }
    during[count] = (char *)entry;
    during[count + 1] = NULL;
    state->before = before;
    state->during = during;
    state->count = count;
    __atomic_store_n(&environ, during, __ATOMIC_RELEASE);
}

void cdama_environment_restore(cdama_environment *state) {
    if (state->during == NULL) {
        return;
    }
    const size_t count = state->count;
    // The first table certainly still exists only while ours is in its place. An entry that was replaced or removed
    // makes ours differ from the first.
    if (__atomic_load_n(&environ, __ATOMIC_ACQUIRE) == state->during && count_of(state->during) == count + 1
        && (count == 0 || memcmp(state->during, state->before, count * sizeof *state->before) == 0)) {
        __atomic_store_n(&environ, state->before, __ATOMIC_RELEASE);
        return;
    }
    char name[64];
    const size_t length = strcspn(state->entry, "=");
    if (length > 0 && length < sizeof name) {
        memcpy(name, state->entry, length);
        name[length] = '\0';
        unsetenv(name);
    }
}
