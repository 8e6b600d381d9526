/* Jobs over datasets: their progress, and scores of hardness. */
#ifndef DAMA_JOBS_H
#define DAMA_JOBS_H

#include "clip.h"
#include "splitter.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a job is doing: reading the dataset through once, computing its rows, writing the results. */
typedef enum dama_phase { DAMA_PHASE_SCANNING = 0, DAMA_PHASE_COMPUTING = 1, DAMA_PHASE_WRITING = 2 } dama_phase;

/** How far a job is. Written by the library; struct_size says how much of it this library fills. */
typedef struct dama_progress {
    uint32_t struct_size;
    dama_phase phase;
    /** Rows done, rejected ones and those of earlier runs included. */
    uint64_t rows_done;
    /** Rows of the dataset; 0 while scanning. */
    uint64_t rows_total;
    uint64_t rows_rejected;
    /** Rows that earlier runs had done. */
    uint64_t rows_resumed;
    /** Since the job began. */
    double seconds;
    /** Of this run; 0 before the first. */
    double rows_per_second;
    /** NaN while it cannot be told. */
    double seconds_left;
} dama_progress;

/**
 * Called on the thread that runs the job, after each step of a model at the least. A status other than DAMA_OK stops the
 * job, which then returns that status; what is done is kept. The struct is valid during the call.
 */
typedef dama_status (*dama_progress_callback)(const dama_progress *progress, void *user);

/** What dama_score_dataset() does; data and output have to be given. */
typedef struct dama_score_dataset_options {
    uint32_t struct_size;
    /** DAMA_DELTA_FROM_PROBABILITIES. */
    dama_delta_source delta_source;
    /** JSON Lines or one JSON array, with the fields image (or image_path, images), chosen and rejected. */
    const char *data;
    /** The folder that image paths are relative to and cannot leave; NULL: the dataset's. */
    const char *image_root;
    /**
     * Where the results go, NAME.jsonl: a line for each row scored, in the order of the dataset. Beside it come
     * NAME.rejects.jsonl (rows left out, with line and reason), NAME.summary.json, NAME.run.json (times), and, while the
     * job is unfinished, the folder NAME.partial.
     */
    const char *output;
    /** δ̄ of Eq. (7); NaN: the mean of δ over the rows scored. NaN. */
    double mean_delta;
    /** [field_count] names of fields, "chosen=answer_good"; NULL where field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The job fails at one rejected row more; −1: never. −1. */
    int64_t max_rejected;
    /**
     * Not 0: forget what is unfinished and replace what an earlier job wrote. A file that no job wrote is never
     * replaced: the job fails before it begins, and names it. 0.
     */
    int32_t restart;
    /** Threads for reading and decoding; 0: one for each processor, at most 8. */
    uint32_t workers;
    /** Rows computed together; 32. */
    uint32_t block_rows;
    /** Memory for embeddings of sentences and images that may come again; 64 MiB. */
    size_t cache_bytes;
    /** The most bytes of one row, 8 MiB, and of one image file, 64 MiB. */
    size_t row_limit;
    size_t image_limit;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
    /** Symbolic links below image_root may lead out of it. 0: an image behind such a link is rejected. */
    int32_t follow_links;
    /** 0. */
    uint32_t reserved;
    /** What splits responses that the data bring no sub-sentences of; NULL: the built-in rules. */
    const dama_splitter *splitter;
} dama_score_dataset_options;

#define dama_score_dataset_options_init(options) \
    dama_score_dataset_options_init_sized((options), sizeof(dama_score_dataset_options))
DAMA_API void dama_score_dataset_options_init_sized(dama_score_dataset_options *options, size_t size);

/** What a finished job found; more is in its summary file. */
typedef struct dama_score_dataset_result {
    uint32_t struct_size;
    /** Non-zero where an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_scored;
    uint64_t rows_rejected;
    /** The mean of δ over the rows scored, and δ̄ as alpha_D used it. */
    double mean_delta;
    double mean_delta_used;
} dama_score_dataset_result;

#define dama_score_dataset_result_init(result) \
    dama_score_dataset_result_init_sized((result), sizeof(dama_score_dataset_result))
DAMA_API void dama_score_dataset_result_init_sized(dama_score_dataset_result *result, size_t size);

/**
 * Scores every pair of a dataset for hardness, Eqs. (4) to (7), from a file to a file. Memory does not grow with the rows.
 * A job that was stopped or killed goes on when it is called again with the same options, and ends with the same bytes;
 * one that is finished is not done again. A bad row (broken JSON, a missing field, an empty response, an image that is
 * missing, damaged or outside the root) is set aside.
 *
 * @param[in]     scorer
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  Or NULL. What is done is kept: the next call with the same options goes on from there.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also where the output belongs to a job with other settings, naming them;
 *         DAMA_IO for files that cannot be read or written, and an output that another process is writing; DAMA_MODEL
 *         where more rows than max_rejected were rejected, or all; DAMA_CANCELLED or what else the callback returned.
 *
 * Runs on several threads of its own and returns when all are done. May be called for different outputs at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_score_dataset(const dama_scorer *scorer,
                                                       const dama_score_dataset_options *options,
                                                       dama_score_dataset_result *result,
                                                       const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_JOBS_H */
