#ifndef CDAMA_INFLATE_STREAM_H
#define CDAMA_INFLATE_STREAM_H

#include <stddef.h>

/// Decompresses deflate's format (without zlib's header and checksum) piece by piece.
typedef struct cdama_inflate_stream cdama_inflate_stream;

/// NULL if there is no memory.
cdama_inflate_stream *cdama_inflate_stream_create(void);

/// NULL is fine.
void cdama_inflate_stream_free(cdama_inflate_stream *stream);

/// Decompresses from `source` until it is used up, `target` is full or the data ends, and returns the number of bytes
/// written. `*used` is the number of bytes read; `*ended` is 1 if the data ended properly, −1 if it is damaged, else 0.
/// `count` and `capacity` are below 2³².
size_t cdama_inflate_stream_next(
    cdama_inflate_stream *stream, const void *source, size_t count, size_t *used, void *target, size_t capacity,
    int *ended);

#endif
