/* Jobs over datasets: their progress, and the job that scores hardness. */
#ifndef DAMA_JOBS_H
#define DAMA_JOBS_H

#include "clip.h"
#include "splitter.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The phase of a job: reading the whole dataset once, computing its rows, writing the results. */
typedef enum dama_phase { DAMA_PHASE_SCANNING = 0, DAMA_PHASE_COMPUTING = 1, DAMA_PHASE_WRITING = 2 } dama_phase;

/** The progress of a job. The library writes it; struct_size is the number of bytes that it fills. */
typedef struct dama_progress {
    uint32_t struct_size;
    dama_phase phase;
    /** Rows done, including rejected rows and rows of earlier runs. */
    uint64_t rows_done;
    /** Rows of the dataset; 0 while scanning. */
    uint64_t rows_total;
    uint64_t rows_rejected;
    /** Rows that earlier runs finished. */
    uint64_t rows_resumed;
    /** Seconds since the job began. */
    double seconds;
    /** The rate of this run; 0 before its first row. */
    double rows_per_second;
    /** NaN while it is unknown. */
    double seconds_left;
} dama_progress;

/**
 * Receives the progress of a job, at least after each run of a model, on the thread that runs the job. A status other
 * than DAMA_OK stops the job, which returns that status; finished rows are kept. The struct is valid during the call.
 */
typedef dama_status (*dama_progress_callback)(const dama_progress *progress, void *user);

/** The options of dama_score_dataset(); data and output are required. */
typedef struct dama_score_dataset_options {
    uint32_t struct_size;
    /** DAMA_DELTA_FROM_PROBABILITIES. */
    dama_delta_source delta_source;
    /** JSON Lines or one JSON array, with the fields image (or image_path, images), chosen and rejected. */
    const char *data;
    /** The folder to which image paths are relative, and which they cannot leave; NULL: the dataset's folder. */
    const char *image_root;
    /**
     * The file of results, NAME.jsonl: a line for each scored row, in the order of the dataset. The job also writes
     * NAME.rejects.jsonl (rejected rows, with line and reason), NAME.summary.json, NAME.run.json (times), and, while it
     * is unfinished, the folder NAME.partial.
     */
    const char *output;
    /** δ̄ of Eq. (7); NaN: the mean of δ over the scored rows. NaN. */
    double mean_delta;
    /** [field_count] other names of fields, "chosen=answer_good"; may be NULL if field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The most rejected rows; with one more, the job fails. −1: no limit. −1. */
    int64_t max_rejected;
    /**
     * Boolean: discard an unfinished job, and replace the files of an earlier job. A file that no job wrote is never
     * replaced: the job fails before it begins, and names the file. 0.
     */
    int32_t restart;
    /** Threads for reading and decoding; 0: one for each processor, at most 8 if the model runs on them. */
    uint32_t workers;
    /** Rows computed together; 32. */
    uint32_t block_rows;
    /** Memory for embeddings of sentences and images that may occur again; 64 MiB. */
    size_t cache_bytes;
    /** The most bytes of one row, 8 MiB, and of one image file, 64 MiB. */
    size_t row_limit;
    size_t image_limit;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
    /** Boolean: symbolic links may lead out of image_root. Otherwise a row with such an image is rejected. 0. */
    int32_t follow_links;
    /** 0. */
    uint32_t reserved;
    /** Splits the responses for which the data has no sub-sentences; NULL: the built-in rules. */
    const dama_splitter *splitter;
    /**
     * The form of the rows: "llava", "rlaif_v", "trl", "sharegpt" (LLaMA-Factory, ms-swift), "fields" (the names of fields
     * alone) or "auto", each row by its fields; docs/score.md describes them. NULL: "auto".
     */
    const char *data_format;
    /**
     * The rows after which the cache of embeddings begins anew, rounded up to whole blocks; 0: 4096. Results depend on
     * no row before that, to the last bit, and a shard can begin there. 0.
     */
    uint64_t cache_rows;
    /**
     * With shards > 0, scores the share number `shard`, from 0, of so many shares of the rows. Its files are named
     * NAME.shard-0-of-4.jsonl and so on for an output NAME.jsonl, and dama_merge_scores() joins them; alpha_data is null
     * in them, since it depends on δ̄ of all rows. 0 shards: all rows. 0.
     */
    uint64_t shard;
    uint64_t shards;
    /**
     * The file of a page (HTML) that draws the distributions of δ and α_D, and says what pairs with δ below 0 mean for
     * the labels. A file that no job wrote is not replaced. A finished job writes the page too, when it is run again.
     * NULL: no page. NULL.
     */
    const char *report;
} dama_score_dataset_options;

