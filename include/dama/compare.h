/* Comparisons of finished evaluations. */
#ifndef DAMA_COMPARE_H
#define DAMA_COMPARE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A comparison of evaluations of one benchmark. It never changes; all threads may use it at the same time. */
typedef struct dama_comparison dama_comparison;

typedef struct dama_comparison_options {
    uint32_t struct_size;
    /** Resamples of the questions, 1 to 1000000; 10000. */
    uint32_t resamples;
    /** The folder of the benchmark's data; NULL: that of the first evaluation. */
    const char *data;
    /** The probability mass of an interval, between 0 and 1; 0.95. */
    double confidence;
    /** Of the resamples. */
    uint64_t seed;
    /** Boolean: evaluations with other data, variants, parts, prompts or judges are compared too, and named. 0. */
    int32_t allow_different;
    /** 0. */
    uint32_t reserved;
} dama_comparison_options;

#define dama_comparison_options_init(options) \
    dama_comparison_options_init_sized((options), sizeof(dama_comparison_options))
DAMA_API void dama_comparison_options_init_sized(dama_comparison_options *options, size_t size);

/**
 * Compares evaluations over the questions that all of them answered: each metric with its percentile interval from
 * resampled questions, its difference to the first evaluation with the interval of the difference (the same resamples
 * for all), and for a benchmark of right and wrong answers McNemar's exact test.
 *
 * @param[out] out
 * @param[in]  summaries      [summary_count] files NAME.summary.json of dama_evaluate(), beside their results.
 * @param[in]  summary_count  ≥ 2
 * @param[in]  options        NULL: as dama_comparison_options_init() sets them.
 * @param[in]  cancellation   Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for files that are not the results of evaluations or have changed, evaluations
 *         of different benchmarks, other data than theirs and, unless allowed, different settings, which the message
 *         names; DAMA_IO for files that cannot be read.
 */
DAMA_API DAMA_NODISCARD dama_status dama_evaluate_compare(dama_comparison **out, const char *const *summaries,
                                                          size_t summary_count,
                                                          const dama_comparison_options *options,
                                                          const dama_cancellation *cancellation);

/** Frees a comparison. */
DAMA_API void dama_comparison_free(dama_comparison *comparison);

/** Returns tables for people; NULL for NULL. */
DAMA_API const char *dama_comparison_text(const dama_comparison *comparison);

/**
 * Returns all numbers as one JSON object; NULL for NULL. Its members: benchmark; questions, the number that all answered;
 * results, each with name, runs, answered and left_out; metrics, each with name, and values and differences of all
 * evaluations (value, low and high, or null); mcnemar, for each evaluation but the first both, only_first, only_other,
 * neither and p; discrepancies of settings; pass_name, confidence, resamples and seed.
 */
DAMA_API const char *dama_comparison_json(const dama_comparison *comparison);

/** Returns a line for each metric of each evaluation as CSV, with a header; NULL for NULL. */
DAMA_API const char *dama_comparison_csv(const dama_comparison *comparison);

/** Returns a page in HTML with tables and bars; NULL for NULL. */
DAMA_API const char *dama_comparison_page(const dama_comparison *comparison);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_COMPARE_H */
