/* Training steps. */
#ifndef DAMA_TRAINER_H
#define DAMA_TRAINER_H

#include "beta.h"
#include "kernels.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Which weights are trained. */
typedef enum dama_trainable {
    /** The whole language model and, if it exists, the projector. The vision tower is frozen. */
    DAMA_TRAINABLE_FULL = 0,
    /** Low-rank matrices that are added to frozen weights (LoRA, Hu et al. 2021). */
    DAMA_TRAINABLE_LORA = 1,
    /** Only the projector of images; in LLaVA-1.6 also the vector behind each row of patches. */
    DAMA_TRAINABLE_PROJECTOR = 2,
    /** The weights whose names in the files match a pattern. */
    DAMA_TRAINABLE_PATTERNS = 3
} dama_trainable;

/** Which values of the forward run are kept for the backward run. */
typedef enum dama_activations {
    /** All values that the gradient needs. */
    DAMA_ACTIVATIONS_KEEP = 0,
    /** The values between layers; the values inside layers are computed again. */
    DAMA_ACTIVATIONS_RECOMPUTE = 1
} dama_activations;

/** The type of the numbers that a dama_sum_callback sums. */
typedef enum dama_sum_type {
    DAMA_SUM_FLOAT32 = 0,
    DAMA_SUM_FLOAT64 = 1
} dama_sum_type;

/**
 * Replaces numbers by their sums over all ranks, as all_reduce of MPI, NCCL and torch.distributed. All ranks call it with
 * equally many numbers, in the same order of calls, and must get the same bits. It is called on the thread that runs the
 * step or the job.
 *
 * @param[in,out] numbers  [count]
 * @param[in]     count
 * @param[in]     type
 * @param[in]     device   The number of the CUDA device in whose memory the numbers are; −1 for host memory. Work of the
 *                         device on them is ordered with the default stream.
 * @param[in]     user
 * @return DAMA_OK; any other status stops the step or the job, which returns it.
 */
typedef dama_status (*dama_sum_callback)(void *numbers, size_t count, dama_sum_type type, int64_t device, void *user);

/** The processes or threads that train one model together, a rank each, with the same model, options and data. */
typedef struct dama_ranks {
    uint32_t struct_size;
    /** This one's rank, from 0; 0. */
    uint32_t rank;
    /** The number of ranks, 1 to 65536; 1. */
    uint32_t count;
    /** 0. */
    uint32_t reserved;
    /** May be NULL if count is 1. */
    dama_sum_callback sum;
    void *user;
} dama_ranks;

#define dama_ranks_init(ranks) dama_ranks_init_sized((ranks), sizeof(dama_ranks))
DAMA_API void dama_ranks_init_sized(dama_ranks *ranks, size_t size);

/** What a trainer trains, and how. Pointers are not used after dama_trainer_create(). */
typedef struct dama_trainer_options {
    uint32_t struct_size;
    /** DAMA_TRAINABLE_FULL. */
    dama_trainable trainable;
    /** [pattern_count] for DAMA_TRAINABLE_PATTERNS: names in which * matches any text. NULL. */
    const char *const *patterns;
    size_t pattern_count;
    /**
     * [lora_target_count] for DAMA_TRAINABLE_LORA: "q_proj", "down_proj", …, or "all-linear"; NULL with 0: "q_proj" and
     * "v_proj".
     */
    const char *const *lora_targets;
    size_t lora_target_count;
    /** α > 0: the product of the matrices is scaled by α / rank. 32. */
    double lora_alpha;
    /** The rank of the matrices, 1 to 4096; 16. */
    uint32_t lora_rank;
    /** DAMA_ACTIVATIONS_KEEP. */
    dama_activations activations;
    /** The seed of the adapters' initial values; 0. */
    uint64_t seed;
    /** As in dama_adamw_options: 5e-7, 0.9, 0.999, 1e-8, 0. Norms and biases do not decay. */
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    /** The learning rates of the run; NULL: learning_rate throughout. */
    const dama_schedule_options *schedule;
    /** The global norm to which gradients are clipped; 0: no clipping. 1. */
    double max_gradient_norm;
    /** The most tokens of one forward or backward run, including padding; a longer pair is a run by itself. 4096. */
    uint32_t tokens_per_run;
    /** Threads of the optimizer; 0: one for each processor. The models use the policy's threads. 0. */
    uint32_t threads;
    /** The probability, 0 ≤ p < 1, with which a number that an adapter takes is set to 0; the others grow by 1 / (1 − p).
     *  0. */
    double lora_dropout;
    /**
     * w ≥ 0 of L = L_pref + w · L_sft, where L_sft is the negative log-likelihood of the kept pairs' chosen responses,
     * divided by the number of their tokens: TRL's rpo_alpha. Used by dama_trainer_step(). 0.
     */
    double sft_weight;
    /** Boolean: the host keeps the fp32 weights and the moments of a policy on a device, and updates them there. The
     *  device then holds only the weights that runs read and the gradients. Without effect on the CPU. 0. */
    uint64_t offload;
    /**
     * NULL: this process trains alone. Otherwise every rank calls dama_trainer_step() at the same time with its share of a
     * batch: of N pairs, those with the numbers rank, rank + count, rank + 2 · count, … The callback and user are used as
     * long as the trainer lives.
     */
    const dama_ranks *ranks;
} dama_trainer_options;

