#include "cdama_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

struct cdama_webp {
    WebPData file;
    WebPDemuxer *chunks;
    uint32_t width;
    uint32_t height;
};

cdama_image_status cdama_webp_open(
    cdama_webp **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message) {
    WebPData file = {bytes, count};
    // A file that is cut short, or has a bad structure, gives NULL; so does a failed allocation, which is small.
    WebPDemuxer *chunks = WebPDemux(&file);
    if (chunks == NULL) {
        snprintf(message, CDAMA_IMAGE_MESSAGE_SIZE, "a bad structure, or cut short");
        return CDAMA_IMAGE_CORRUPT;
    }
    cdama_webp *webp = calloc(1, sizeof *webp);
    if (webp == NULL) {
        WebPDemuxDelete(chunks);
        return CDAMA_IMAGE_NO_MEMORY;
    }
    webp->file = file;
    webp->chunks = chunks;
    *width = webp->width = WebPDemuxGetI(chunks, WEBP_FF_CANVAS_WIDTH);
    *height = webp->height = WebPDemuxGetI(chunks, WEBP_FF_CANVAS_HEIGHT);
    *out = webp;
    return CDAMA_IMAGE_OK;
}

const uint8_t *cdama_webp_chunk(cdama_webp *webp, const char *name, size_t *count) {
    WebPChunkIterator chunk;
    *count = 0;
    if (!WebPDemuxGetChunk(webp->chunks, name, 1, &chunk)) {
        return NULL;
    }
    // The bytes are those of the file, not of the iterator.
    const uint8_t *bytes = chunk.chunk.bytes;
    *count = chunk.chunk.size;
    WebPDemuxReleaseChunkIterator(&chunk);
    return bytes;
}

cdama_image_status cdama_webp_read(cdama_webp *webp, uint8_t *rgb, int on_white, char *message) {
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&webp->file, NULL);
    if (decoder == NULL) {
        // The structure is known to be good.
        return CDAMA_IMAGE_NO_MEMORY;
    }
    uint8_t *canvas;
    int time;
    if (!WebPAnimDecoderGetNext(decoder, &canvas, &time)) {
        WebPAnimDecoderDelete(decoder);
        snprintf(message, CDAMA_IMAGE_MESSAGE_SIZE, "the picture's data is damaged");
        return CDAMA_IMAGE_CORRUPT;
    }
    // Pillow takes the alpha of a file that does not say it has any as none.
    WebPBitstreamFeatures features;
    int is_opaque = WebPGetFeatures(webp->file.bytes, webp->file.size, &features) == VP8_STATUS_OK
        && !features.has_alpha;
    size_t pixels = (size_t)webp->width * webp->height;
    if (on_white && !is_opaque) {
        cdama_blend_on_white(rgb, canvas, pixels);
    } else {
        for (size_t i = 0; i < pixels; i++, rgb += 3, canvas += 4) {
            memcpy(rgb, canvas, 3);
        }
    }
    WebPAnimDecoderDelete(decoder);
    return CDAMA_IMAGE_OK;
}

void cdama_webp_close(cdama_webp *webp) {
    if (webp == NULL) {
        return;
    }
    WebPDemuxDelete(webp->chunks);
    free(webp);
}
