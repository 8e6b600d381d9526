/* The job that trains on a dataset: shuffled epochs, checkpoints, metrics, an exported model. */
#ifndef DAMA_TRAIN_H
#define DAMA_TRAIN_H

#include "jobs.h"
#include "trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The kind of a dama_train_progress. */
typedef enum dama_train_event {
    /** The reference's log-probabilities are being computed. */
    DAMA_TRAIN_REFERENCE = 0,
    /** A batch is done. */
    DAMA_TRAIN_BATCH = 1,
    /** A line of text for people, for example that the job resumes from a checkpoint. */
    DAMA_TRAIN_NOTICE = 2
} dama_train_event;

/** The progress of a training job. The library writes it; struct_size is the number of bytes that it fills. */
typedef struct dama_train_progress {
    uint32_t struct_size;
    dama_train_event event;
    /** The progress for DAMA_TRAIN_REFERENCE; otherwise NULL. */
    const dama_progress *reference;
    /** The metrics for DAMA_TRAIN_BATCH; otherwise NULL. */
    const dama_step_metrics *metrics;
    /** The text for DAMA_TRAIN_NOTICE; otherwise NULL. */
    const char *notice;
    /** Batches done, including those of earlier runs, and batches of the job; for DAMA_TRAIN_BATCH, otherwise 0. */
    uint64_t batch;
    uint64_t batches;
    /** Counted from 0. */
    uint64_t epoch;
    /** Seconds since this run began to train. */
    double seconds;
    double batches_per_second;
    /** NaN while it is unknown. */
    double seconds_left;
} dama_train_progress;

/**
 * Receives the progress of a training job, on the thread that runs the job. A status other than DAMA_OK stops the job,
 * which writes a checkpoint and returns that status. The struct and its pointers are valid during the call.
 */
typedef dama_status (*dama_train_callback)(const dama_train_progress *progress, void *user);

/** The options of dama_train_dataset(); data and output are required. Pointers are not used after the call. */
typedef struct dama_train_dataset_options {
    uint32_t struct_size;
    /** N, the number of pairs in a step, 1 to 65536; 16. */
    uint32_t batch_size;
    /** JSON Lines or one JSON array, with the fields image, question (or prompt), chosen and rejected. */
    const char *data;
    /** As in dama_score_dataset_options. */
    const char *image_root;
    /**
     * The folder of all results: metrics.jsonl, tensorboard/, checkpoints/, rejects.jsonl, and at the end model/ and
     * summary.json.
     */
    const char *output;
    /** [field_count] other names of fields, "question=prompt"; may be NULL if field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /**
     * The output of dama_score_dataset() for the dataset, or the dataset itself if its rows have chosen_logits and
     * rejected_logits; NULL: α_D is 1 for every pair.
     */
    const char *scores;
    /**
     * The output of dama_reference_dataset() for the dataset, or the dataset itself if its rows have logps; NULL: the
     * job first computes it, into the output folder.
     */
    const char *reference;
    /** The most rejected rows; with one more, the job fails. −1: no limit. −1. */
    int64_t max_rejected;
    /** Boolean: discard the work of an earlier run in the output folder. 0. */
    int32_t restart;
    /** As in dama_score_dataset_options. */
    int32_t follow_links;
    /** The number of passes over the dataset; 4. */
    uint32_t epochs;
    /** Boolean: write event files for TensorBoard. 1. */
    int32_t tensorboard;
    /** The number of steps after which the job ends, also in the middle of an epoch; 0: the steps of all epochs. */
    uint64_t max_steps;
    /** Steps from one checkpoint to the next, 100, and the number of checkpoints that are kept, 2. */
    uint32_t checkpoint_every;
    uint32_t checkpoints_kept;
    /** The most bytes of one image file; 64 MiB. */
    size_t image_limit;
    /**
     * What is trained, and how; NULL: as dama_trainer_options_init() sets it. Its seed also determines the order of the
     * pairs. Its schedule must be NULL. Its ranks run the job together, as in dama_train_yaml_options.
     */
    const dama_trainer_options *trainer;
    /** NULL: cosine, warm-up ratio 0.1. The job sets learning_rate and total_steps itself and ignores these fields. */
    const dama_schedule_options *schedule;
    /** NULL: DAMA_PRESET_PAPER. */
    const dama_adaptive_beta_options *method;
    /** What is exported at the end; only kind and type are read. NULL: the whole model in fp32. */
    const dama_export_options *exported;
    /** Or NULL. */
    dama_train_callback progress;
    void *user;
    /** Boolean: export no model at the end; the last checkpoint contains the weights. 0. */
    int32_t no_export;
    /** 0. */
    uint32_t reserved;
    /** Boolean: each epoch has its own order of the pairs; otherwise all have the order of the file. 1. */
    int32_t shuffle;
    /**
     * Boolean: the last pairs of an epoch that do not fill a batch are left out of it; otherwise they are a smaller
     * batch. 1.
     */
    int32_t drop_last;
    /** The mean of δ for α_D, Eq. (7): α_D is computed again from δ. NaN: α_D of scores. NaN. */
    double mean_delta;
    /** As in dama_score_dataset_options. */
    const char *data_format;
    /**
     * A dataset of pairs that are not trained on, in the form of data. Every eval_every batches and at the end their
     * loss, accuracy, margins and log-probabilities are written to metrics.jsonl and for TensorBoard. They never
     * influence the training. NULL.
     */
    const char *eval_data;
    /** Instead, the share of data's pairs, between 0 and 1, that is held out of training for this. NaN. */
    double eval_share;
    /** 100. */
    uint64_t eval_every;
    /**
     * The metric whose best checkpoint is kept as checkpoints/best.safetensors: "loss", "accuracy", "margin" or "none".
     * NULL: "loss".
     */
    const char *eval_best;
    /**
     * Pairs whose δ in scores is smaller are not trained on, because many of their labels are wrong; NaN: all pairs are.
     * NaN.
     */
    double min_delta;
} dama_train_dataset_options;

