#ifndef CDAMA_KERNELS_H
#define CDAMA_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/// The instructions of a kernel. Results may differ in the last bits between levels, never within one.
enum {
    /// The minimum of the architecture: SSE2, or NEON.
    CDAMA_LEVEL_BASE = 0,
    /// AVX2 and FMA.
    CDAMA_LEVEL_AVX2 = 1,
    /// AVX-512 F, DQ, BW and VL.
    CDAMA_LEVEL_AVX512 = 2
};

/// The highest level that this processor supports.
int cdama_kernel_level(void);

/// Log-probability of one label: *logprob = logits[label] − *normalizer, *normalizer = log Σ exp(logits). One pass over
/// the row; the largest logit is subtracted before any exponential. NaN and +∞ among the logits give NaN.
void cdama_logprob_forward(int level, const float *logits, size_t count, size_t label, float *logprob,
                           float *normalizer);

/// gradient[j] = weight · ([j = label] − exp(logits[j] − normalizer)). gradient may be logits.
void cdama_logprob_backward(int level, const float *logits, size_t count, size_t label, float normalizer, float weight,
                            float *gradient);

/// The numbers of an AdamW step that are the same for every parameter.
typedef struct cdama_adamw {
    /// 1 − learning rate · weight decay.
    float keep;
    float beta1, one_minus_beta1;
    float beta2, one_minus_beta2;
    /// Learning rate / (1 − β1^t).
    float step_size;
    /// 1 / sqrt(1 − β2^t).
    float inverse_root_correction;
    float epsilon;
    /// The factor by which gradients are multiplied first.
    float gradient_scale;
} cdama_adamw;

void cdama_adamw_step(int level, const cdama_adamw *step, float *parameters, const float *gradients, float *first,
                      float *second, size_t count);

/// What a step writes beside the parameters.
enum cdama_rounding {
    CDAMA_ROUND_NOT = 0,
    /// As cdama_float_to_bfloat16() and cdama_float_to_half().
    CDAMA_ROUND_BFLOAT16 = 1,
    CDAMA_ROUND_HALF = 2
};

/// cdama_adamw_step(), which also writes the new parameters, rounded, to `rounded`: 2 bytes each, unaligned.
void cdama_adamw_step_rounded(int level, const cdama_adamw *step, float *parameters, const float *gradients,
                              float *first, float *second, enum cdama_rounding rounding, void *rounded, size_t count);

/// Σ x², in double. The order of additions depends only on count.
double cdama_sum_of_squares(int level, const float *values, size_t count);

#endif
