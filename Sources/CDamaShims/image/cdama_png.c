#include "cdama_image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct cdama_png {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t count;
    // Rows converted to red, green and blue once they are complete: 16-bit grey, and those with alpha.
    uint8_t *waiting;
    jmp_buf escape;
    cdama_image_status status;
    char text[CDAMA_IMAGE_MESSAGE_SIZE];
};

static void on_error(png_structp png, png_const_charp text) {
    cdama_png *file = png_get_error_ptr(png);
    snprintf(file->text, sizeof file->text, "%s", text);
    longjmp(file->escape, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
    cdama_png *file = png_get_mem_ptr(png);
    void *memory = malloc(size);
    if (memory == NULL && size > 0) {
        file->status = CDAMA_IMAGE_NO_MEMORY;
    }
    return memory;
}

static void release(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

static void on_read(png_structp png, png_bytep target, size_t count) {
    cdama_png *file = png_get_io_ptr(png);
    if (count > file->count) {
        png_error(png, "the file is cut short");
    }
    memcpy(target, file->bytes, count);
    file->bytes += count;
    file->count -= count;
}

static cdama_image_status report(const cdama_png *file, char *message) {
    snprintf(message, CDAMA_IMAGE_MESSAGE_SIZE, "%s", file->text);
    return file->status;
}

cdama_image_status cdama_png_open(
    cdama_png **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message) {
    cdama_png *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return CDAMA_IMAGE_NO_MEMORY;
    }
    file->bytes = bytes;
    file->count = count;
    file->status = CDAMA_IMAGE_CORRUPT;
    if (setjmp(file->escape)) {
        cdama_image_status status = report(file, message);
        cdama_png_close(file);
        return status;
    }
    file->png = png_create_read_struct_2(
        PNG_LIBPNG_VER_STRING, file, on_error, on_warning, file, allocate, release);
    if (file->png != NULL) {
        file->info = png_create_info_struct(file->png);
    }
    if (file->info == NULL) {
        cdama_png_close(file);
        return CDAMA_IMAGE_NO_MEMORY;
    }
    png_set_read_fn(file->png, file, on_read);
    // Texts, profiles and the like do not affect the pixels: they are skipped, and with them possible attacks. The
    // caller bounds the size.
    png_set_keep_unknown_chunks(file->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(file->png, 0x7fffffff, 0x7fffffff);
    png_read_info(file->png, file->info);
    *width = png_get_image_width(file->png, file->info);
    *height = png_get_image_height(file->png, file->info);
    *out = file;
    return CDAMA_IMAGE_OK;
}

// 16-bit grey, big-endian.
static void clip_grey(uint8_t *rgb, const uint8_t *grey, size_t width) {
    for (size_t x = 0; x < width; x++, rgb += 3, grey += 2) {
        memset(rgb, grey[0] ? 255 : grey[1], 3);
    }
}

// Pixels of the one transparent colour become white. Pillow compares 8-bit pixels with the low byte of the colour,
// whatever the file's depth.
static void whiten(uint8_t *rgb, const uint8_t key[3], size_t count) {
    for (size_t i = 0; i < count; i++, rgb += 3) {
        if (memcmp(rgb, key, 3) == 0) {
            memset(rgb, 255, 3);
        }
    }
}

typedef void (*finish_row)(uint8_t *rgb, const uint8_t *row, size_t width);

static void read_rows(cdama_png *file, uint8_t *rgb, size_t row_bytes, finish_row finish) {
    png_structp png = file->png;
    size_t width = png_get_image_width(png, file->info), height = png_get_image_height(png, file->info);
    int passes = png_get_interlace_type(png, file->info) == PNG_INTERLACE_NONE ? 1 : 7;
    uint8_t *rows = rgb;
    size_t stride = row_bytes;
    if (finish != NULL) {
        // A row of an interlaced picture is complete only in the last pass.
        file->waiting = malloc(passes == 1 ? row_bytes : row_bytes * height);
        if (file->waiting == NULL) {
            file->status = CDAMA_IMAGE_NO_MEMORY;
            png_error(png, "out of memory");
        }
        rows = file->waiting;
        stride = passes == 1 ? 0 : row_bytes;
    }
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < height; y++) {
            png_read_row(png, rows + y * stride, NULL);
            if (finish != NULL && pass == passes - 1) {
                finish(rgb + y * width * 3, rows + y * stride, width);
            }
        }
    }
}

// The transparent colour of a picture without alpha, in the form of Pillow's pixels.
static int transparent_color(cdama_png *file, int color, int depth, uint8_t key[3]) {
    png_color_16p values = NULL;
    if ((color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_RGB)
        || !png_get_tRNS(file->png, file->info, NULL, NULL, &values) || values == NULL) {
        return 0;
    }
    if (color == PNG_COLOR_TYPE_RGB) {
        key[0] = values->red & 255;
        key[1] = values->green & 255;
        key[2] = values->blue & 255;
    } else {
        memset(key, depth == 1 ? (values->gray ? 255 : 0) : values->gray & 255, 3);
    }
    return 1;
}

static void read_image(cdama_png *file, uint8_t *rgb, int on_white) {
    png_structp png = file->png;
    png_infop info = file->info;
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    int depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
    int is_grey16 = color == PNG_COLOR_TYPE_GRAY && depth == 16;
    int has_alpha = on_white
        && (color & PNG_COLOR_MASK_ALPHA
            || (color == PNG_COLOR_TYPE_PALETTE && png_get_valid(png, info, PNG_INFO_tRNS)));
    uint8_t key[3];
    int has_key = on_white && transparent_color(file, color, depth, key);
    if (color == PNG_COLOR_TYPE_PALETTE) {
        // A pixel beyond the palette's end is black, as in Pillow.
        png_set_check_for_invalid_index(png, 0);
        png_set_palette_to_rgb(png);
    } else if (!is_grey16) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_strip_16(png);
        png_set_gray_to_rgb(png);
    }
    if (!has_alpha) {
        png_set_strip_alpha(png);
    }
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row_bytes = width * (is_grey16 ? 2 : has_alpha ? 4 : 3);
    if (png_get_rowbytes(png, info) != row_bytes) {
        png_error(png, "rows of an unexpected length");
    }
    read_rows(file, rgb, row_bytes, is_grey16 ? clip_grey : has_alpha ? cdama_blend_on_white : NULL);
    if (has_key) {
        whiten(rgb, key, width * height);
    }
    png_read_end(png, NULL);
}

cdama_image_status cdama_png_read(cdama_png *file, uint8_t *rgb, int on_white, char *message) {
    if (setjmp(file->escape)) {
        return report(file, message);
    }
    read_image(file, rgb, on_white);
    return CDAMA_IMAGE_OK;
}

void cdama_png_close(cdama_png *file) {
    if (file == NULL) {
        return;
    }
    png_destroy_read_struct(&file->png, &file->info, NULL);
    free(file->waiting);
    free(file);
}
