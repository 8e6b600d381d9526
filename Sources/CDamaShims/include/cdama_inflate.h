#ifndef CDAMA_INFLATE_H
#define CDAMA_INFLATE_H

#include <stddef.h>
#include <stdint.h>

/// Decompresses zlib's format, at most `capacity` bytes, and returns their number. `*ended` is 1 if the stream ended
/// properly, 0 if the capacity was reached or the input ended first, −1 if the stream is damaged.
size_t cdama_inflate(const void *source, size_t count, void *target, size_t capacity, int *ended);

/// Same for deflate's format without zlib's header and checksum, as zip archives have it.
size_t cdama_inflate_raw(const void *source, size_t count, void *target, size_t capacity, int *ended);

/// Deflate's format, decompressed piece by piece.
typedef struct cdama_inflater cdama_inflater;

/// `source` must outlive the inflater. NULL if memory is short.
cdama_inflater *cdama_inflater_create_raw(const void *source, size_t count);

/// Decompresses the next bytes, at most `capacity`, and returns their number; fewer than `capacity` only at the end.
/// `*ended` is that of `cdama_inflate`.
size_t cdama_inflater_read(cdama_inflater *inflater, void *target, size_t capacity, int *ended);

void cdama_inflater_free(cdama_inflater *inflater);

/// The checksum at the end of zlib's format.
uint32_t cdama_adler32(const void *bytes, size_t count);

#endif
