/* Shared by the C tests: checks that print and count failures. */
#ifndef DAMA_TEST_CHECK_H
#define DAMA_TEST_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_failures = 0;

#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, dama_error_message()); \
            check_failures++;                                                                         \
        }                                                                                             \
    } while (0)

/* The call fails with this status, and its message contains this text. */
#define CHECK_FAILS(call, status, text)                                \
    do {                                                               \
        CHECK((call) == (status));                                     \
        CHECK(strstr(dama_error_message(), (text)) != NULL);           \
    } while (0)

#endif