#define dama_score_dataset_options_init(options) \
    dama_score_dataset_options_init_sized((options), sizeof(dama_score_dataset_options))
DAMA_API void dama_score_dataset_options_init_sized(dama_score_dataset_options *options, size_t size);

/** The result of a finished job. Its summary file contains more. */
typedef struct dama_score_dataset_result {
    uint32_t struct_size;
    /** Boolean: an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t rows;
    uint64_t rows_scored;
    uint64_t rows_rejected;
    /** The mean of δ over the scored rows, and the δ̄ that alpha_D used. */
    double mean_delta;
    double mean_delta_used;
} dama_score_dataset_result;

#define dama_score_dataset_result_init(result) \
    dama_score_dataset_result_init_sized((result), sizeof(dama_score_dataset_result))
DAMA_API void dama_score_dataset_result_init_sized(dama_score_dataset_result *result, size_t size);

/**
 * Computes the hardness of every pair of a dataset, Eqs. (4) to (7), from a file to a file. Memory does not grow with
 * the number of rows. A job that was stopped or killed resumes when it is called again with the same options, and ends
 * with the same bytes. A finished job is not repeated. A bad row (broken JSON, a missing field, an empty response, an
 * image that is missing, damaged or outside the root) is rejected, and the job continues.
 *
 * @param[in]     scorer
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  Or NULL. Finished rows are kept: the next call with the same options resumes the job.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also if the output belongs to a job with other settings, which the message
 *         names; DAMA_IO for files that cannot be read or written, and for an output that another process is writing;
 *         DAMA_MODEL if more than max_rejected rows, or all rows, are rejected; a status that the callback returned.
 *
 * The job runs on its own threads, and the call returns when all of them have ended. Jobs with different outputs may
 * run at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_score_dataset(const dama_scorer *scorer,
                                                       const dama_score_dataset_options *options,
                                                       dama_score_dataset_result *result,
                                                       const dama_cancellation *cancellation);

/** The options of dama_merge_scores(); output is required. */
typedef struct dama_merge_scores_options {
    uint32_t struct_size;
    /** Boolean: replace the output of an earlier job. 0. */
    int32_t restart;
    /** The output of the whole, as the options of each shard name it. */
    const char *output;
    /** [shard_count] outputs of the shards, in any order; with 0 of them those beside the output, by their names. */
    const char *const *shards;
    size_t shard_count;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
} dama_merge_scores_options;

#define dama_merge_scores_options_init(options) \
    dama_merge_scores_options_init_sized((options), sizeof(dama_merge_scores_options))
DAMA_API void dama_merge_scores_options_init_sized(dama_merge_scores_options *options, size_t size);

/**
 * Joins the shards of dama_score_dataset(): δ̄, α_D of Eq. (7) and the statistics of all rows. Output, rejects and
 * summary are byte for byte those of one call over all rows with the same options, if the models of all shards compute
 * the same bits. Memory does not grow with the number of rows. The shards' files stay.
 *
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  Or NULL. The next call with the same options resumes the merge.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for shards that are missing, given twice, of other options or of other inputs,
 *         which the message names; DAMA_IO for files that cannot be read or written; DAMA_MODEL if all rows were
 *         rejected; a status that the callback returned.
 */
DAMA_API DAMA_NODISCARD dama_status dama_merge_scores(const dama_merge_scores_options *options,
                                                      dama_score_dataset_result *result,
                                                      const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_JOBS_H */
