/* Adaptive beta and the preference loss. */
#ifndef DAMA_BETA_H
#define DAMA_BETA_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * h is the log-ratio margin of a pair, [log π(y_w) − log π_ref(y_w)] − [log π(y_l) − log π_ref(y_l)], with y_w the
 * chosen and y_l the rejected response.
 */

/** A loss as a function of a pair's margin h and beta. Some losses have one parameter. */
typedef enum dama_loss {
    /** −log σ(βh): DPO, Eq. (3). */
    DAMA_LOSS_SIGMOID = 0,
    /** (h − 1/(2β))²: IPO. */
    DAMA_LOSS_IPO = 1,
    /** max(0, 1 − βh). */
    DAMA_LOSS_HINGE = 2,
    /** −(1 − ε) log σ(βh) − ε log σ(−βh), parameter ε in [0, 0.5): conservative DPO. */
    DAMA_LOSS_CDPO = 3,
    /** (−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε), parameter ε in [0, 0.5): robust DPO. */
    DAMA_LOSS_ROBUST = 4,
    /** −log σ(βh − γ), parameter γ: SimPO. Its h has no reference terms; the batch must give the lengths. */
    DAMA_LOSS_SIMPO = 5
} dama_loss;

/**
 * Computes values and derivatives of a loss; exact for margins of any size that can occur (±1e4 and beyond).
 *
 * @param[in]  loss
 * @param[in]  parameter    ε or γ; ignored for losses without a parameter.
 * @param[in]  margins      [count] h, finite.
 * @param[in]  beta         [count] > 0.
 * @param[in]  count
 * @param[out] values       [count] ℓ, or NULL.
 * @param[out] derivatives  [count] ∂ℓ/∂h, or NULL. ∂ℓ/∂log π(y_w) is the same, ∂ℓ/∂log π(y_l) the negative.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an unknown loss, a parameter outside its range, a margin that is not
 *         finite or a beta that is not positive.
 */
DAMA_API DAMA_NODISCARD dama_status dama_loss_evaluate(dama_loss loss, double parameter, const double *margins,
                                                       const double *beta, size_t count, double *values,
                                                       double *derivatives);

/** A published algorithm that the options start from. */
typedef enum dama_preset {
    /** The paper. Gaps are divided by the running mean only if it is at least guard · mean |gap|. */
    DAMA_PRESET_PAPER = 0,
    /** The behaviour of the authors' released trainer. */
    DAMA_PRESET_RELEASED = 1,
    /** β-DPO (Wu et al., 2024): one beta for the batch, linear in the gap. */
    DAMA_PRESET_BETA_DPO = 2,
    /** Ablations of the paper: no alpha and no filter (DPO), alpha_D only (D2PO), filter and alpha_M (MDPO). */
    DAMA_PRESET_DPO = 3,
    DAMA_PRESET_D2PO = 4,
    DAMA_PRESET_MDPO = 5
} dama_preset;

/** The gap of a pair, which is filtered and averaged: R = βh, Eq. (9), or h itself. */
typedef enum dama_gap { DAMA_GAP_REWARD = 0, DAMA_GAP_LOG_RATIO = 1 } dama_gap;

/** Selects the K of N pairs that take part in the loss. Ties go to the lower index. */
typedef enum dama_filter {
    DAMA_FILTER_NONE = 0,
    /** The K pairs nearest to the running mean, Eq. (11); "both" in Table 3. */
    DAMA_FILTER_NEAREST = 1,
    /** K pairs drawn without replacement, with weights exp(−½ ((gap − running mean) / s)²). */
    DAMA_FILTER_SAMPLE = 2,
    /** All pairs but the N − K with the lowest gaps. */
    DAMA_FILTER_BOTTOM = 3,
    /** All pairs but the N − K with the highest gaps. */
    DAMA_FILTER_TOP = 4,
    /** K pairs drawn uniformly: a control. */
    DAMA_FILTER_RANDOM = 5
} dama_filter;

/** s in the weights of DAMA_FILTER_SAMPLE: 1, or the running standard deviation. */
typedef enum dama_sample_scale {
    DAMA_SAMPLE_SCALE_UNIT = 0,
    DAMA_SAMPLE_SCALE_RUNNING_DEVIATION = 1
} dama_sample_scale;

/** How alpha_M is computed from the kept gaps g and the running mean m. */
typedef enum dama_responsiveness {
    /** σ(mean g) / σ(m), Eq. (13). */
    DAMA_RESPONSIVENESS_RATIO_OF_MEAN = 0,
    /** mean σ(g) / σ(m). */
    DAMA_RESPONSIVENESS_MEAN_OF_RATIOS = 1,
    /** 1 + slope · (mean g − m). */
    DAMA_RESPONSIVENESS_LINEAR = 2
} dama_responsiveness;

/** The pairs whose mean gap updates the running mean. */
typedef enum dama_mean_source { DAMA_MEAN_OF_KEPT = 0, DAMA_MEAN_OF_ALL = 1 } dama_mean_source;

