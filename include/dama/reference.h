/* Log-probabilities of a dataset, computed by the reference model. */
#ifndef DAMA_REFERENCE_H
#define DAMA_REFERENCE_H

#include "jobs.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The contents of a line of the output. dama_reference_cache_open() reads the first two. */
typedef enum dama_reference_format {
    /** id and key; sum, mean, count, was_cut and tokens of both responses. */
    DAMA_REFERENCE_FULL = 0,
    /** idx, key and logps, the text of six fields that the RLAIF-V and DAMA trainers read. */
    DAMA_REFERENCE_LOGPS = 1,
    /**
     * One JSON array of whole rows that the authors' trainer reads: the fields of the dataset, idx, question, chosen,
     * rejected, image_path, logps with a number for every position, and chosen_logits and rejected_logits from scores.
     * Rows with several messages or images, or an embedded image, are rejected. dama_reference_cache_open() does not read
     * it; dama_train_dataset_options.reference does, as the dataset itself.
     */
    DAMA_REFERENCE_RELEASED = 2
} dama_reference_format;

/** The options of dama_reference_dataset(); data and output are required. */
typedef struct dama_reference_dataset_options {
    uint32_t struct_size;
    /** DAMA_REFERENCE_FULL. */
    dama_reference_format format;
    /** As in dama_score_dataset_options; data also needs the field question (or prompt). */
    const char *data;
    const char *image_root;
    /** As in dama_score_dataset_options, without NAME.run.json. */
    const char *output;
    /** [field_count] other names of fields, "question=prompt"; may be NULL if field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The most rejected rows; with one more, the job fails. −1: no limit. −1. */
    int64_t max_rejected;
    /** As in dama_score_dataset_options. */
    int32_t restart;
    /** Threads for reading and decoding; 0: one for each processor, at most 8. */
    uint32_t workers;
    /** Rows computed together; 8. */
    uint32_t block_rows;
    /** The most bytes of one row, 8 MiB, and of one image file, 64 MiB. */
    size_t row_limit;
    size_t image_limit;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
    /** As in dama_score_dataset_options. */
    int32_t follow_links;
    /** 0. */
    uint32_t reserved;
    /** For DAMA_REFERENCE_RELEASED: the output of dama_score_dataset() for the dataset; NULL: rows without probabilities. */
    const char *scores;
    /** As in dama_score_dataset_options. */
    const char *data_format;
} dama_reference_dataset_options;

#define dama_reference_dataset_options_init(options) \
    dama_reference_dataset_options_init_sized((options), sizeof(dama_reference_dataset_options))
DAMA_API void dama_reference_dataset_options_init_sized(dama_reference_dataset_options *options, size_t size);

/** The result of a finished job. */
typedef struct dama_reference_dataset_result {
    uint32_t struct_size;
    /** Boolean: an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_rejected;
    /** Rows with a response that was cut to fit max_length. */
    uint64_t rows_cut;
} dama_reference_dataset_result;

#define dama_reference_dataset_result_init(result) \
    dama_reference_dataset_result_init_sized((result), sizeof(dama_reference_dataset_result))
DAMA_API void dama_reference_dataset_result_init_sized(dama_reference_dataset_result *result, size_t size);

/**
 * Computes log π of both responses of every pair of a dataset, from a file to a file. Like dama_score_dataset() it runs
 * in constant memory, resumes after it was stopped, and rejects bad rows, including pairs that are too long. Every line
 * of the output holds the hash of its pair; the summary holds everything on which the numbers depend.
 *
 * @param[in]     policy        The reference.
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  As for dama_score_dataset().
 * @return As dama_score_dataset().
 *
 * The job runs on its own threads, and the call returns when all of them have ended. Jobs with different outputs may
 * run at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_dataset(const dama_policy *policy,
                                                           const dama_reference_dataset_options *options,
                                                           dama_reference_dataset_result *result,
                                                           const dama_cancellation *cancellation);

/**
 * The log-probabilities that dama_reference_dataset() wrote, found by the contents of a pair. A cache never changes;
 * all threads may use it at the same time.
 */
typedef struct dama_reference_cache dama_reference_cache;

/**
 * Reads the output of dama_reference_dataset() into memory.
 *
 * @param[out] out
 * @param[in]  path
 * @param[in]  policy  The reference for training, which must be the one that computed the numbers; NULL: no check.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT if policy differs from what computed the numbers: the message names each part
 *         (weights, template, image processing, …); DAMA_IO for a file that cannot be read; DAMA_MODEL for a damaged
 *         line, which the message names.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_open(dama_reference_cache **out, const char *path,
                                                              const dama_policy *policy);

/** Frees a cache. */
DAMA_API void dama_reference_cache_free(dama_reference_cache *cache);

/** Returns the number of different pairs; 0 for NULL. */
DAMA_API size_t dama_reference_cache_count(const dama_reference_cache *cache);

/**
 * Returns whether the cache has exactly this pair: the same contents of the image file, prompt and responses.
 *
 * @param[in]  cache
 * @param[in]  pair      Its image is given as path or bytes, or is NULL for a text-only model.
 * @param[out] contains  1 or 0.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, or an image given as pixels; DAMA_IO for a file that cannot be read.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_contains(const dama_reference_cache *cache,
                                                                  const dama_preference_pair *pair,
                                                                  int32_t *contains);

/**
 * Returns the log-probabilities of pairs, as dama_policy_logps() would compute them.
 *
 * @param[out] out    In the order of pairs.
 * @param[in]  cache
 * @param[in]  pairs  [count], with images as for dama_reference_cache_contains().
 * @param[in]  count  ≥ 1
 * @return As dama_reference_cache_contains(); DAMA_INVALID_ARGUMENT also if the cache does not have a pair. The message
 *         names the pair ("pair 3: …").
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_logps(dama_logps **out, const dama_reference_cache *cache,
                                                               const dama_preference_pair *pairs, size_t count);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_REFERENCE_H */
