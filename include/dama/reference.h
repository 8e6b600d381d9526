/* The reference's log-probabilities of a dataset. */
#ifndef DAMA_REFERENCE_H
#define DAMA_REFERENCE_H

#include "jobs.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a line of a dataset's log-probabilities holds. dama_reference_cache_open() reads both. */
typedef enum dama_reference_format {
    /** id, key, and for both responses sum, mean, count, was_cut and tokens. */
    DAMA_REFERENCE_FULL = 0,
    /** idx, key and logps, the text of six fields that the RLAIF-V and DAMA trainers read. */
    DAMA_REFERENCE_LOGPS = 1
} dama_reference_format;

/** What dama_reference_dataset() does; data and output have to be given. */
typedef struct dama_reference_dataset_options {
    uint32_t struct_size;
    /** DAMA_REFERENCE_FULL. */
    dama_reference_format format;
    /** As in dama_score_dataset_options, with the field question besides. */
    const char *data;
    const char *image_root;
    /** As in dama_score_dataset_options, without NAME.run.json. */
    const char *output;
    /** [field_count] names of fields, "question=prompt"; NULL where field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The job fails at one rejected row more; −1: never. −1. */
    int64_t max_rejected;
    /** Non-zero: forget what is unfinished and replace what is there. 0. */
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
} dama_reference_dataset_options;

#define dama_reference_dataset_options_init(options) \
    dama_reference_dataset_options_init_sized((options), sizeof(dama_reference_dataset_options))
DAMA_API void dama_reference_dataset_options_init_sized(dama_reference_dataset_options *options, size_t size);

/** How a job ended. */
typedef struct dama_reference_dataset_result {
    uint32_t struct_size;
    /** Non-zero where an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_rejected;
    /** Rows of which a response was cut to fit. */
    uint64_t rows_cut;
} dama_reference_dataset_result;

#define dama_reference_dataset_result_init(result) \
    dama_reference_dataset_result_init_sized((result), sizeof(dama_reference_dataset_result))
DAMA_API void dama_reference_dataset_result_init_sized(dama_reference_dataset_result *result, size_t size);

/**
 * Writes log π of both responses of every pair of a dataset, from a file to a file, as dama_score_dataset() scores one:
 * in constant memory, taken up again where it was stopped, bad rows set aside, a pair that is too long among them. The
 * summary holds what the numbers depend on, every line the hash of its pair.
 *
 * @param[in]     policy        The reference.
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  As for dama_score_dataset().
 * @return As dama_score_dataset().
 *
 * Runs on threads of its own and returns when all are done. May be called for different outputs at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_dataset(const dama_policy *policy,
                                                           const dama_reference_dataset_options *options,
                                                           dama_reference_dataset_result *result,
                                                           const dama_cancellation *cancellation);

/**
 * Log-probabilities that dama_reference_dataset() wrote, by the contents of their pairs. It never changes and may be
 * used from any number of threads.
 */
typedef struct dama_reference_cache dama_reference_cache;

/**
 * Reads the output of dama_reference_dataset() into memory.
 *
 * @param[out] out
 * @param[in]  path
 * @param[in]  policy  The reference that training will compare with; NULL: what computed the numbers is not asked.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT where they were computed with something else, naming each part that differs
 *         (weights, template, image processing, …); DAMA_IO for a file that cannot be read; DAMA_MODEL naming the line
 *         that is damaged.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_open(dama_reference_cache **out, const char *path,
                                                              const dama_policy *policy);

/** Frees a cache. */
DAMA_API void dama_reference_cache_free(dama_reference_cache *cache);

/** The number of different pairs; 0 for NULL. */
DAMA_API size_t dama_reference_cache_count(const dama_reference_cache *cache);

/**
 * Whether the cache has exactly this pair: the bytes of the image's file, prompt and both responses.
 *
 * @param[in]  cache
 * @param[in]  pair      Its image by path or bytes; NULL where the reference is a model of text alone.
 * @param[out] contains  1 or 0.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, or an image given as pixels; DAMA_IO for a file that cannot be read.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_contains(const dama_reference_cache *cache,
                                                                  const dama_preference_pair *pair,
                                                                  int32_t *contains);

/**
 * The log-probabilities of pairs, as dama_policy_logps() would compute them.
 *
 * @param[out] out    In the order of pairs; the caller's.
 * @param[in]  cache
 * @param[in]  pairs  [count], images as for dama_reference_cache_contains().
 * @param[in]  count  ≥ 1
 * @return As dama_reference_cache_contains(); DAMA_INVALID_ARGUMENT also where the cache does not have a pair. The
 *         message names the pair ("pair 3: …").
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_cache_logps(dama_logps **out, const dama_reference_cache *cache,
                                                               const dama_preference_pair *pairs, size_t count);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_REFERENCE_H */
