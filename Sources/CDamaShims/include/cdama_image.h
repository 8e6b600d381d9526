#ifndef CDAMA_IMAGE_H
#define CDAMA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

// libjpeg and libpng report errors by longjmp, which must not cross a Swift frame. All functions here catch them.
// libwebp and giflib return them.

/// The result of a call.
typedef enum cdama_image_status {
    CDAMA_IMAGE_OK = 0,
    /// The contents are wrong or cut short; `message` gives the reason.
    CDAMA_IMAGE_CORRUPT = 1,
    /// Valid, but of a kind that is not supported; `message` names it.
    CDAMA_IMAGE_UNSUPPORTED = 2,
    CDAMA_IMAGE_NO_MEMORY = 3,
} cdama_image_status;

/// A file being decoded. Opening reads only the header, so that the caller can check the size before anything of that
/// size is allocated.
typedef struct cdama_jpeg cdama_jpeg;
typedef struct cdama_png cdama_png;
typedef struct cdama_webp cdama_webp;

enum { CDAMA_IMAGE_MESSAGE_SIZE = 256 };

/// Reads the header of the JPEG file in memory, which must stay valid until the close. On success `*out` must be
/// closed; on failure `message` (at least CDAMA_IMAGE_MESSAGE_SIZE bytes) is set and `*out` must not be closed.
cdama_image_status cdama_jpeg_open(
    cdama_jpeg **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message);

/// Decodes to `height` rows of `width` pixels of red, green, blue, one byte each. Must be called once after an open.
cdama_image_status cdama_jpeg_read(cdama_jpeg *jpeg, uint8_t *rgb, char *message);

/// NULL is allowed.
void cdama_jpeg_close(cdama_jpeg *jpeg);

/// Encodes rows of red, green, blue as a JPEG file. `quality` is libjpeg's, 1 to 100. A non-zero `full_chroma` keeps
/// the colour at full resolution (4:4:4), 0 halves it (4:2:0). The caller frees `*out`, of `*out_count` bytes.
cdama_image_status cdama_jpeg_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int full_chroma, unsigned char **out,
    size_t *out_count, char *message);

/// Like cdama_jpeg_open, for PNG.
cdama_image_status cdama_png_open(
    cdama_png **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message);

/// Like cdama_jpeg_read, for PNG. 16-bit colour keeps its high byte, and 16-bit grey without alpha is clipped at 255,
/// both as in Pillow's convert("RGB"). Alpha and transparent colours are dropped, or, if `on_white` is not 0, composed
/// over white with the arithmetic of Pillow's alpha_composite.
cdama_image_status cdama_png_read(cdama_png *png, uint8_t *rgb, int on_white, char *message);

/// NULL is allowed.
void cdama_png_close(cdama_png *png);

/// Like cdama_jpeg_open, for WebP: the size is the canvas's.
cdama_image_status cdama_webp_open(
    cdama_webp **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message);

/// The contents of the first chunk of that name (EXIF, "XMP "), inside the file's bytes; NULL if there is none.
const uint8_t *cdama_webp_chunk(cdama_webp *webp, const char *name, size_t *count);

/// Like cdama_png_read, for WebP. Of an animation, the canvas with the first frame. libwebp works on two canvases of 4
/// bytes a pixel.
cdama_image_status cdama_webp_read(cdama_webp *webp, uint8_t *rgb, int on_white, char *message);

/// NULL is allowed.
void cdama_webp_close(cdama_webp *webp);

/// Decodes the data of a picture in a GIF file: the byte with the size of codes, then blocks. Writes the palette
/// indices of `pixels` pixels, in the order of the data; what follows them is not read. CDAMA_IMAGE_CORRUPT for data
/// that ends before, and for codes that Pillow rejects.
cdama_image_status cdama_gif_read(const void *data, size_t count, uint8_t *indices, size_t pixels);

/// Red, green and blue of `count` pixels over opaque white, with the arithmetic of Pillow's alpha_composite.
void cdama_blend_on_white(uint8_t *rgb, const uint8_t *rgba, size_t count);

/// Pillow's filters with Pillow's numbers, which Hugging Face's configurations use.
typedef enum cdama_filter {
    CDAMA_FILTER_NEAREST = 0,
    CDAMA_FILTER_LANCZOS = 1,
    CDAMA_FILTER_BILINEAR = 2,
    CDAMA_FILTER_BICUBIC = 3,
    CDAMA_FILTER_BOX = 4,
    CDAMA_FILTER_HAMMING = 5,
} cdama_filter;

/// Scales an RGB image to `full_width` × `full_height` as Pillow's `Image.resize` does, in the same fixed-point
/// arithmetic, and computes only the part that starts at (`left`, `top`): `width` × `height` pixels into `target`.
/// All sizes must be at least 1, and the part inside the image. Returns CDAMA_IMAGE_OK or CDAMA_IMAGE_NO_MEMORY.
cdama_image_status cdama_resize_rgb(
    const uint8_t *source, size_t source_width, size_t source_height, cdama_filter filter, size_t full_width,
    size_t full_height, size_t left, size_t top, size_t width, size_t height, uint8_t *target);

#endif
