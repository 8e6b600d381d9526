#include "cdama_inflate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

/// Input that zlib, which counts in 32 bits, takes in parts.
struct cdama_inflater {
    z_stream stream;
    const Bytef *input;
    size_t count;
    int status;
};

/// `window` is zlib's windowBits: positive for zlib's format, negative for deflate's alone.
static int inflater_begin(cdama_inflater *inflater, const void *source, size_t count, int window) {
    memset(inflater, 0, sizeof *inflater);
    inflater->input = source;
    inflater->count = count;
    return inflateInit2(&inflater->stream, window) == Z_OK;
}

size_t cdama_inflater_read(cdama_inflater *inflater, void *target, size_t capacity, int *ended) {
    z_stream *stream = &inflater->stream;
    size_t done = 0;
    while (inflater->status == Z_OK && done < capacity) {
        if (stream->avail_in == 0) {
            uInt part = inflater->count > UINT_MAX ? UINT_MAX : (uInt)inflater->count;
            stream->next_in = (Bytef *)inflater->input;
            stream->avail_in = part;
            inflater->input += part;
            inflater->count -= part;
        }
        uInt room = capacity - done > UINT_MAX ? UINT_MAX : (uInt)(capacity - done);
        stream->next_out = (Bytef *)target + done;
        stream->avail_out = room;
        inflater->status = inflate(stream, Z_NO_FLUSH);
        done += room - stream->avail_out;
    }
    int status = inflater->status;
    *ended = status == Z_STREAM_END ? 1 : status < 0 && status != Z_BUF_ERROR ? -1 : 0;
    return done;
}

cdama_inflater *cdama_inflater_create_raw(const void *source, size_t count) {
    cdama_inflater *inflater = malloc(sizeof *inflater);
    if (inflater != NULL && !inflater_begin(inflater, source, count, -MAX_WBITS)) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void cdama_inflater_free(cdama_inflater *inflater) {
    if (inflater != NULL) {
        inflateEnd(&inflater->stream);
        free(inflater);
    }
}

static size_t inflate_all(
    const void *source, size_t count, void *target, size_t capacity, int window, int *ended) {
    cdama_inflater inflater;
    *ended = 0;
    if (!inflater_begin(&inflater, source, count, window)) {
        return 0;
    }
    size_t done = cdama_inflater_read(&inflater, target, capacity, ended);
    inflateEnd(&inflater.stream);
    return done;
}

size_t cdama_inflate(const void *source, size_t count, void *target, size_t capacity, int *ended) {
    return inflate_all(source, count, target, capacity, MAX_WBITS, ended);
}

size_t cdama_inflate_raw(const void *source, size_t count, void *target, size_t capacity, int *ended) {
    return inflate_all(source, count, target, capacity, -MAX_WBITS, ended);
}

uint32_t cdama_adler32(const void *bytes, size_t count) {
    const Bytef *input = bytes;
    uLong sum = adler32(0, NULL, 0);
    while (count > 0) {
        uInt part = count > UINT_MAX ? UINT_MAX : (uInt)count;
        sum = adler32(sum, input, part);
        input += part;
        count -= part;
    }
    return (uint32_t)sum;
}
