/* A policy's answers to the questions of a dataset. */
#ifndef DAMA_GENERATE_H
#define DAMA_GENERATE_H

#include "jobs.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What dama_generate_dataset() does; data and output have to be given. */
typedef struct dama_generate_dataset_options {
    uint32_t struct_size;
    /** Responses to each question, 1 to 4096; more than 1 need a temperature above 0. 1. */
    uint32_t samples;
    /** JSON Lines or one JSON array, with the fields question (or prompt) and, for a model that takes one, image. */
    const char *data;
    /** As in dama_score_dataset_options. */
    const char *image_root;
    /** As in dama_score_dataset_options, without NAME.run.json. */
    const char *output;
    /** [field_count] names of fields, "question=prompt"; NULL where field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The job fails at one rejected row more; −1: never. −1. */
    int64_t max_rejected;
    /** As in dama_score_dataset_options. */
    int32_t restart;
    /** Threads for reading and decoding; 0: one for each processor, at most 8. */
    uint32_t workers;
    /** Questions answered together; 8. */
    uint32_t block_rows;
    /** As in dama_score_dataset_options. */
    int32_t follow_links;
    /** The most bytes of one row, 8 MiB, and of one image file, 64 MiB. */
    size_t row_limit;
    size_t image_limit;
    /**
     * How tokens are chosen and when a response ends; NULL: as dama_generation_options_init() sets it. Its on_text is not
     * called. A response draws from a stream of its own, so that none depends on which rows run together.
     */
    const dama_generation_options *generation;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
} dama_generate_dataset_options;

#define dama_generate_dataset_options_init(options) \
    dama_generate_dataset_options_init_sized((options), sizeof(dama_generate_dataset_options))
DAMA_API void dama_generate_dataset_options_init_sized(dama_generate_dataset_options *options, size_t size);

/** How a job ended. */
typedef struct dama_generate_dataset_result {
    uint32_t struct_size;
    /** 1 where an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_rejected;
    /** Rows of which a response ended by length. */
    uint64_t rows_cut;
} dama_generate_dataset_result;

#define dama_generate_dataset_result_init(result) \
    dama_generate_dataset_result_init_sized((result), sizeof(dama_generate_dataset_result))
DAMA_API void dama_generate_dataset_result_init_sized(dama_generate_dataset_result *result, size_t size);

/**
 * Answers every question of a dataset, from a file to a file, as dama_score_dataset() scores one: in constant memory,
 * taken up again where it was stopped, bad rows set aside. A line holds id, response and finish ("end_token", "stop" or
 * "length"); of several samples the lists responses and finish.
 *
 * @param[in]     policy
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  As for dama_score_dataset().
 * @return As dama_score_dataset().
 *
 * Runs on threads of its own and returns when all are done. May be called for different outputs at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_generate_dataset(const dama_policy *policy,
                                                          const dama_generate_dataset_options *options,
                                                          dama_generate_dataset_result *result,
                                                          const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_GENERATE_H */