#define dama_train_dataset_options_init(options) \
    dama_train_dataset_options_init_sized((options), sizeof(dama_train_dataset_options))
DAMA_API void dama_train_dataset_options_init_sized(dama_train_dataset_options *options, size_t size);

/** The result of a finished training job. */
typedef struct dama_train_dataset_result {
    uint32_t struct_size;
    /** Boolean: an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t batches;
    /** Batches that changed the weights, and batches skipped because of a non-finite loss or gradient. */
    uint64_t steps;
    uint64_t skipped;
    /** Pairs used for training, and rejected rows. */
    uint64_t pairs;
    uint64_t rows_rejected;
} dama_train_dataset_result;

#define dama_train_dataset_result_init(result) \
    dama_train_dataset_result_init_sized((result), sizeof(dama_train_dataset_result))
DAMA_API void dama_train_dataset_result_init_sized(dama_train_dataset_result *result, size_t size);

/**
 * Trains a policy on a dataset, Algorithm 1. A job that was stopped or killed resumes from its last good checkpoint
 * when it is called again with the same options. It ends with the same weights bit for bit, given the same number of
 * threads.
 *
 * @param[in]     policy        Gives the initial weights. It is also the reference, because it does not change.
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  Or NULL. The job writes a checkpoint, from which the next call with the same options
 *                              resumes.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also if the folder belongs to a job with other settings, which the message
 *         names; DAMA_IO; DAMA_MODEL for data that cannot be used for training, and for a damaged file; otherwise as
 *         dama_trainer_create() and dama_trainer_step(); a status that the callback returned.
 *
 * The job runs on its own threads, and the call returns when all of them have ended. Jobs with different folders may
 * run at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_train_dataset(const dama_policy *policy,
                                                       const dama_train_dataset_options *options,
                                                       dama_train_dataset_result *result,
                                                       const dama_cancellation *cancellation);

/** The options of dama_train_yaml() that are not part of the configuration. */
typedef struct dama_train_yaml_options {
    uint32_t struct_size;
    /** As in dama_train_dataset_options. */
    int32_t restart;
    /** The name of the text in messages, such as the path of its file; NULL: "configuration". */
    const char *label;
    /** Or NULL. */
    dama_train_callback progress;
    void *user;
    /**
     * NULL: this process trains alone. Otherwise every rank calls the function with the same text. The first rank writes
     * the output folder, which all of them see; if one stops or fails, all stop after the same batch.
     */
    const dama_ranks *ranks;
    /** The ONNX Runtime library if the text and the overrides name none; NULL: as in dama_policy_options. */
    const char *onnxruntime;
} dama_train_yaml_options;