/** When a batch updates the running mean: after its use, Eq. (15), or before (needs DAMA_MEAN_OF_ALL). */
typedef enum dama_mean_time { DAMA_MEAN_AFTER_STEP = 0, DAMA_MEAN_BEFORE_USE = 1 } dama_mean_time;

/** How alpha is computed from alpha_D and alpha_M. It does not change the filter. */
typedef enum dama_combination {
    /** alpha_D · alpha_M, Eq. (16). */
    DAMA_COMBINE_PRODUCT = 0,
    /** (1 − rho) · alpha_M + rho · alpha_D. */
    DAMA_COMBINE_WEIGHTED = 1,
    DAMA_COMBINE_DATA = 2,
    DAMA_COMBINE_MODEL = 3,
    DAMA_COMBINE_NONE = 4
} dama_combination;

/** How β is adapted. */
typedef struct dama_adaptive_beta_options {
    uint32_t struct_size;
    dama_gap gap;
    /** The base beta that alpha scales, > 0. */
    double beta;
    /** Boolean: divide the gaps by the running mean, Eq. (10), if the guard allows it. */
    int32_t normalize;
    dama_filter filter;
    /** κ ≥ 0: divide only if the running mean is at least max(1e-6, κ · mean |gap|). */
    double guard;
    /** K; 0: int(keep_ratio · N). At least one pair is kept, at most all with a finite gap. */
    size_t keep;
    /** The share of pairs that is kept, in (0, 1]; read only if keep is 0. */
    double keep_ratio;
    dama_sample_scale sample_scale;
    dama_responsiveness responsiveness;
    /** The slope in DAMA_RESPONSIVENESS_LINEAR. */
    double slope;
    dama_mean_source mean_source;
    dama_mean_time mean_time;
    dama_combination combination;
    dama_loss loss;
    /** The weight of alpha_D in DAMA_COMBINE_WEIGHTED, in [0, 1]. */
    double rho;
    /** The smallest and largest beta of a pair; 0 and INFINITY set no limit. */
    double beta_floor;
    double beta_ceiling;
    /** γ of Eq. (15), in [0, 1). */
    double momentum;
    /** The seed of the sampling filters; the same on every rank. */
    uint64_t seed;
    /** ε or γ of the loss. */
    double loss_parameter;
} dama_adaptive_beta_options;

/** Sets the options of a preset. An unknown preset sets struct_size to 0, which every call rejects. */
#define dama_adaptive_beta_options_init(options, preset) \
    dama_adaptive_beta_options_init_sized((options), sizeof(dama_adaptive_beta_options), (preset))
DAMA_API void dama_adaptive_beta_options_init_sized(dama_adaptive_beta_options *options, size_t size,
                                                    dama_preset preset);

/**
 * The state of adaptive beta: running mean, generator, counts.
 *
 * With several ranks, every rank creates the same controller, passes the log-probabilities of the global batch in the
 * same order, and requests its own slice. Mask, alpha_M and the divisor are then those of the global batch, and do not
 * depend on the number of ranks. Sum the gradients over the ranks; if a framework averages them, multiply by the number
 * of ranks first.
 */
typedef struct dama_adaptive_beta dama_adaptive_beta;

/**
 * Creates a controller.
 *
 * @param[out] out
 * @param[in]  options  NULL for DAMA_PRESET_PAPER.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an option outside its range.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_create(dama_adaptive_beta **out,
                                                              const dama_adaptive_beta_options *options);

/** Frees a controller. */
DAMA_API void dama_adaptive_beta_free(dama_adaptive_beta *controller);

/** The value of slice_count that stands for all pairs from slice_offset on. */
#define DAMA_REST ((size_t)-1)

/** The global batch of N pairs, and the part of it that belongs to this rank. */
typedef struct dama_preference_batch {
    uint32_t struct_size;
    /** N ≥ 1. */
    size_t count;
    /** [N] log π(y | I, x), summed over the response's tokens. A pair with a non-finite value is masked and counted. */
    const double *policy_chosen;
    const double *policy_rejected;
    /** [N] log π_ref(y | I, x) of the reference; ignored for DAMA_LOSS_SIMPO, and may be NULL there. */
    const double *reference_chosen;
    const double *reference_rejected;
    /** [N] α_D > 0, Eq. (7); NULL: 1 for every pair. */
    const double *alpha_data;
    /** [N] token counts ≥ 1 that divide the log-probabilities, both or neither. Gradients are those of the sums. */
    const int64_t *chosen_lengths;
    const int64_t *rejected_lengths;
    /** Results are written for the pairs slice_offset … slice_offset + slice_count − 1. */
    size_t slice_offset;
    /** DAMA_REST after init. */
    size_t slice_count;
} dama_preference_batch;

#define dama_preference_batch_init(batch) dama_preference_batch_init_sized((batch), sizeof(dama_preference_batch))
DAMA_API void dama_preference_batch_init_sized(dama_preference_batch *batch, size_t size);

