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
    // Where a 16-bit grey image waits to be clipped: its rows, of 2 bytes a pixel, big-endian.
    uint8_t *grey;
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
    // Texts, profiles and the like make no difference to the pixels: skip them, and with them what they could do. The
    // caller bounds the size.
    png_set_keep_unknown_chunks(file->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(file->png, 0x7fffffff, 0x7fffffff);
    png_read_info(file->png, file->info);
    *width = png_get_image_width(file->png, file->info);
    *height = png_get_image_height(file->png, file->info);
    *out = file;
    return CDAMA_IMAGE_OK;
}

static void read_rows(cdama_png *file, uint8_t *target, size_t row_bytes, size_t height, int passes) {
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < height; y++) {
            png_read_row(file->png, target + y * row_bytes, NULL);
        }
    }
}

static void read_image(cdama_png *file, uint8_t *rgb) {
    png_structp png = file->png;
    png_infop info = file->info;
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    int depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
    int is_grey16 = color == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (color == PNG_COLOR_TYPE_PALETTE) {
        // A pixel that names a colour beyond the palette's end is black, as with Pillow.
        png_set_check_for_invalid_index(png, 0);
        png_set_palette_to_rgb(png);
    } else if (!is_grey16) {
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_strip_16(png);
        png_set_gray_to_rgb(png);
    }
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row_bytes = width * (is_grey16 ? 2 : 3);
    if (png_get_rowbytes(png, info) != row_bytes) {
        png_error(png, "rows of an unexpected length");
    }
    if (is_grey16) {
        file->grey = malloc(row_bytes * height);
        if (file->grey == NULL) {
            file->status = CDAMA_IMAGE_NO_MEMORY;
            png_error(png, "out of memory");
        }
        read_rows(file, file->grey, row_bytes, height, passes);
        for (size_t i = 0; i < width * height; i++) {
            uint8_t value = file->grey[2 * i] ? 255 : file->grey[2 * i + 1];
            memset(rgb + 3 * i, value, 3);
        }
    } else {
        read_rows(file, rgb, row_bytes, height, passes);
    }
    png_read_end(png, NULL);
}

cdama_image_status cdama_png_read(cdama_png *file, uint8_t *rgb, char *message) {
    if (setjmp(file->escape)) {
        return report(file, message);
    }
    read_image(file, rgb);
    return CDAMA_IMAGE_OK;
}

void cdama_png_close(cdama_png *file) {
    if (file == NULL) {
        return;
    }
    png_destroy_read_struct(&file->png, &file->info, NULL);
    free(file->grey);
    free(file);
}
