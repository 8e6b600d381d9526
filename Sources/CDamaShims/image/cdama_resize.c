// Resampling in two passes with Pillow 13's fixed-point arithmetic (libImaging/Resample.c, 8 bits per channel):
// coefficients of 22 fractional bits, an intermediate image rounded to bytes, columns before rows if the height shrinks
// by more than twice as many pixels as the width. Older versions always begin with the rows, which differs by up to 4
// grey levels on photographs more than twice as high as wide.
#include "cdama_image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION_BITS = 32 - 8 - 2 };

// MARK: Filters

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0) {
        return 1.0;
    }
    if (x >= 1.0) {
        return 0.0;
    }
    x *= M_PI;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

// Keys' cubic convolution with a = −1/2.
static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    }
    if (x < 2.0) {
        return (((x - 5) * x + 8) * x - 4) * a;
    }
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0) {
        return 1.0;
    }
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) {
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

typedef struct filter {
    double (*value)(double);
    double support;
} filter;

static filter filter_of(cdama_filter kind) {
    switch (kind) {
    case CDAMA_FILTER_LANCZOS:
        return (filter){lanczos, 3.0};
    case CDAMA_FILTER_BILINEAR:
        return (filter){bilinear, 1.0};
    case CDAMA_FILTER_BOX:
        return (filter){box, 0.5};
    case CDAMA_FILTER_HAMMING:
        return (filter){hamming, 1.0};
    default:
        return (filter){bicubic, 2.0};
    }
}

// MARK: Coefficients

// For each output position: its input positions and their weights.
typedef struct taps {
    size_t stride;
    size_t *first;
    size_t *count;
    int32_t *weights;
} taps;

static void free_taps(taps *t) {
    free(t->first);
    free(t->count);
    free(t->weights);
}

static int make_taps(taps *t, filter f, size_t source, size_t full, size_t start, size_t length) {
    double scale = (double)source / (double)full;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = f.support * stretch;
    size_t stride = (size_t)ceil(support) * 2 + 1;
    double *values = calloc(stride, sizeof *values);
    *t = (taps){
        stride, malloc(length * sizeof *t->first), malloc(length * sizeof *t->count),
        calloc(length, stride * sizeof *t->weights)};
    if (values == NULL || t->first == NULL || t->count == NULL || t->weights == NULL) {
        free(values);
        return 0;
    }
    for (size_t i = 0; i < length; i++) {
        double center = ((double)(start + i) + 0.5) * scale;
        double low = center - support + 0.5, high = center + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low;
        size_t end = high > (double)source ? source : (size_t)high;
        size_t count = end - first;
        double sum = 0;
        for (size_t k = 0; k < count; k++) {
            values[k] = f.value(((double)(k + first) - center + 0.5) * (1.0 / stretch));
            sum += values[k];
        }
        for (size_t k = 0; k < count; k++) {
            double weight = (sum != 0.0 ? values[k] / sum : values[k]) * (1 << FRACTION_BITS);
            t->weights[i * stride + k] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        t->first[i] = first;
        t->count[i] = count;
    }
    free(values);
    return 1;
}

// MARK: Passes

typedef uint8_t bytes4 __attribute__((vector_size(4)));
typedef int32_t ints4 __attribute__((vector_size(16)));

static uint8_t clip(int32_t sum) {
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

// One row to `length` pixels. `padded` is one byte longer than its pixels, so that four bytes can be loaded at each.
static inline __attribute__((always_inline)) void shrink_row(
    uint8_t *target, const uint8_t *padded, const taps *t, size_t length) {
    for (size_t i = 0; i < length; i++) {
        const uint8_t *pixel = padded + 3 * t->first[i];
        const int32_t *weights = t->weights + i * t->stride;
        ints4 sum = (ints4){} + (1 << (FRACTION_BITS - 1));
        for (size_t k = 0; k < t->count[i]; k++) {
            bytes4 four;
            memcpy(&four, pixel + 3 * k, 4);
            sum += __builtin_convertvector(four, ints4) * weights[k];
        }
        for (int c = 0; c < 3; c++) {
            target[3 * i + c] = clip(sum[c]);
        }
    }
}

// One output row from its input rows, a block of columns at a time, so that the sums stay in registers.
static inline __attribute__((always_inline)) void blend_rows(
    uint8_t *target, size_t row_bytes, const uint8_t *source, size_t stride, const int32_t *weights, size_t count) {
    enum { BLOCK = 32 };
    size_t x = 0;
    for (; x + BLOCK <= row_bytes; x += BLOCK) {
        int32_t sums[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            sums[i] = 1 << (FRACTION_BITS - 1);
        }
        for (size_t k = 0; k < count; k++) {
            const uint8_t *row = source + k * stride + x;
            for (int i = 0; i < BLOCK; i++) {
                sums[i] += row[i] * weights[k];
            }
        }
        for (int i = 0; i < BLOCK; i++) {
            target[x + i] = clip(sums[i]);
        }
    }
    for (; x < row_bytes; x++) {
        int32_t sum = 1 << (FRACTION_BITS - 1);
        for (size_t k = 0; k < count; k++) {
            sum += source[k * stride + x] * weights[k];
        }
        target[x] = clip(sum);
    }
}

typedef struct kernels {
    void (*shrink_row)(uint8_t *, const uint8_t *, const taps *, size_t);
    void (*blend_rows)(uint8_t *, size_t, const uint8_t *, size_t, const int32_t *, size_t);
} kernels;

static void shrink_row_plain(uint8_t *target, const uint8_t *padded, const taps *t, size_t length) {
    shrink_row(target, padded, t, length);
}

static void blend_rows_plain(
    uint8_t *target, size_t row_bytes, const uint8_t *source, size_t stride, const int32_t *weights, size_t count) {
    blend_rows(target, row_bytes, source, stride, weights, count);
}

#if defined(__x86_64__)
// The same C for processors with wider registers, selected at run time: 32-bit products need at least SSE 4.1.
__attribute__((target("avx2")))
static void shrink_row_avx2(uint8_t *target, const uint8_t *padded, const taps *t, size_t length) {
    shrink_row(target, padded, t, length);
}

__attribute__((target("avx2")))
static void blend_rows_avx2(
    uint8_t *target, size_t row_bytes, const uint8_t *source, size_t stride, const int32_t *weights, size_t count) {
    blend_rows(target, row_bytes, source, stride, weights, count);
}
#endif

static kernels choose_kernels(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return (kernels){shrink_row_avx2, blend_rows_avx2};
    }
#endif
    return (kernels){shrink_row_plain, blend_rows_plain};
}

// MARK: Whole images

typedef struct part {
    size_t full_width, full_height, left, top, width, height;
} part;

// Pillow scales by "nearest" through its affine transform, which accumulates the step instead of multiplying.
static void nearest_positions(size_t *positions, size_t source, size_t full, size_t start, size_t length) {
    double step = (double)source / (double)full, place = step * 0.5;
    for (size_t i = 0; i < start + length; i++, place += step) {
        if (i >= start) {
            size_t position = (size_t)place;
            positions[i - start] = position < source ? position : source - 1;
        }
    }
}

static cdama_image_status nearest(
    const uint8_t *source, size_t source_width, size_t source_height, part part, uint8_t *target) {
    size_t *columns = malloc((part.width + part.height) * sizeof *columns);
    if (columns == NULL) {
        return CDAMA_IMAGE_NO_MEMORY;
    }
    size_t *rows = columns + part.width;
    nearest_positions(columns, source_width, part.full_width, part.left, part.width);
    nearest_positions(rows, source_height, part.full_height, part.top, part.height);
    for (size_t y = 0; y < part.height; y++) {
        for (size_t x = 0; x < part.width; x++, target += 3) {
            memcpy(target, source + 3 * (rows[y] * source_width + columns[x]), 3);
        }
    }
    free(columns);
    return CDAMA_IMAGE_OK;
}

// Scales `rows` rows of pixels to the width of the taps.
static int scale_rows(
    uint8_t *target, const uint8_t *source, size_t source_width, size_t rows, const taps *t, size_t width,
    const kernels *kernels) {
    uint8_t *padded = malloc(3 * source_width + 1);
    if (padded == NULL) {
        return 0;
    }
    padded[3 * source_width] = 0;
    for (size_t y = 0; y < rows; y++) {
        memcpy(padded, source + 3 * y * source_width, 3 * source_width);
        kernels->shrink_row(target + 3 * y * width, padded, t, width);
    }
    free(padded);
    return 1;
}

// Scales columns of `width` pixels to the height of the taps; `source` is row `first` of its image.
static void scale_columns(
    uint8_t *target, size_t width, const uint8_t *source, size_t stride, size_t first, const taps *t, size_t height,
    const kernels *kernels) {
    for (size_t y = 0; y < height; y++) {
        kernels->blend_rows(
            target + 3 * y * width, 3 * width, source + (t->first[y] - first) * stride, stride,
            t->weights + y * t->stride, t->count[y]);
    }
}

static size_t end_of(const taps *t, size_t length) {
    return t->first[length - 1] + t->count[length - 1];
}

// Rows first: only those that some output row uses.
static int rows_then_columns(
    uint8_t *target, const uint8_t *source, size_t source_width, taps *across, const taps *down, part part,
    const kernels *kernels) {
    size_t first = down->first[0], rows = end_of(down, part.height) - first;
    uint8_t *middle = malloc(3 * part.width * rows);
    int done = middle != NULL && scale_rows(
        middle, source + 3 * first * source_width, source_width, rows, across, part.width, kernels);
    if (done) {
        scale_columns(target, part.width, middle, 3 * part.width, first, down, part.height, kernels);
    }
    free(middle);
    return done;
}

// Columns first: only those that some output column uses.
static int columns_then_rows(
    uint8_t *target, const uint8_t *source, size_t source_width, taps *across, const taps *down, part part,
    const kernels *kernels) {
    size_t first = across->first[0], columns = end_of(across, part.width) - first;
    uint8_t *middle = malloc(3 * columns * part.height);
    if (middle == NULL) {
        return 0;
    }
    scale_columns(middle, columns, source + 3 * first, 3 * source_width, 0, down, part.height, kernels);
    for (size_t x = 0; x < part.width; x++) {
        across->first[x] -= first;
    }
    int done = scale_rows(target, middle, columns, part.height, across, part.width, kernels);
    free(middle);
    return done;
}

cdama_image_status cdama_resize_rgb(
    const uint8_t *source, size_t source_width, size_t source_height, cdama_filter kind, size_t full_width,
    size_t full_height, size_t left, size_t top, size_t width, size_t height, uint8_t *target) {
    part part = {full_width, full_height, left, top, width, height};
    if (kind == CDAMA_FILTER_NEAREST) {
        return nearest(source, source_width, source_height, part, target);
    }
    filter f = filter_of(kind);
    kernels kernels = choose_kernels();
    taps across = {0}, down = {0};
    int done = 0;
    // A side that keeps its length has one tap of weight 1 for each pixel, which changes nothing.
    if (make_taps(&across, f, source_width, full_width, left, width)
        && make_taps(&down, f, source_height, full_height, top, height)) {
        long long narrower = (long long)source_width - (long long)full_width;
        long long lower = (long long)source_height - (long long)full_height;
        if (lower > 0 && lower > 2 * narrower) {
            done = columns_then_rows(target, source, source_width, &across, &down, part, &kernels);
        } else {
            done = rows_then_columns(target, source, source_width, &across, &down, part, &kernels);
        }
    }
    free_taps(&across);
    free_taps(&down);
    return done ? CDAMA_IMAGE_OK : CDAMA_IMAGE_NO_MEMORY;
}
