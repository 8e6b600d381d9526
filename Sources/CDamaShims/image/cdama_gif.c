#include "cdama_image.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

enum { TABLE_SIZE = 4096 };

// The caller has found the picture's data. giflib gets it behind this start of a file, with one picture of 65,535 ×
// 65,535: so large that giflib does not read what follows the pixels, which may be missing. Pillow does not either.
static const uint8_t start[] = {
    'G', 'I', 'F', '8', '9', 'a', 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0,
    ',', 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0,
};

typedef struct input {
    const uint8_t *data;
    size_t count;
    size_t position;
} input;

// Bytes are those of `start`, then of the data.
static int on_read(GifFileType *gif, GifByteType *target, int length) {
    input *input = gif->UserData;
    int done = 0;
    for (; done < length && input->position < sizeof start; done++) {
        target[done] = start[input->position++];
    }
    size_t offset = input->position - sizeof start, rest = done < length ? (size_t)(length - done) : 0;
    if (rest > 0) {
        size_t part = input->count - offset < rest ? input->count - offset : rest;
        memcpy(target + done, input->data + offset, part);
        input->position += part;
        done += (int)part;
    }
    return done;
}

static cdama_image_status open_picture(input *input, GifFileType **gif) {
    int error = 0;
    GifRecordType record;
    input->position = 0;
    *gif = DGifOpen(input, on_read, &error);
    if (*gif == NULL) {
        return error == D_GIF_ERR_NOT_ENOUGH_MEM ? CDAMA_IMAGE_NO_MEMORY : CDAMA_IMAGE_CORRUPT;
    }
    if (DGifGetRecordType(*gif, &record) == GIF_ERROR || DGifGetImageDesc(*gif) == GIF_ERROR) {
        int no_memory = (*gif)->Error == D_GIF_ERR_NOT_ENOUGH_MEM;
        DGifCloseFile(*gif, &error);
        return no_memory ? CDAMA_IMAGE_NO_MEMORY : CDAMA_IMAGE_CORRUPT;
    }
    return CDAMA_IMAGE_OK;
}

// Whether the codes of the first `count` pixels are all in the table when they occur. For others giflib makes up
// pixels, and Pillow rejects the file.
static int has_sound_codes(GifFileType *gif, unsigned clear, size_t count) {
    uint16_t lengths[TABLE_SIZE];
    unsigned next = clear + 2;
    int last = -1;
    for (size_t done = 0; done < count;) {
        int code;
        if (DGifGetLZCodes(gif, &code) == GIF_ERROR || code < 0) {
            return 0;
        }
        if ((unsigned)code == clear) {
            next = clear + 2;
            last = -1;
            continue;
        }
        unsigned known = last < 0 ? clear - 1 : next < TABLE_SIZE ? next : TABLE_SIZE - 1;
        if ((unsigned)code > known) {
            return 0;
        }
        if (last >= 0 && next < TABLE_SIZE) {
            lengths[next++] = (uint16_t)(((unsigned)last < clear ? 1 : lengths[last]) + 1);
        }
        done += (unsigned)code < clear ? 1 : lengths[code];
        last = code;
    }
    return 1;
}

cdama_image_status cdama_gif_read(const void *data, size_t count, uint8_t *indices, size_t pixels) {
    input input = {data, count, 0};
    unsigned bits = count > 0 ? input.data[0] : 0;
    if (count == 0 || bits > 8) {
        return CDAMA_IMAGE_CORRUPT;
    }
    GifFileType *gif;
    int error;
    cdama_image_status status = open_picture(&input, &gif);
    if (status != CDAMA_IMAGE_OK) {
        return status;
    }
    int is_sound = has_sound_codes(gif, 1u << bits, pixels);
    DGifCloseFile(gif, &error);
    if (!is_sound) {
        return CDAMA_IMAGE_CORRUPT;
    }
    status = open_picture(&input, &gif);
    if (status != CDAMA_IMAGE_OK) {
        return status;
    }
    // A call takes an int of pixels.
    while (pixels > 0 && status == CDAMA_IMAGE_OK) {
        int part = pixels > 1 << 20 ? 1 << 20 : (int)pixels;
        if (DGifGetLine(gif, indices, part) == GIF_ERROR) {
            status = CDAMA_IMAGE_CORRUPT;
        }
        indices += part;
        pixels -= (size_t)part;
    }
    DGifCloseFile(gif, &error);
    return status;
}