#define dama_trainer_options_init(options) dama_trainer_options_init_sized((options), sizeof(dama_trainer_options))
DAMA_API void dama_trainer_options_init_sized(dama_trainer_options *options, size_t size);

/**
 * A trainer holds weights in fp32 with their gradients and moments, AdamW, and an adaptive beta. Training starts from
 * the weights of a dama_policy. The policy does not change, so it can be its own reference.
 *
 * dama_trainer_step() is the inner loop of Algorithm 1, over several ranks with dama_trainer_options.ranks. Its parts can
 * also be called separately, for example by a framework that has its own ranks: dama_trainer_forward() over the pairs of
 * the rank; dama_adaptive_beta_step() with the sums of all
 * ranks; dama_trainer_backward() with its gradients; the sum of the gradients over the ranks, in the memory that
 * dama_trainer_parameter_at() returns; dama_trainer_update(); dama_adaptive_beta_commit(); dama_trainer_zero_grad().
 */
typedef struct dama_trainer dama_trainer;

/**
 * Creates a trainer.
 *
 * @param[out] out
 * @param[in]  policy      Gives the initial weights. The trainer keeps the model as long as it needs it; the handle may
 *                         be freed at any time.
 * @param[in]  reference   The reference model, kept in the same way; it may be policy. NULL if all pairs have reference
 *                         log-probabilities, or the loss needs none.
 * @param[in]  controller  Copied with its options and state; NULL: a new one with DAMA_PRESET_PAPER.
 * @param[in]  options     NULL: as dama_trainer_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an option outside its range, patterns that match no weight, and a
 *         projector if the model has none; DAMA_UNSUPPORTED also for an ONNX Runtime that computes a known gradient
 *         wrongly; otherwise as dama_policy_create().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_create(dama_trainer **out, const dama_policy *policy,
                                                        const dama_policy *reference,
                                                        const dama_adaptive_beta *controller,
                                                        const dama_trainer_options *options);

/** Frees a trainer, with the memory of its parameters. */
DAMA_API void dama_trainer_free(dama_trainer *trainer);

/** A pair for training. Call dama_training_pair_init() first. */
typedef struct dama_training_pair {
    dama_preference_pair pair;
    /** α_D > 0, Eq. (7); 1. */
    double alpha_data;
    /** log π_ref of both responses, ≤ 0, for example from a cache; NaN in both: the reference computes them. NaN. */
    double reference_chosen;
    double reference_rejected;
    /** The third of the dataset by hardness: 0 the hardest, 2 the easiest, −1 unknown. Only for the metrics. −1. */
    int32_t hardness_third;
} dama_training_pair;

/** Sets the defaults and an empty pair. */
DAMA_API void dama_training_pair_init(dama_training_pair *pair);

