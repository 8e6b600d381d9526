#ifndef CDAMA_FLOAT_CONTROL_H
#define CDAMA_FLOAT_CONTROL_H

#include <stdint.h>

/* The calling thread's floating-point control: MXCSR on x86-64, FPCR on AArch64; 0 elsewhere. It sets
   rounding, traps, and whether denormal numbers are kept or treated as zero. */
uint64_t cdama_float_control_get(void);
void cdama_float_control_set(uint64_t control);

/* The state of a new thread: round to nearest, no traps, denormal numbers kept. */
uint64_t cdama_float_control_default(void);

/* The bits that make denormal results and operands zero. */
uint64_t cdama_float_control_denormals_are_zero(void);

#endif
