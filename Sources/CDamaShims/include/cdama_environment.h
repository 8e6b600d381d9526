#ifndef CDAMA_ENVIRONMENT_H
#define CDAMA_ENVIRONMENT_H

#include <stddef.h>

/* The process's environment with one temporary additional entry. */
typedef struct cdama_environment {
    const char *entry;
    char **before;
    char **during;
    size_t count;
} cdama_environment;

/* Adds "NAME=value" until cdama_environment_restore(). Does nothing if NAME already exists or memory ran out. `entry`
   must never be freed. Two additions must not overlap.

   With setenv, the C library may move the table while another thread reads it. Here the table that others may be
   reading stays unchanged: a second one, which is never freed, takes its place. */
void cdama_environment_add(cdama_environment *state, const char *entry);

/* Restores the first table. If another thread has changed the environment meanwhile, its change stays and only the
   entry is removed. */
void cdama_environment_restore(cdama_environment *state);

#endif