/** The metrics of one step. Means are over the pairs of the batch. */
typedef struct dama_step_metrics {
    uint32_t struct_size;
    /** Boolean: 0 if loss or gradient were not finite; weights, moments and controller are then unchanged. */
    int32_t updated;
    /** Updates so far, including this one; skipped updates so far. */
    uint64_t step;
    uint64_t skipped;
    /** As in dama_preference_result, but the running mean is the one after the step. */
    double loss;
    double alpha_model;
    double running_mean;
    double accuracy;
    /** Mean, minimum and maximum of β over the pairs. */
    double beta_mean;
    double beta_min;
    double beta_max;
    /** Mean of h. */
    double margin_mean;
    /** Means of the implicit rewards. */
    double reward_chosen;
    double reward_rejected;
    /** Mean of h times the base β over the pairs of each third by hardness; NaN for an empty third. */
    double gap_by_third[3];
    /** The global norm before clipping. */
    double gradient_norm;
    double learning_rate;
    /** Pairs of the batch, pairs that the filter kept, and tokens of images, prompts and responses. */
    size_t pairs;
    size_t kept;
    size_t tokens;
    /** Seconds for tokenizing and decoding; the reference; forward; backward; clipping and AdamW. */
    double seconds_prepare;
    double seconds_reference;
    double seconds_forward;
    double seconds_backward;
    double seconds_update;
    /** Standard deviations of h and of the pairs' losses, with divisor N − 1; NaN for a single pair. */
    double margin_std;
    double loss_std;
    /** Means of log π(y | I, x) by the policy and by the reference; NaN for a loss without a reference. */
    double logps_chosen;
    double logps_rejected;
    double reference_chosen;
    double reference_rejected;
    /** Pairs whose β is the floor or the ceiling. */
    size_t beta_clamped;
    /** L_sft of dama_trainer_options.sft_weight, also if its weight is 0. */
    double sft_loss;
} dama_step_metrics;

#define dama_step_metrics_init(metrics) dama_step_metrics_init_sized((metrics), sizeof(dama_step_metrics))
DAMA_API void dama_step_metrics_init_sized(dama_step_metrics *metrics, size_t size);

/**
 * Performs one update from a batch, Algorithm 1: forward over all pairs, gaps, filter, β, loss, backward over the kept
 * pairs, clipping, AdamW, running mean. It discards the gradients of dama_trainer_backward().
 *
 * @param[in]     trainer
 * @param[in]     pairs         [count] With ranks, this rank's share of the batch.
 * @param[in]     count         N ≥ 1.
 * @param[in,out] metrics       Or NULL. Those of the whole batch, on all ranks.
 * @param[in]     cancellation  Or NULL. A step is atomic: if the request comes too late, the step returns DAMA_OK.
 * @return DAMA_OK, also if the update was skipped because of non-finite numbers; DAMA_INVALID_ARGUMENT for NULL, a
 *         number outside its range, only one of two reference log-probabilities, missing ones without a reference, and
 *         a batch without a finite pair; DAMA_SHAPE_MISMATCH for another number of pairs than the rank's share;
 *         DAMA_CANCELLED also if another rank failed; otherwise as dama_policy_logps(). On failure weights, moments,
 *         controller and counts are unchanged, on all ranks.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_step(dama_trainer *trainer, const dama_training_pair *pairs,
                                                      size_t count, dama_step_metrics *metrics,
                                                      const dama_cancellation *cancellation);

/**
 * Computes log π(y | I, x) with the trained weights, as dama_policy_logps(). The trainer keeps the activations for
 * dama_trainer_backward() until the next forward run, step or update.
 *
 * @param[out] out      In the order of pairs.
 * @param[in]  trainer
 * @param[in]  pairs, count, cancellation  As for dama_policy_logps().
 * @return As dama_policy_logps(). On failure no activations are kept, also none of an earlier run.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_forward(dama_logps **out, dama_trainer *trainer,
                                                         const dama_preference_pair *pairs, size_t count,
                                                         const dama_cancellation *cancellation);

/**
 * Adds the gradient of Σ grad_chosen · log π(y_w) + grad_rejected · log π(y_l) over the pairs of the last forward run
 * to the parameters' gradients. Several rounds of forward and backward add up.
 *
 * @param[in] trainer
 * @param[in] grad_chosen    [count] ∂L/∂log π(y_w), as in dama_preference_result. Pairs with 0 cost little.
 * @param[in] grad_rejected  [count] ∂L/∂log π(y_l).
 * @param[in] count          The number of pairs of the last forward run.
 * @param[in] cancellation   Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and without a forward run since the last update; DAMA_SHAPE_MISMATCH
 *         for another count. On failure gradients may be added in part; clear them with dama_trainer_zero_grad().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_backward(dama_trainer *trainer, const double *grad_chosen,
                                                          const double *grad_rejected, size_t count,
                                                          const dama_cancellation *cancellation);

/** Sets all gradients to 0. @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_zero_grad(dama_trainer *trainer);

/**
 * Computes the global norm of all gradients; it is not finite if any number is not finite.
 *
 * @param[in]  trainer
 * @param[out] norm
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_gradient_norm(const dama_trainer *trainer, double *norm);

/**
 * Clips the current gradients and performs an AdamW step at the schedule's rate. The controller and the gradients do
 * not change.
 *
 * @param[in]  trainer
 * @param[out] gradient_norm  The global norm before clipping; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and for a norm that is not finite; nothing changes then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_update(dama_trainer *trainer, double *gradient_norm);

/** A trainable tensor. Its pointers are valid until dama_trainer_free(). */
typedef struct dama_parameter {
    uint32_t struct_size;
    /** Boolean: weight decay applies. */
    int32_t decays;
    /** The name in the model's files, or the name of an adapter's matrix. */
    const char *name;
    /** [dimensions] */
    const int64_t *shape;
    size_t dimensions;
    /** The number of elements: the product of the shape. */
    size_t count;
    /**
     * [count] each: memory of the trainer, at addresses that never change. The caller may read and write it between
     * calls, for example to sum gradients over ranks. NULL if the numbers lie on a device or the precision is not
     * float32: dama_trainer_read_parameter() and dama_trainer_write_parameter() reach those too.
     */
    float *value;
    float *gradient;
    /**
     * [count] float: the gradient in the memory of a CUDA device, at an address that never changes; NULL if it is in
     * host memory. Work of the device that reads or writes it must be ordered with the default stream. Frameworks reduce
     * it in place.
     */
    void *device_gradient;
    /** The number of that device; −1 for host memory. */
    int64_t device;
} dama_parameter;

