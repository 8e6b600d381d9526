// Branch-free loops over unaligned memory, so that the compiler vectorises them.
#include "cdama_float.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint16_t load16(const void *from, size_t i) {
    uint16_t bits;
    memcpy(&bits, (const char *)from + 2 * i, 2);
    return bits;
}

static float as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint32_t as_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

void cdama_float_from_half(float *to, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t half = load16(from, i);
        uint32_t magnitude = (half & 0x7FFF) << 13;
        uint32_t exponent = half & 0x7C00;
        // Normal: move the bias from 15 to 127. Infinite or NaN: all exponent bits. Subnormal: a multiple of 2^-24.
        uint32_t normal = magnitude + (112u << 23);
        uint32_t special = magnitude | 0x7F800000;
        uint32_t subnormal = as_bits((float)(int32_t)(half & 0x3FF) * 0x1p-24f);
        uint32_t bits = exponent == 0x7C00 ? special : exponent == 0 ? subnormal : normal;
        to[i] = as_float(bits | (half & 0x8000) << 16);
    }
}

void cdama_float_from_bfloat16(float *to, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = as_float((uint32_t)load16(from, i) << 16);
    }
}

void cdama_float_to_bfloat16(void *to, const float *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = as_bits(from[i]);
        uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
        uint32_t quiet = bits | 0x00400000;
        uint16_t result = (uint16_t)(((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded) >> 16);
        memcpy((char *)to + 2 * i, &result, 2);
    }
}

void cdama_float_to_half(void *to, const float *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = as_bits(from[i]);
        uint32_t magnitude = bits & 0x7FFFFFFF;
        uint32_t result;
        if (magnitude > 0x7F800000) {
            result = 0x7E00 | (magnitude >> 13 & 0x3FF);
        } else if (magnitude >= 0x47800000) {
            result = 0x7C00;
        } else if (magnitude < 0x38800000) {
            // Below 2^-14: adding 0.5 leaves the multiple of 2^-24, rounded by the processor, in the low bits.
            result = as_bits(as_float(magnitude) + 0.5f) - 0x3F000000;
        } else {
            // A carry out of the fraction increments the exponent, which is correct, up to infinity.
            result = (magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13;
        }
        uint16_t half = (uint16_t)(result | (bits >> 16 & 0x8000));
        memcpy((char *)to + 2 * i, &half, 2);
    }
}

float cdama_hypotf(float x, float y) {
    if (isinf(x) || isinf(y)) {
        return INFINITY;
    }
    // Squares of floats are exact in double, and their sum cannot overflow there.
    return (float)sqrt((double)x * (double)x + (double)y * (double)y);
}
