/* Data hardness: δ of a pair, and alpha_D. */
#ifndef DAMA_HARDNESS_H
#define DAMA_HARDNESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One of a pair's two responses. */
typedef enum dama_response { DAMA_CHOSEN = 0, DAMA_REJECTED = 1 } dama_response;

/** The numbers from which δ of a pair is computed. */
typedef enum dama_delta_source {
    /** One softmax over all scores, Eqs. (5) and (6): dama_hardness(). */
    DAMA_DELTA_FROM_PROBABILITIES = 0,
    /** The ratio of the sums of scores, Table 2: dama_hardness_from_scores(). */
    DAMA_DELTA_FROM_SCORES = 1
} dama_delta_source;

/**
 * Computes the hardness of one pair from its CLIP scores: one softmax over all p + q scores, Eq. (5), then
 * delta = sum of the chosen probabilities − sum of the rejected probabilities, Eq. (6).
 *
 * @param[in]  chosen_scores    [p] CLIP logits (logit scale times cosine) of the chosen response's sub-sentences.
 * @param[in]  chosen_count     p ≥ 1.
 * @param[in]  rejected_scores  [q] CLIP logits of the rejected response's sub-sentences.
 * @param[in]  rejected_count   q ≥ 1.
 * @param[out] delta            In [−1, 1]; large means that the responses are easy to tell apart.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty list or a score that is not finite.
 */
DAMA_API DAMA_NODISCARD dama_status dama_hardness(const float *chosen_scores, size_t chosen_count,
                                                  const float *rejected_scores, size_t rejected_count,
                                                  double *delta);

/**
 * Computes the hardness of one pair as in the ablation of Table 2: delta = sum of the chosen scores / sum of the
 * rejected scores.
 *
 * @param[in]  chosen_scores, chosen_count, rejected_scores, rejected_count  As for dama_hardness().
 * @param[out] delta
 * @return As dama_hardness(); DAMA_INVALID_ARGUMENT also if the sum of the rejected scores is 0.
 */
DAMA_API DAMA_NODISCARD dama_status dama_hardness_from_scores(const float *chosen_scores, size_t chosen_count,
                                                              const float *rejected_scores, size_t rejected_count,
                                                              double *delta);

/**
 * Computes alpha_D of pairs from their hardness, Eq. (7): σ(delta) / σ(mean_delta).
 *
 * @param[in]  delta       [count], finite.
 * @param[in]  count       ≥ 1.
 * @param[in]  mean_delta  The dataset's mean; NaN for the mean of delta.
 * @param[out] alpha_data  [count], may be delta itself.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, count 0, or a number that is not finite.
 */
DAMA_API DAMA_NODISCARD dama_status dama_alpha_data(const double *delta, size_t count, double mean_delta,
                                                    double *alpha_data);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_HARDNESS_H */
