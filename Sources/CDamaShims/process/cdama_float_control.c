#include "cdama_float_control.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

uint64_t cdama_float_control_get(void) { return _mm_getcsr(); }
void cdama_float_control_set(uint64_t control) { _mm_setcsr((unsigned int)control); }
uint64_t cdama_float_control_default(void) { return 0x1f80; }
// Flush to zero, bit 15, and denormals are zero, bit 6.
uint64_t cdama_float_control_denormals_are_zero(void) { return 0x8040; }

#elif defined(__aarch64__)

uint64_t cdama_float_control_get(void) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
void cdama_float_control_set(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control)); }
uint64_t cdama_float_control_default(void) { return 0; }
// FZ, bit 24.
uint64_t cdama_float_control_denormals_are_zero(void) { return UINT64_C(1) << 24; }

#else

uint64_t cdama_float_control_get(void) { return 0; }
void cdama_float_control_set(uint64_t control) { (void)control; }
uint64_t cdama_float_control_default(void) { return 0; }
uint64_t cdama_float_control_denormals_are_zero(void) { return 0; }

#endif
