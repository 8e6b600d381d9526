#include "cdama_inflate_stream.h"

#include <stdlib.h>

#include <zlib.h>

struct cdama_inflate_stream {
    z_stream zlib;
};

cdama_inflate_stream *cdama_inflate_stream_create(void) {
    cdama_inflate_stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL && inflateInit2(&stream->zlib, -MAX_WBITS) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

void cdama_inflate_stream_free(cdama_inflate_stream *stream) {
    if (stream != NULL) {
        inflateEnd(&stream->zlib);
        free(stream);
    }
}

size_t cdama_inflate_stream_next(
    cdama_inflate_stream *stream, const void *source, size_t count, size_t *used, void *target, size_t capacity,
    int *ended) {
    stream->zlib.next_in = (Bytef *)source;
    stream->zlib.avail_in = (uInt)count;
    stream->zlib.next_out = target;
    stream->zlib.avail_out = (uInt)capacity;
    int status = inflate(&stream->zlib, Z_NO_FLUSH);
    *used = count - stream->zlib.avail_in;
    *ended = status == Z_STREAM_END ? 1 : status == Z_OK || status == Z_BUF_ERROR ? 0 : -1;
    return capacity - stream->zlib.avail_out;
}