#define dama_parameter_init(parameter) dama_parameter_init_sized((parameter), sizeof(dama_parameter))
DAMA_API void dama_parameter_init_sized(dama_parameter *parameter, size_t size);

/** Returns the number of trainable tensors; 0 for NULL. Their order depends only on model and options. */
DAMA_API size_t dama_trainer_parameter_count(const dama_trainer *trainer);

/**
 * Returns one trainable tensor.
 *
 * @param[in]     trainer
 * @param[in]     index      Below dama_trainer_parameter_count().
 * @param[in,out] parameter
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_parameter_at(const dama_trainer *trainer, size_t index,
                                                              dama_parameter *parameter);

/** What dama_trainer_read_parameter() copies. */
typedef enum dama_parameter_part {
    DAMA_PARAMETER_VALUE = 0,
    DAMA_PARAMETER_GRADIENT = 1
} dama_parameter_part;

/**
 * Copies the fp32 value or the gradient of a trainable tensor, wherever it lies, to host memory. With float16 the
 * gradients are multiplied by the loss scale.
 *
 * @param[in]  trainer
 * @param[in]  index     Below dama_trainer_parameter_count().
 * @param[in]  part
 * @param[out] numbers   [capacity]
 * @param[in]  capacity  The tensor's number of elements.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an index beyond the end or an unknown part; DAMA_SHAPE_MISMATCH for
 *         another capacity.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_read_parameter(const dama_trainer *trainer, size_t index,
                                                                dama_parameter_part part, float *numbers,
                                                                size_t capacity);

/**
 * Replaces the value or the gradient of a trainable tensor, wherever it lies. The next run uses the value, rounded to
 * the policy's precision.
 *
 * @param[in] trainer
 * @param[in] index    Below dama_trainer_parameter_count().
 * @param[in] part
 * @param[in] numbers  [count]
 * @param[in] count    The tensor's number of elements.
 * @return As dama_trainer_read_parameter().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_write_parameter(dama_trainer *trainer, size_t index,
                                                                 dama_parameter_part part, const float *numbers,
                                                                 size_t count);

/** The state of a dama_trainer. */
typedef struct dama_trainer_facts {
    uint32_t struct_size;
    /** Updates so far; updates skipped because of a non-finite loss or gradient. */
    uint64_t steps;
    uint64_t skipped;
    /** The learning rate of the next update. */
    double learning_rate;
    /** The running mean of the controller. */
    double running_mean;
} dama_trainer_facts;

