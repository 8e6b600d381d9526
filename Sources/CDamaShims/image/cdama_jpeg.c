#include "cdama_image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// A progressive file may contain any number of passes over the whole image; real ones have about ten.
enum { MAXIMUM_SCANS = 200 };

typedef struct failure {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    cdama_image_status status;
    char text[JMSG_LENGTH_MAX];
} failure;

static void on_error(j_common_ptr info) {
    failure *f = (failure *)info->err;
    switch (info->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        f->status = CDAMA_IMAGE_NO_MEMORY;
        break;
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
        f->status = CDAMA_IMAGE_UNSUPPORTED;
        break;
    default:
        f->status = CDAMA_IMAGE_CORRUPT;
    }
    info->err->format_message(info, f->text);
    longjmp(f->escape, 1);
}

// libjpeg and Pillow continue after damage, with a warning. To Pillow, however, a file that is cut short is an error.
static void on_message(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
        on_error(info);
    }
}

static void on_output(j_common_ptr info) {
    (void)info;
}

static struct jpeg_error_mgr *prepare(failure *f) {
    struct jpeg_error_mgr *manager = jpeg_std_error(&f->base);
    manager->error_exit = on_error;
    manager->emit_message = on_message;
    manager->output_message = on_output;
    f->status = CDAMA_IMAGE_CORRUPT;
    return manager;
}

static cdama_image_status report(const failure *f, char *message) {
    snprintf(message, CDAMA_IMAGE_MESSAGE_SIZE, "%s", f->text);
    return f->status;
}

// MARK: Decoding

struct cdama_jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    failure failure;
    unsigned char *inks;
};

static void on_progress(j_common_ptr info) {
    struct jpeg_decompress_struct *decoder = (struct jpeg_decompress_struct *)info;
    if (decoder->input_scan_number > MAXIMUM_SCANS) {
        failure *f = (failure *)info->err;
        snprintf(f->text, sizeof f->text, "more than %d scans", MAXIMUM_SCANS);
        f->status = CDAMA_IMAGE_CORRUPT;
        longjmp(f->escape, 1);
    }
}

cdama_image_status cdama_jpeg_open(
    cdama_jpeg **out, const void *bytes, size_t count, uint32_t *width, uint32_t *height, char *message) {
    cdama_jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (jpeg == NULL) {
        return CDAMA_IMAGE_NO_MEMORY;
    }
    jpeg->info.err = prepare(&jpeg->failure);
    if (setjmp(jpeg->failure.escape)) {
        cdama_image_status status = report(&jpeg->failure, message);
        cdama_jpeg_close(jpeg);
        return status;
    }
    jpeg_create_decompress(&jpeg->info);
    jpeg->progress.progress_monitor = on_progress;
    jpeg->info.progress = &jpeg->progress;
    jpeg_mem_src(&jpeg->info, bytes, (unsigned long)count);
    jpeg_read_header(&jpeg->info, TRUE);
    *width = jpeg->info.image_width;
    *height = jpeg->info.image_height;
    *out = jpeg;
    return CDAMA_IMAGE_OK;
}

// a · b / 255, rounded, as in Pillow.
static unsigned scale255(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

// Adobe writes inverted inks, and Pillow treats every four-component file as Adobe's: 255 is no ink.
static void inks_to_rgb(uint8_t *rgb, const unsigned char *inks, size_t width) {
    for (size_t x = 0; x < width; x++, rgb += 3, inks += 4) {
        unsigned light = inks[3];
        for (int c = 0; c < 3; c++) {
            rgb[c] = (uint8_t)(light - scale255(255u - inks[c], light));
        }
    }
}

cdama_image_status cdama_jpeg_read(cdama_jpeg *jpeg, uint8_t *rgb, char *message) {
    struct jpeg_decompress_struct *info = &jpeg->info;
    if (setjmp(jpeg->failure.escape)) {
        return report(&jpeg->failure, message);
    }
    switch (info->num_components) {
    case 1:
    case 3:
        info->out_color_space = JCS_RGB;
        break;
    case 4:
        info->out_color_space = JCS_CMYK;
        break;
    default:
        snprintf(message, CDAMA_IMAGE_MESSAGE_SIZE, "%d colour components; 1, 3 and 4 are supported",
            info->num_components);
        return CDAMA_IMAGE_UNSUPPORTED;
    }
    jpeg_start_decompress(info);
    size_t width = info->output_width;
    if (info->out_color_space == JCS_CMYK) {
        jpeg->inks = malloc(width * 4);
        if (jpeg->inks == NULL) {
            return CDAMA_IMAGE_NO_MEMORY;
        }
    }
    while (info->output_scanline < info->output_height) {
        uint8_t *row = rgb + (size_t)info->output_scanline * width * 3;
        JSAMPROW target = jpeg->inks ? jpeg->inks : row;
        jpeg_read_scanlines(info, &target, 1);
        if (jpeg->inks) {
            inks_to_rgb(row, jpeg->inks, width);
        }
    }
    // Reads on to the end marker, which detects that it is missing.
    jpeg_finish_decompress(info);
    return CDAMA_IMAGE_OK;
}

void cdama_jpeg_close(cdama_jpeg *jpeg) {
    if (jpeg == NULL) {
        return;
    }
    jpeg_destroy_decompress(&jpeg->info);
    free(jpeg->inks);
    free(jpeg);
}

// MARK: Encoding

typedef struct encoder {
    struct jpeg_compress_struct info;
    failure failure;
    unsigned char *bytes;
    unsigned long count;
} encoder;

static void encode(
    encoder *encoder, const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int full_chroma) {
    struct jpeg_compress_struct *info = &encoder->info;
    jpeg_create_compress(info);
    jpeg_mem_dest(info, &encoder->bytes, &encoder->count);
    info->image_width = width;
    info->image_height = height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    if (full_chroma) {
        info->comp_info[0].h_samp_factor = info->comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < height) {
        JSAMPROW row = (JSAMPROW)rgb + (size_t)info->next_scanline * width * 3;
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

cdama_image_status cdama_jpeg_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, int full_chroma, unsigned char **out,
    size_t *out_count, char *message) {
    encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return CDAMA_IMAGE_NO_MEMORY;
    }
    encoder->info.err = prepare(&encoder->failure);
    cdama_image_status status = CDAMA_IMAGE_OK;
    if (setjmp(encoder->failure.escape)) {
        status = report(&encoder->failure, message);
        // libjpeg moves its buffer as it grows, and reports the final address only at the end.
        if (encoder->info.dest) {
            encoder->info.dest->term_destination(&encoder->info);
        }
        free(encoder->bytes);
    } else {
        encode(encoder, rgb, width, height, quality, full_chroma);
        *out = encoder->bytes;
        *out_count = encoder->count;
    }
    jpeg_destroy_compress(&encoder->info);
    free(encoder);
    return status;
}
