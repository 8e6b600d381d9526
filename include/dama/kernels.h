/* Kernels over the caller's memory: token log-probabilities, AdamW, learning rates. */
#ifndef DAMA_KERNELS_H
#define DAMA_KERNELS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The kernels need no ONNX Runtime. They use the vector instructions of the processor (SSE2, AVX2, AVX-512, NEON), and
 * run on `threads` threads; 0: one for each processor. Results do not depend on the number of threads. On processors
 * with other vector instructions they may differ in the last bits.
 */

/** The label of a row without a token. */
#define DAMA_IGNORED_LABEL (-100)

/**
 * Computes log π(label) of rows of logits: log-softmax and gather without arrays of the logits' size. It reads each
 * logit once.
 *
 * @param[in]  logits       [rows, vocabulary] float32. NaN and +∞ give NaN.
 * @param[in]  labels       [rows] in 0 … vocabulary − 1, or DAMA_IGNORED_LABEL.
 * @param[in]  rows
 * @param[in]  vocabulary   ≥ 1.
 * @param[in]  threads
 * @param[out] logprobs     [rows]; 0 if the label is ignored.
 * @param[out] normalizers  [rows] log Σ exp(logits), for dama_token_logprobs_backward().
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty vocabulary or a label out of range.
 */
DAMA_API DAMA_NODISCARD dama_status dama_token_logprobs(const float *logits, const int64_t *labels, size_t rows,
                                                        size_t vocabulary, uint32_t threads, float *logprobs,
                                                        float *normalizers);

/**
 * Computes the gradient with respect to the logits:
 * weights[r] · (1[j = labels[r]] − exp(logits[r, j] − normalizers[r])).
 *
 * @param[in]  logits, labels, rows, vocabulary, threads  As for dama_token_logprobs().
 * @param[in]  normalizers  [rows] from dama_token_logprobs().
 * @param[in]  weights      [rows] gradient with respect to each log-probability; logits of rows with 0 are not read.
 * @param[out] gradient     [rows, vocabulary]; may be logits itself, which it then replaces.
 * @return As dama_token_logprobs().
 */
DAMA_API DAMA_NODISCARD dama_status dama_token_logprobs_backward(const float *logits, const int64_t *labels,
                                                                 const float *normalizers, const float *weights,
                                                                 size_t rows, size_t vocabulary, uint32_t threads,
                                                                 float *gradient);

/** The settings of AdamW. */
typedef struct dama_adamw_options {
    uint32_t struct_size;
    /** Threads; 0: one for each processor. */
    uint32_t threads;
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    /** Decoupled weight decay; pass 0 for norms and biases. */
    double weight_decay;
    /** The factor that gradients are multiplied by first, such as that of global-norm clipping. */
    double gradient_scale;
} dama_adamw_options;

/** Sets the paper's values: rate 5e-7, betas 0.9 and 0.999, epsilon 1e-8, no decay, scale 1. */
#define dama_adamw_options_init(options) dama_adamw_options_init_sized((options), sizeof(dama_adamw_options))
DAMA_API void dama_adamw_options_init_sized(dama_adamw_options *options, size_t size);

/**
 * Performs one AdamW update in place. Each number is read and written once.
 *
 * @param[in]     gradients      [count] float32.
 * @param[in]     count
 * @param[in]     step           Counted from 1.
 * @param[in]     options        NULL: as dama_adamw_options_init() sets them.
 * @param[in,out] parameters     [count]
 * @param[in,out] first_moment   [count], zeros before step 1.
 * @param[in,out] second_moment  [count], zeros before step 1.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an option out of range or step 0.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adamw_step(const float *gradients, size_t count, uint64_t step,
                                                    const dama_adamw_options *options, float *parameters,
                                                    float *first_moment, float *second_moment);

/**
 * Computes Σ x² in double, for global-norm clipping. It is not finite if any number is not finite.
 *
 * @param[in]  values  [count]
 * @param[in]  count
 * @param[in]  threads
 * @param[out] sum
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_sum_of_squares(const float *values, size_t count, uint32_t threads,
                                                        double *sum);

/** The learning rate after the warm-up from 0: constant, linear decay to 0, or decay to 0 on half a cosine. */
typedef enum dama_schedule {
    DAMA_SCHEDULE_CONSTANT = 0,
    DAMA_SCHEDULE_LINEAR = 1,
    DAMA_SCHEDULE_COSINE = 2
} dama_schedule;

/** The learning rates of a run. */
typedef struct dama_schedule_options {
    uint32_t struct_size;
    dama_schedule schedule;
    /** The rate after the warm-up. */
    double learning_rate;
    /** Steps of the run, ≥ 1. */
    uint64_t total_steps;
    /** Steps of the warm-up; 0: ceil(warmup_ratio · total_steps). A run without warm-up sets both to 0. */
    uint64_t warmup_steps;
    /** Warm-up steps as a share of total_steps, in [0, 1]; read only if warmup_steps is 0. */
    double warmup_ratio;
} dama_schedule_options;

/** Sets the paper's values: cosine, rate 5e-7, warm-up ratio 0.1. total_steps is 0 and must be set. */
#define dama_schedule_options_init(options) dama_schedule_options_init_sized((options), sizeof(dama_schedule_options))
DAMA_API void dama_schedule_options_init_sized(dama_schedule_options *options, size_t size);

/**
 * Computes the learning rate of one step, as the schedulers of transformers do.
 *
 * @param[in]  step           Counted from 0.
 * @param[in]  options
 * @param[out] learning_rate
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an option out of range.
 */
DAMA_API DAMA_NODISCARD dama_status dama_learning_rate(uint64_t step, const dama_schedule_options *options,
                                                       double *learning_rate);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_KERNELS_H */
