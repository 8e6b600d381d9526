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

/// √(x² + y²) as C's hypotf, which libdama.so links to this one (SO_FLAGS in the Makefile): Swift's standard library
/// refers to it, and glibc's has the version 2.35, which would be the only one of the library above 2.34.
float cdama_hypotf(float x, float y);

#endif
