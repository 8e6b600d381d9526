/* Benchmarks: their data, their questions, and the job that scores a model's answers to them. */
#ifndef DAMA_EVALUATE_H
#define DAMA_EVALUATE_H

#include "jobs.h"
#include "judge.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns the names of all benchmarks.
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_evaluate_benchmarks(dama_strings **out);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Data                                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------- */

/** What dama_evaluate_prepare() made, and what is missing. It never changes; all threads may use it at once. */
typedef struct dama_preparation dama_preparation;

/** A file to download. */
typedef struct dama_download {
    /** Its usual name, in which "*" stands for any text. */
    const char *name;
    /** Where it is to be had: an address, or a text that says so. */
    const char *address;
    /** The SHA-256 of each known version, in hexadecimal; empty for a file without fixed contents. */
    const dama_strings *sha256;
} dama_download;

/** A file of a benchmark's data that cannot be made yet. */
typedef struct dama_missing_file {
    uint32_t struct_size;
    /** Boolean: the benchmark can be evaluated without it. */
    int32_t is_optional;
    /** The name in the folder. */
    const char *name;
    /** What it is for. */
    const char *purpose;
    /** [download_count] what it is made of and is not there. */
    const dama_download *downloads;
    size_t download_count;
} dama_missing_file;

#define dama_missing_file_init(file) dama_missing_file_init_sized((file), sizeof(dama_missing_file))
DAMA_API void dama_missing_file_init_sized(dama_missing_file *file, size_t size);

/**
 * Makes the folder of a benchmark's data out of downloaded files. Nothing is downloaded. A file is recognised by its
 * SHA-256, whatever its name; one without fixed contents by its name. May be repeated: files are added to the folder.
 *
 * @param[out] out           What was made, and what is missing.
 * @param[in]  benchmark
 * @param[in]  files         [file_count]; may be NULL if file_count is 0, which lists what the benchmark needs.
 * @param[in]  file_count
 * @param[in]  any_version   Boolean: a file of no known version is taken by its name. Every summary says so.
 * @param[in]  output        The folder; it is created if it does not exist.
 * @param[in]  cancellation  Or NULL. Files that were made stay.
 * @return DAMA_OK, also if files are missing; DAMA_INVALID_ARGUMENT for an unknown benchmark, a file that it does not
 *         use or of another version, and a folder with files of others; DAMA_IO for what cannot be read or written.
 */
DAMA_API DAMA_NODISCARD dama_status dama_evaluate_prepare(dama_preparation **out, const char *benchmark,
                                                          const char *const *files, size_t file_count,
                                                          int32_t any_version, const char *output,
                                                          const dama_cancellation *cancellation);

/** Frees a preparation. */
DAMA_API void dama_preparation_free(dama_preparation *preparation);

/** Returns the names of the files that this call made; NULL for NULL. */
DAMA_API const dama_strings *dama_preparation_made(const dama_preparation *preparation);

/** Returns the names of the files that an earlier call made; NULL for NULL. */
DAMA_API const dama_strings *dama_preparation_kept(const dama_preparation *preparation);

/** Returns the number of missing files; 0 for NULL. */
DAMA_API size_t dama_preparation_count(const dama_preparation *preparation);

/**
 * Returns one missing file.
 *
 * @param[in]     preparation
 * @param[in]     index  Below dama_preparation_count().
 * @param[in,out] file
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_preparation_at(const dama_preparation *preparation, size_t index,
                                                        dama_missing_file *file);

/**
 * Writes a benchmark's questions as a dataset for dama_generate_dataset(): idx, image and question.
 *
 * @param[in]  benchmark
 * @param[in]  data       The folder of its data.
 * @param[in]  part       The part of the benchmark; NULL: all.
 * @param[in]  output     The file, JSON Lines; it must not exist.
 * @param[out] count      The number of questions. Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for an unknown benchmark or part, data that is missing or has changed, and an
 *         output that exists; DAMA_IO for files that cannot be read or written.
 */
DAMA_API DAMA_NODISCARD dama_status dama_evaluate_questions(const char *benchmark, const char *data, const char *part,
                                                            const char *output, uint64_t *count);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Scoring                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------- */

/** The metrics of an evaluation. They never change; all threads may use them at the same time. */
typedef struct dama_metrics dama_metrics;

/** One metric. */
typedef struct dama_metric {
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** Its name in the summary, such as "f1". */
    const char *name;
    /** The exact value in the unit of the official script, or the mean over the runs; NaN: a denominator is 0. */
    double value;
    /** The standard deviation over the runs, with their number as divisor; NaN for one run. */
    double standard_deviation;
    /**
     * The number as the official script prints it; NULL for a metric that it does not have, and for several runs where
     * it prints no mean.
     */
    const char *official;
    /** [run_count] the value of each run. */
    const double *runs;
    size_t run_count;
} dama_metric;