/** The result of a step. The arrays are the caller's memory, [slice_count] each; a NULL array is not written. */
typedef struct dama_preference_result {
    uint32_t struct_size;
    /** The capacity of each array that is not NULL. */
    size_t capacity;
    /** β_i = β · α_i, Eq. (17), within floor and ceiling. */
    double *beta;
    /** 1 for the pairs that take part in the loss, otherwise 0. */
    uint8_t *mask;
    /** h; not finite if the log-probabilities are not. */
    double *margins;
    /** ℓ_i, also of masked pairs; 0 if h is not finite. */
    double *losses;
    /** ∂L/∂log π(y_w) and ∂L/∂log π(y_l) with the divisor of the global batch; 0 for masked pairs. */
    double *grad_chosen;
    double *grad_rejected;
    /** Implicit rewards β_i · (log π − log π_ref); the plain ones have β in place of β_i. */
    double *reward_chosen;
    double *reward_rejected;
    double *plain_reward_chosen;
    double *plain_reward_rejected;
    /** L = Σ mask · ℓ / Σ mask over the global batch, and the part that the slice contributes. */
    double loss;
    double slice_loss;
    /** alpha_M, Eq. (13). */
    double alpha_model;
    /** R_B, Eq. (12). */
    double batch_gap;
    /** The running mean that the filter and alpha_M used. */
    double running_mean;
    /** The share of the global batch's finite margins that are above 0. */
    double accuracy;
    /** Pairs kept in the global batch, pairs kept in the slice, and non-finite pairs of the global batch. */
    size_t kept;
    size_t kept_in_slice;
    size_t nonfinite;
    /** Boolean: Eq. (10) was applied. Boolean: the sample was uniform because its weights were degenerate. */
    int32_t normalized;
    int32_t sampled_uniformly;
} dama_preference_result;

#define dama_preference_result_init(result) dama_preference_result_init_sized((result), sizeof(dama_preference_result))
DAMA_API void dama_preference_result_init_sized(dama_preference_result *result, size_t size);

/**
 * Computes mask, beta, loss and gradients of one batch, Eqs. (9) to (17). Only dama_adaptive_beta_commit() changes the
 * running mean and the generator. The gradient treats β as a constant.
 *
 * @param[in]     controller
 * @param[in]     batch
 * @param[in,out] result  Its arrays and numbers are written; struct_size, capacity and the pointers are read.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty batch, missing references, alpha_data that is needed and
 *         missing or not positive, lengths below 1, or a batch without a finite pair; DAMA_SHAPE_MISMATCH for a slice
 *         outside the batch or arrays that are too small for it.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_step(dama_adaptive_beta *controller,
                                                            const dama_preference_batch *batch,
                                                            dama_preference_result *result);

/**
 * Commits the running mean and the generator of the last step, Eq. (15). Call it after the optimizer's step.
 *
 * @param[in] controller
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, or without a step since the last commit.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_commit(dama_adaptive_beta *controller);

/** The committed state of a dama_adaptive_beta. */
typedef struct dama_adaptive_beta_facts {
    uint32_t struct_size;
    double running_mean;
    double running_deviation;
    /** Commits; non-finite pairs, which were masked; steps with degenerate sample weights. */
    uint64_t steps;
    uint64_t nonfinite_pairs;
    uint64_t uniform_samplings;
} dama_adaptive_beta_facts;

#define dama_adaptive_beta_facts_init(facts) \
    dama_adaptive_beta_facts_init_sized((facts), sizeof(dama_adaptive_beta_facts))
DAMA_API void dama_adaptive_beta_facts_init_sized(dama_adaptive_beta_facts *facts, size_t size);

/**
 * Returns the running mean and the counts of a controller.
 *
 * @param[in]     controller
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_describe(const dama_adaptive_beta *controller,
                                                                dama_adaptive_beta_facts *facts);

/**
 * Returns the options of a controller, for example of a loaded one.
 *
 * @param[in]     controller
 * @param[in,out] options
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_get_options(const dama_adaptive_beta *controller,
                                                                   dama_adaptive_beta_options *options);

/**
 * Writes options, running mean, counts and generator as bytes, with version and checksum. A step that is not committed
 * is not included.
 *
 * @param[in]  controller
 * @param[out] bytes     [capacity]; NULL with capacity 0 asks for the size only.
 * @param[in]  capacity
 * @param[out] size      The number of bytes.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH if capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_save(const dama_adaptive_beta *controller, uint8_t *bytes,
                                                            size_t capacity, size_t *size);

/**
 * Creates a controller that continues bit for bit from the saved state.
 *
 * @param[out] out
 * @param[in]  bytes  [size] from dama_adaptive_beta_save().
 * @param[in]  size
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and for bytes that are damaged or no state of a controller.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_load(dama_adaptive_beta **out, const uint8_t *bytes,
                                                            size_t size);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_BETA_H */
