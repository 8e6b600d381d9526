#ifndef CDAMA_FLOAT_H
#define CDAMA_FLOAT_H

#include <stddef.h>

/// IEEE binary16, unaligned, to float: exact, subnormals, infinities and NaN payloads included.
void cdama_float_from_half(float *to, const void *from, size_t count);

/// bfloat16, unaligned, to float: exact.
void cdama_float_from_bfloat16(float *to, const void *from, size_t count);

/// float to bfloat16, rounded to nearest, ties to even; NaN stays NaN.
void cdama_float_to_bfloat16(void *to, const float *from, size_t count);

/// float to IEEE binary16, rounded to nearest, ties to even; too large a value becomes infinite, NaN stays NaN.
void cdama_float_to_half(void *to, const float *from, size_t count);

#endif