#define dama_metric_init(metric) dama_metric_init_sized((metric), sizeof(dama_metric))
DAMA_API void dama_metric_init_sized(dama_metric *metric, size_t size);

/** Frees metrics. */
DAMA_API void dama_metrics_free(dama_metrics *metrics);

/** Returns the number of metrics; 0 for NULL. */
DAMA_API size_t dama_metrics_count(const dama_metrics *metrics);

/**
 * Returns one metric, in the order of the benchmark.
 *
 * @param[in]     metrics
 * @param[in]     index   Below dama_metrics_count().
 * @param[in,out] metric
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_metrics_at(const dama_metrics *metrics, size_t index, dama_metric *metric);

/** The options of dama_evaluate(); benchmark, data, responses and output are required. */
typedef struct dama_evaluate_options {
    uint32_t struct_size;
    /** How often the judge is asked, 1 to 1000; metrics then have a mean and a standard deviation. 1. */
    uint32_t runs;
    /** One of dama_evaluate_benchmarks(). */
    const char *benchmark;
    /** The folder that dama_evaluate_prepare() made. */
    const char *data;
    /** The answers: the output of dama_generate_dataset(), or the benchmark's official form. */
    const char *responses;
    /** As in dama_score_dataset_options, without NAME.run.json. */
    const char *output;
    /** The way to score, by the benchmark's own name for it; NULL: its default. */
    const char *variant;
    /** The part of the benchmark to evaluate; NULL: all. */
    const char *part;
    /** The judge's prompts: "own", or "official" for those of the official script in the data. NULL: "own". */
    const char *prompts;
    /** A file with a judge's answers in the official form; no judge is asked. NULL: none. */
    const char *judge_answers;
    /** For benchmarks that need one; others ignore it. NULL: none. */
    const dama_judge *judge;
    /** The most questions without an answer; with one more, the job fails. −1: no limit. −1. */
    int64_t max_missing;
    /** The most rejected rows; with one more, the job fails. −1: no limit. −1. */
    int64_t max_rejected;
    /** As in dama_score_dataset_options. */
    int32_t restart;
    /**
     * Threads that score; 0: with a judge as many as it is asked at once, otherwise one for each processor, at most 8.
     * A judge is asked by each thread at most once at a time.
     */
    uint32_t workers;
    /** Answers scored together; 256. */
    uint32_t block_rows;
    /** 0. */
    uint32_t reserved;
    /** The most bytes of one row; 8 MiB. */
    size_t row_limit;
    /** Or NULL. */
    dama_progress_callback progress;
    void *user;
} dama_evaluate_options;

#define dama_evaluate_options_init(options) dama_evaluate_options_init_sized((options), sizeof(dama_evaluate_options))
DAMA_API void dama_evaluate_options_init_sized(dama_evaluate_options *options, size_t size);

/** The counts of a finished evaluation. Its summary file contains more. */
typedef struct dama_evaluate_result {
    uint32_t struct_size;
    /** Boolean: an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    /** Questions of the part that was evaluated, and those with and without an answer. */
    uint64_t questions;
    uint64_t answered;
    uint64_t missing;
    /** Answers without text; they are scored as the benchmark scores them. */
    uint64_t empty;
    uint64_t rows_rejected;
} dama_evaluate_result;

#define dama_evaluate_result_init(result) dama_evaluate_result_init_sized((result), sizeof(dama_evaluate_result))
DAMA_API void dama_evaluate_result_init_sized(dama_evaluate_result *result, size_t size);

/**
 * Scores a model's answers to a benchmark, from a file to a file, and computes the benchmark's metrics. Like
 * dama_score_dataset() it resumes after it was stopped, and rejects bad rows: an answer to an unknown question, a
 * second answer to a question. A line of the output holds id, pass if answers are right or wrong, counts, of which the
 * metrics are made, and what the score rests on.
 *
 * @param[out]    out           The metrics. Or NULL.
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  As for dama_score_dataset().
 * @return As dama_score_dataset(); DAMA_INVALID_ARGUMENT also for an unknown benchmark, variant or part, data that is
 *         missing or has changed, and a missing judge; DAMA_MODEL also if more than max_missing questions have no
 *         answer, and if another model answers than the judge's; the errors of a judge's command, server, model or
 *         callback.
 *
 * The job runs on its own threads, and the call returns when all of them have ended. Jobs with different outputs may
 * run at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_evaluate(dama_metrics **out, const dama_evaluate_options *options,
                                                  dama_evaluate_result *result,
                                                  const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_EVALUATE_H */