#define dama_trainer_facts_init(facts) dama_trainer_facts_init_sized((facts), sizeof(dama_trainer_facts))
DAMA_API void dama_trainer_facts_init_sized(dama_trainer_facts *facts, size_t size);

/**
 * Returns the counts, the learning rate and the running mean of a trainer.
 *
 * @param[in]     trainer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_describe(const dama_trainer *trainer, dama_trainer_facts *facts);

/**
 * Returns a copy of the trainer's controller with its options and current state.
 *
 * @param[out] out
 * @param[in]  trainer
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_controller(dama_adaptive_beta **out, const dama_trainer *trainer);

/**
 * Writes a checkpoint: one file with everything that the next step depends on (values, moments, counts, and the
 * controller with its state). The file is written under a temporary name and renamed; on failure an existing file is
 * unchanged.
 *
 * @param[in] trainer
 * @param[in] path
 * @param[in] note     A text that dama_trainer_load() returns, such as the position in the data; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_IO.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_save(const dama_trainer *trainer, const char *path, const char *note);

/**
 * Loads a checkpoint that dama_trainer_save() wrote from a trainer with the same model and options. Training continues
 * bit for bit. The gradients become 0. The addresses that dama_trainer_parameter_at() returns do not change.
 *
 * @param[out] note     The note of the checkpoint as the only string, or an empty list if it has none. Or NULL.
 * @param[in]  trainer
 * @param[in]  path
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and for a checkpoint of other weights or another controller (the
 *         message names the first difference); DAMA_IO; DAMA_MODEL for a file that is damaged or no checkpoint. On
 *         failure nothing changes.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_load(dama_strings **note, dama_trainer *trainer, const char *path);

/** What is exported. */
typedef enum dama_export_kind {
    /** The whole model with merged low-rank matrices: a Hugging Face directory that dama_policy_create() opens. */
    DAMA_EXPORT_MODEL = 0,
    /** Only the low-rank matrices, in the format of peft.PeftModel.from_pretrained(). */
    DAMA_EXPORT_ADAPTERS = 1
} dama_export_kind;

/** The number type of exported weights. Values are rounded to nearest, ties to even. */
typedef enum dama_weight_type {
    DAMA_WEIGHT_FLOAT32 = 0,
    DAMA_WEIGHT_FLOAT16 = 1,
    DAMA_WEIGHT_BFLOAT16 = 2
} dama_weight_type;

/** The options of dama_trainer_export(). */
typedef struct dama_export_options {
    uint32_t struct_size;
    /** DAMA_EXPORT_MODEL. */
    dama_export_kind kind;
    /** The type of trained weights; all other weights keep their bytes. DAMA_WEIGHT_FLOAT32. */
    dama_weight_type type;
    /** Boolean: replace a directory that is no earlier export, with everything in it. 0. */
    int32_t replace;
    /** The most bytes of weights in one file; 5,000,000,000. */
    uint64_t shard_bytes;
} dama_export_options;

#define dama_export_options_init(options) dama_export_options_init_sized((options), sizeof(dama_export_options))
DAMA_API void dama_export_options_init_sized(dama_export_options *options, size_t size);

/**
 * Writes the trained weights for other programs. The export is written under a temporary name and renamed, so the
 * directory contains the earlier export or the whole new one.
 *
 * @param[in] trainer
 * @param[in] directory
 * @param[in] options    NULL: as dama_export_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an unknown option, adapters of a trainer without adapters, a
 *         directory that is not an earlier export, the directory of the model itself, and a trained weight that is NaN,
 *         infinite or outside the range of the type; DAMA_IO.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_export(const dama_trainer *trainer, const char *directory,
                                                        const dama_export_options *options);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TRAINER_H */