#define dama_train_yaml_options_init(options) \
    dama_train_yaml_options_init_sized((options), sizeof(dama_train_yaml_options))
DAMA_API void dama_train_yaml_options_init_sized(dama_train_yaml_options *options, size_t size);

/**
 * Opens the model of a configuration and trains it, as `dama train` does. docs/train.md lists the fields.
 *
 * @param[in]     text            YAML 1.2, which includes JSON; at most 1 MiB. Paths are relative to the process's
 *                                working directory.
 * @param[in]     overrides       [override_count] "key=value" replaces a value of the text: "method.beta=0.2".
 * @param[in]     override_count
 * @param[in]     options         NULL: as dama_train_yaml_options_init() sets them.
 * @param[in,out] result          Or NULL.
 * @param[in]     cancellation    As for dama_train_dataset().
 * @return As dama_train_dataset() and dama_policy_create(); DAMA_INVALID_ARGUMENT also for a text that is not YAML (the
 *         message names the line), and for a field that is unknown or outside its range (the message names the field).
 */
DAMA_API DAMA_NODISCARD dama_status dama_train_yaml(const char *text, const char *const *overrides,
                                                    size_t override_count, const dama_train_yaml_options *options,
                                                    dama_train_dataset_result *result,
                                                    const dama_cancellation *cancellation);

/** How much memory a training step takes. May be used by several threads at the same time. */
typedef struct dama_memory_plan dama_memory_plan;

/** The options of dama_train_plan() that are not part of the configuration. */
typedef struct dama_memory_plan_options {
    uint32_t struct_size;
    /** Tokens of a prompt without those of its image, 64, and tokens of each response, 128. */
    uint32_t prompt_tokens;
    uint32_t response_tokens;
    /** 0. */
    uint32_t reserved;
    /** As in dama_train_yaml_options. */
    const char *label;
} dama_memory_plan_options;

#define dama_memory_plan_options_init(options) \
    dama_memory_plan_options_init_sized((options), sizeof(dama_memory_plan_options))
DAMA_API void dama_memory_plan_options_init_sized(dama_memory_plan_options *options, size_t size);

/**
 * Computes how much memory a step of dama_train_yaml() takes, as `dama train --plan` does. Of the model only config.json
 * is read: its weights, the data and a device need not be there.
 *
 * @param[out] out
 * @param[in]  text            As for dama_train_yaml().
 * @param[in]  overrides       [override_count] As for dama_train_yaml().
 * @param[in]  override_count
 * @param[in]  options         NULL: as dama_memory_plan_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT as dama_train_yaml(), and for numbers of tokens that are outside their ranges;
 *         DAMA_UNSUPPORTED for a model of another architecture; DAMA_IO and DAMA_MODEL for config.json.
 */
DAMA_API DAMA_NODISCARD dama_status dama_train_plan(dama_memory_plan **out, const char *text,
                                                    const char *const *overrides, size_t override_count,
                                                    const dama_memory_plan_options *options);

/** Frees a plan. */
DAMA_API void dama_memory_plan_free(dama_memory_plan *plan);

/** Returns a table for people; NULL for NULL. */
DAMA_API const char *dama_memory_plan_text(const dama_memory_plan *plan);

/**
 * Returns all numbers as one JSON object; NULL for NULL. Its members: device, precision, activations and offload of the
 * step; pairs, its pairs; tokens_of_pair; pairs_of_runs, the pairs of each run; trained, the trained numbers; parts, the
 * bytes for each purpose, and total, their sum, each with device and host.
 */
DAMA_API const char *dama_memory_plan_json(const dama_memory_plan *plan);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TRAIN_H */
