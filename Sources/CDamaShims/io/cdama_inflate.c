#include "cdama_inflate.h"

#include <limits.h>
#include <string.h>

#include <zlib.h>

/// `window` is zlib's windowBits: positive for zlib's format, negative for deflate's alone.
static size_t inflate_all(
    const void *source, size_t count, void *target, size_t capacity, int window, int *ended) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    *ended = 0;
    if (inflateInit2(&stream, window) != Z_OK) {
        return 0;
    }
    const Bytef *input = source;
    size_t done = 0;
    int status = Z_OK;
    while (status == Z_OK && done < capacity) {
        if (stream.avail_in == 0) {
            uInt part = count > UINT_MAX ? UINT_MAX : (uInt)count;
            stream.next_in = (Bytef *)input;
            stream.avail_in = part;
            input += part;
            count -= part;
        }
        uInt room = capacity - done > UINT_MAX ? UINT_MAX : (uInt)(capacity - done);
        stream.next_out = (Bytef *)target + done;
        stream.avail_out = room;
        status = inflate(&stream, Z_NO_FLUSH);
        done += room - stream.avail_out;
    }
    *ended = status == Z_STREAM_END ? 1 : status < 0 && status != Z_BUF_ERROR ? -1 : 0;
    inflateEnd(&stream);
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
