#ifndef CDAMA_ERROR_H
#define CDAMA_ERROR_H

#include <stddef.h>

/// Stores `length` bytes of UTF-8 as the calling thread's error message. Line breaks become spaces; a message that is
/// too long is cut between characters.
void cdama_error_set(const char *text, size_t length);

/// The calling thread's error message, never NULL; empty if no call has failed yet.
const char *cdama_error_get(void);

#endif
