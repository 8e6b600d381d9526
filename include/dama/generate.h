/* The job that answers the questions of a dataset with a policy. */
#ifndef DAMA_GENERATE_H
#define DAMA_GENERATE_H

#include "jobs.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The options of dama_generate_dataset(); data and output are required. */
typedef struct dama_generate_dataset_options {
    uint32_t struct_size;
    /** Responses to each question, 1 to 4096; more than one response needs a temperature above 0. 1. */
    uint32_t samples;
    /** JSON Lines or one JSON array, with the fields question (or prompt) and, unless the model is text-only, image. */
    const char *data;
    /** As in dama_score_dataset_options. */
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
    /** Questions answered together; 8. */
    uint32_t block_rows;
    /** As in dama_score_dataset_options. */
    int32_t follow_links;
    /** The most bytes of one row, 8 MiB, and of one image file, 64 MiB. */
    size_t row_limit;
    size_t image_limit;
    /**
     * How tokens are chosen and when a response ends; NULL: as dama_generation_options_init() sets it. Its on_text is
     * not called. Each response has its own random stream, so it does not depend on the rows that run with it.
     */
    const dama_generation_options *generation;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
    /** As in dama_score_dataset_options. */
    const char *data_format;
} dama_generate_dataset_options;

#define dama_generate_dataset_options_init(options) \
    dama_generate_dataset_options_init_sized((options), sizeof(dama_generate_dataset_options))
DAMA_API void dama_generate_dataset_options_init_sized(dama_generate_dataset_options *options, size_t size);

/** The result of a finished job. */
typedef struct dama_generate_dataset_result {
    uint32_t struct_size;
    /** Boolean: an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_rejected;
    /** Rows with a response that ended because of its length. */
    uint64_t rows_cut;
} dama_generate_dataset_result;

#define dama_generate_dataset_result_init(result) \
    dama_generate_dataset_result_init_sized((result), sizeof(dama_generate_dataset_result))
DAMA_API void dama_generate_dataset_result_init_sized(dama_generate_dataset_result *result, size_t size);

/**
 * Answers every question of a dataset, from a file to a file. Like dama_score_dataset() it runs in constant memory,
 * resumes after it was stopped, and rejects bad rows. A line of the output holds id, response and finish ("end_token",
 * "stop" or "length"); with several samples it holds the lists responses and finish.
 *
 * @param[in]     policy
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  As for dama_score_dataset().
 * @return As dama_score_dataset().
 *
 * The job runs on its own threads, and the call returns when all of them have ended. Jobs with different outputs may
 * run at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_generate_dataset(const dama_policy *policy,
                                                          const dama_generate_dataset_options *options,
                                                          dama_generate_dataset_result *result,
                                                          const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_GENERATE_H */
