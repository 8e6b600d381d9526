#ifndef CDAMA_IMAGE_H
#define CDAMA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

// libjpeg and libpng report errors by longjmp, which may not cross a Swift frame. Everything here catches them inside.

/// What became of a call.
typedef enum cdama_image_status {
    CDAMA_IMAGE_OK = 0,
    /// The contents are wrong or cut short; `message` says how.
    CDAMA_IMAGE_CORRUPT = 1,
    /// Sound, but of a kind that is not read; `message` says which.
    CDAMA_IMAGE_UNSUPPORTED = 2,
    CDAMA_IMAGE_NO_MEMORY = 3,
} cdama_image_status;

/// A file being decoded. Opening reads the header alone, so that the caller can judge the size before anything of that
/// size is allocated.
typedef struct cdama_jpeg cdama_jpeg;
typedef struct cdama_png cdama_png;

enum { CDAMA_IMAGE_MESSAGE_SIZE = 256 };

/// Reads the header of the JPEG file in memory, which must stay valid until the close. On success `*out` is to be
/// closed; on failure `message` (at least CDAMA_IMAGE_MESSAGE_SIZE bytes) is filled and there is nothing to close.
cdama_image_status cdama_jpeg_open(
    cdama_jpeg **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message);

/// Decodes to `height` rows of `width` pixels of red, green, blue, a byte each. Once for each open.
cdama_image_status cdama_jpeg_read(cdama_jpeg *jpeg, uint8_t *rgb, char *message);

/// NULL is fine.
void cdama_jpeg_close(cdama_jpeg *jpeg);

/// Encodes rows of red, green, blue as a JPEG file. `quality` is libjpeg's, 1 to 100; `full_chroma` non-zero keeps
/// the colour at full resolution (4:4:4), 0 halves it (4:2:0). `*out` of `*out_count` bytes is to be freed with `free`.
cdama_image_status cdama_jpeg_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int full_chroma, unsigned char **out,
    size_t *out_count, char *message);

/// As cdama_jpeg_open, for PNG.
cdama_image_status cdama_png_open(
    cdama_png **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message);

/// As cdama_jpeg_read, for PNG. 16-bit colour keeps its high byte, and 16-bit grey without alpha is clipped at 255: both
/// as Pillow's convert("RGB") does. Alpha and transparent colours are dropped, or, where `on_white` is not 0, put on
/// white with the arithmetic of Pillow's alpha_composite.
cdama_image_status cdama_png_read(cdama_png *png, uint8_t *rgb, int on_white, char *message);

/// NULL is fine.
void cdama_png_close(cdama_png *png);

/// Decompresses zlib's format, at most `capacity` bytes. Gives how many there were; `*ended` is 1 where the stream ended
/// as it should, 0 where there was no room for more or the input ended first, −1 where it is damaged.
size_t cdama_inflate(const void *source, size_t count, void *target, size_t capacity, int *ended);

/// The checksum at the end of zlib's format.
uint32_t cdama_adler32(const void *bytes, size_t count);

/// Pillow's filters, by Pillow's numbers, which Hugging Face's configurations use.
typedef enum cdama_filter {
    CDAMA_FILTER_NEAREST = 0,
    CDAMA_FILTER_LANCZOS = 1,
    CDAMA_FILTER_BILINEAR = 2,
    CDAMA_FILTER_BICUBIC = 3,
    CDAMA_FILTER_BOX = 4,
    CDAMA_FILTER_HAMMING = 5,
} cdama_filter;

/// Scales an RGB image to `full_width` × `full_height` as Pillow's `Image.resize` does, in the same fixed-point
/// arithmetic, and computes the part of it that starts at (`left`, `top`): `width` × `height` pixels into `target`.
/// All sizes at least 1; the part lies inside. CDAMA_IMAGE_OK or CDAMA_IMAGE_NO_MEMORY.
cdama_image_status cdama_resize_rgb(
    const uint8_t *source, size_t source_width, size_t source_height, cdama_filter filter, size_t full_width,
    size_t full_height, size_t left, size_t top, size_t width, size_t height, uint8_t *target);

#endif
