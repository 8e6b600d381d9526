/* Training over a dataset: shuffled epochs, checkpoints, metrics, an exported model. */
#ifndef DAMA_TRAIN_H
#define DAMA_TRAIN_H

#include "jobs.h"
#include "trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a dama_train_progress tells. */
typedef enum dama_train_event {
    /** The reference's log-probabilities are being computed. */
    DAMA_TRAIN_REFERENCE = 0,
    /** A batch is done. */
    DAMA_TRAIN_BATCH = 1,
    /** A line of text for people, such as that the job goes on from a checkpoint. */
    DAMA_TRAIN_NOTICE = 2
} dama_train_event;

/** How far a training job is. Written by the library; struct_size says how much of it this library fills. */
typedef struct dama_train_progress {
    uint32_t struct_size;
    dama_train_event event;
    /** Of DAMA_TRAIN_REFERENCE; NULL otherwise. */
    const dama_progress *reference;
    /** Of DAMA_TRAIN_BATCH; NULL otherwise. */
    const dama_step_metrics *metrics;
    /** Of DAMA_TRAIN_NOTICE; NULL otherwise. */
    const char *notice;
    /** Batches done, those of earlier runs included, of how many; 0 but for DAMA_TRAIN_BATCH, as is what follows. */
    uint64_t batch;
    uint64_t batches;
    /** From 0. */
    uint64_t epoch;
    /** Since this run began to train. */
    double seconds;
    double batches_per_second;
    /** NaN while it cannot be told. */
    double seconds_left;
} dama_train_progress;

/**
 * Called on the thread that runs the job. A status other than DAMA_OK stops the job, which writes a checkpoint and then
 * returns that status. The struct and what it points to are valid during the call.
 */
typedef dama_status (*dama_train_callback)(const dama_train_progress *progress, void *user);

/** What dama_train_dataset() does; data and output have to be given. Its pointers are read by the call alone. */
typedef struct dama_train_dataset_options {
    uint32_t struct_size;
    /** N, the pairs of a step, 1 to 65536; 16. */
    uint32_t batch_size;
    /** JSON Lines or one JSON array, with the fields image, question, chosen and rejected. */
    const char *data;
    /** As in dama_score_dataset_options. */
    const char *image_root;
    /**
     * The folder that everything goes into: metrics.jsonl, tensorboard/, checkpoints/, rejects.jsonl, and at the end model/
     * and summary.json.
     */
    const char *output;
    /** [field_count] names of fields, "question=prompt"; NULL where field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** What dama_score_dataset() wrote for the dataset; NULL: α_D is 1 for every pair. */
    const char *scores;
    /**
     * What dama_reference_dataset() wrote for the dataset, or the dataset itself where its rows have logps; NULL: the job
     * computes it first, into the output folder.
     */
    const char *reference;
    /** The job fails at one row more that it cannot train on; −1: never. −1. */
    int64_t max_rejected;
    /** Boolean: forget what an earlier run left in the output folder. 0. */
    int32_t restart;
    /** As in dama_score_dataset_options. */
    int32_t follow_links;
    /** Times that every pair is taken; 4. */
    uint32_t epochs;
    /** Boolean: write event files that TensorBoard reads. 1. */
    int32_t tensorboard;
    /** Steps after which the job ends, in the middle of an epoch too; 0: those of all epochs. */
    uint64_t max_steps;
    /** Steps from one checkpoint to the next, 100, and how many checkpoints are kept, 2. */
    uint32_t checkpoint_every;
    uint32_t checkpoints_kept;
    /** The most bytes of one image file; 64 MiB. */
    size_t image_limit;
    /**
     * What is trained, and how; NULL: as dama_trainer_options_init() sets it. Its seed is also that of the order of the
     * pairs; its schedule must be NULL.
     */
    const dama_trainer_options *trainer;
    /** NULL: cosine, warm-up ratio 0.1. Its learning_rate and total_steps are not read: the job knows them. */
    const dama_schedule_options *schedule;
    /** NULL: DAMA_PRESET_PAPER. */
    const dama_adaptive_beta_options *method;
    /** What is written at the end, by kind and type alone; NULL: the whole model in fp32. */
    const dama_export_options *exported;
    /** Or NULL. */
    dama_train_callback progress;
    void *user;
    /** Boolean: write no model at the end; the last checkpoint has its weights. 0. */
    int32_t no_export;
    /** 0. */
    uint32_t reserved;
} dama_train_dataset_options;

