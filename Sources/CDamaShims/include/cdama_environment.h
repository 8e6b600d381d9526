#ifndef CDAMA_ENVIRONMENT_H
#define CDAMA_ENVIRONMENT_H

#include <stddef.h>

/* The process's environment with one entry more, for a while. */
typedef struct cdama_environment {
    const char *entry;
    char **before;
    char **during;
    size_t count;
} cdama_environment;

/* Adds "NAME=value" until cdama_environment_restore(), unless there is a NAME already: then, and where there is no memory,
   nothing happens. `entry` must live for ever. Two additions must not overlap.

   setenv would do it with less, but the C library may move the table under the hands of another thread that reads it. Here
   the table that others may be reading stays as it is: a second one takes its place, and is never freed. */
void cdama_environment_add(cdama_environment *state, const char *entry);

/* Puts the first table back. Where another thread has changed the environment meanwhile, its change stays and the entry
   alone is taken out. */
void cdama_environment_restore(cdama_environment *state);

#endif