#define dama_train_dataset_options_init(options) \
    dama_train_dataset_options_init_sized((options), sizeof(dama_train_dataset_options))
DAMA_API void dama_train_dataset_options_init_sized(dama_train_dataset_options *options, size_t size);

/** How a training job ended. */
typedef struct dama_train_dataset_result {
    uint32_t struct_size;
    /** 1 where an earlier run had finished the same job, and nothing was left to do. */
    int32_t was_complete;
    uint64_t batches;
    /** Batches that changed the weights, and those left out for a loss or gradient that was not finite. */
    uint64_t steps;
    uint64_t skipped;
    /** Pairs that were trained on, and rows that were not. */
    uint64_t pairs;
    uint64_t rows_rejected;
} dama_train_dataset_result;

#define dama_train_dataset_result_init(result) \
    dama_train_dataset_result_init_sized((result), sizeof(dama_train_dataset_result))
DAMA_API void dama_train_dataset_result_init_sized(dama_train_dataset_result *result, size_t size);

/**
 * Trains a policy over a dataset, Algorithm 1. Stopped or killed at any moment and called again with the same options, it
 * goes on from its last good checkpoint, and ends with the same weights bit for bit, given the same number of threads.
 *
 * @param[in]     policy        Where training starts; also the reference, for its own weights stay as they are.
 * @param[in]     options
 * @param[in,out] result        Or NULL.
 * @param[in]     cancellation  Or NULL. A checkpoint is written: the next call with the same options goes on from there.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also where the folder holds another job, naming the settings that differ;
 *         DAMA_IO; DAMA_MODEL for data that cannot be trained on, and a damaged file; otherwise as
 *         dama_trainer_create() and dama_trainer_step(); what the callback returned.
 *
 * Runs on several threads of its own and returns when all are done. May be called for different folders at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_train_dataset(const dama_policy *policy,
                                                       const dama_train_dataset_options *options,
                                                       dama_train_dataset_result *result,
                                                       const dama_cancellation *cancellation);

/** What is said to dama_train_yaml() beside the configuration. */
typedef struct dama_train_yaml_options {
    uint32_t struct_size;
    /** Boolean: forget what an earlier run left in the output folder. 0. */
    int32_t restart;
    /** What messages call the text, such as its file's path; NULL: "configuration". */
    const char *label;
    /** Or NULL. */
    dama_train_callback progress;
    void *user;
} dama_train_yaml_options;

#define dama_train_yaml_options_init(options) \
    dama_train_yaml_options_init_sized((options), sizeof(dama_train_yaml_options))
DAMA_API void dama_train_yaml_options_init_sized(dama_train_yaml_options *options, size_t size);

/**
 * Does what a configuration says, as `dama train` does: opens its model and trains it. docs/train.md lists the fields.
 *
 * @param[in]     text            YAML 1.2, of which JSON is a part; at most 1 MiB. Paths are relative to the process's
 *                                working directory.
 * @param[in]     overrides       [override_count] "key=value" in place of what the text says: "method.beta=0.2".
 * @param[in]     override_count
 * @param[in]     options         NULL: as dama_train_yaml_options_init() sets them.
 * @param[in,out] result          Or NULL.
 * @param[in]     cancellation    As for dama_train_dataset().
 * @return As dama_train_dataset() and dama_policy_create(); DAMA_INVALID_ARGUMENT also for a text that is no YAML,
 *         naming the line, and for a field that is unknown or out of its range, naming it.
 */
DAMA_API DAMA_NODISCARD dama_status dama_train_yaml(const char *text, const char *const *overrides,
                                                    size_t override_count, const dama_train_yaml_options *options,
                                                    dama_train_dataset_result *result,
                                                    const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TRAIN_H */
