/* Training. */
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
    /** The whole language model, and the projector where there is one. The vision tower stays as it is. */
    DAMA_TRAINABLE_FULL = 0,
    /** Low-rank matrices beside weights that stay as they are (LoRA, Hu et al. 2021). */
    DAMA_TRAINABLE_LORA = 1,
    /** LLaVA's projector alone. */
    DAMA_TRAINABLE_PROJECTOR = 2,
    /** The weights whose name in the files matches a pattern. */
    DAMA_TRAINABLE_PATTERNS = 3
} dama_trainable;

/** How much of the forward run is kept for the backward run. */
typedef enum dama_activations {
    /** All that the gradient takes. */
    DAMA_ACTIVATIONS_KEEP = 0,
    /** What crosses the borders of layers; the rest is computed again. */
    DAMA_ACTIVATIONS_RECOMPUTE = 1
} dama_activations;

/** What a trainer learns, and how. What pointers point to is read by dama_trainer_create() alone. */
typedef struct dama_trainer_options {
    uint32_t struct_size;
    /** DAMA_TRAINABLE_FULL. */
    dama_trainable trainable;
    /** [pattern_count] of DAMA_TRAINABLE_PATTERNS: names, in which * stands for any text. NULL. */
    const char *const *patterns;
    size_t pattern_count;
    /**
     * [lora_target_count] of DAMA_TRAINABLE_LORA: "q_proj", "down_proj", …, or "all-linear"; NULL with 0: "q_proj" and
     * "v_proj".
     */
    const char *const *lora_targets;
    size_t lora_target_count;
    /** α > 0: the matrices' product is scaled by α / rank. 32. */
    double lora_alpha;
    /** 1 to 4096; 16. */
    uint32_t lora_rank;
    /** DAMA_ACTIVATIONS_KEEP. */
    dama_activations activations;
    /** Of the adapters' first values; 0. */
    uint64_t seed;
    /** AdamW's numbers, as in dama_adamw_options: 5e-7, 0.9, 0.999, 1e-8, 0. Norms and biases do not decay. */
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    /** The learning rates of the run; NULL: learning_rate throughout. */
    const dama_schedule_options *schedule;
    /** The global norm that gradients are clipped to; 0: they are not clipped. 1. */
    double max_gradient_norm;
    /** The most tokens, padding included, of one forward or backward run; a longer pair is a run of its own. 4096. */
    uint32_t tokens_per_run;
    /** Threads of the optimizer; 0: one for each processor. Those of the models are the policy's. 0. */
    uint32_t threads;
} dama_trainer_options;

#define dama_trainer_options_init(options) dama_trainer_options_init_sized((options), sizeof(dama_trainer_options))
DAMA_API void dama_trainer_options_init_sized(dama_trainer_options *options, size_t size);

/**
 * A policy that learns: weights in fp32 with their gradients and moments, AdamW, and an adaptive beta. It starts from
 * the weights of a dama_policy, which stays as it is and can be its own reference.
 *
 * dama_trainer_step() is Algorithm 1's inner loop. Its parts are callable one by one, for engines that own some of
 * them: dama_trainer_forward() over a rank's pairs; the sums gathered from all ranks into dama_adaptive_beta_step();
 * dama_trainer_backward() with its gradients; the gradients added up over the ranks, in the memory that
 * dama_trainer_parameter_at() shows; dama_trainer_update(); dama_adaptive_beta_commit(); dama_trainer_zero_grad().
 */
typedef struct dama_trainer dama_trainer;

/**
 * Makes a trainer.
 *
 * @param[out] out
 * @param[in]  policy      Kept by the trainer as long as it needs it: the handle may be freed at any time.
 * @param[in]  reference   The model whose log-probabilities are compared with, kept likewise, such as policy itself.
 *                         NULL where all pairs bring them, or the loss needs none.
 * @param[in]  controller  Copied with its options and its state; NULL for a new one of DAMA_PRESET_PAPER.
 * @param[in]  options     NULL: as dama_trainer_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an option outside its range, patterns that match
 *         no weight, and a projector that the model has not; DAMA_UNSUPPORTED also for an ONNX Runtime that computes a
 *         known gradient wrongly; otherwise as dama_policy_create().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_create(dama_trainer **out, const dama_policy *policy,
                                                        const dama_policy *reference,
                                                        const dama_adaptive_beta *controller,
                                                        const dama_trainer_options *options);

/** Frees a trainer, with the memory of its parameters. */
DAMA_API void dama_trainer_free(dama_trainer *trainer);

/** A pair to train on. dama_training_pair_init() says what is not given. */
typedef struct dama_training_pair {
    dama_preference_pair pair;
    /** α_D > 0, Eq. (7); 1 where the data says nothing. */
    double alpha_data;
    /** log πref of both responses, ≤ 0, such as from a cache; NaN in both: the reference is asked. */
    double reference_chosen;
    double reference_rejected;
    /** Which third of the dataset by hardness: 0 the hardest, 2 the easiest, −1 unknown. For the metrics alone. */
    int32_t hardness_third;
} dama_training_pair;

/** An alpha_data of 1, NaN for the reference, no third, and an empty pair. */
DAMA_API void dama_training_pair_init(dama_training_pair *pair);

/** What one step did. Means are over the pairs of the batch. */
typedef struct dama_step_metrics {
    uint32_t struct_size;
    /** 0 where loss or gradient were not finite: weights, moments and controller are as they were then. */
    int32_t updated;
    /** Updates made so far, this one included; updates left out so far. */
    uint64_t step;
    uint64_t skipped;
    /** As in dama_preference_result; the running mean is that after the step. */
    double loss;
    double alpha_model;
    double running_mean;
    double accuracy;
    /** β of the pairs. */
    double beta_mean;
    double beta_min;
    double beta_max;
    /** h. */
    double margin_mean;
    /** Implicit rewards. */
    double reward_chosen;
    double reward_rejected;
    /** Mean of the plain β · h over the pairs of each third by hardness; NaN for a third without pairs. */
    double gap_by_third[3];
    /** The global norm before clipping. */
    double gradient_norm;
    double learning_rate;
    /** Pairs, how many of them took part in the loss, and tokens of images, prompts and responses. */
    size_t pairs;
    size_t kept;
    size_t tokens;
    /** Tokenizing and decoding; the reference's log-probabilities; forward; backward; clipping and AdamW. */
    double seconds_prepare;
    double seconds_reference;
    double seconds_forward;
    double seconds_backward;
    double seconds_update;
} dama_step_metrics;

#define dama_step_metrics_init(metrics) dama_step_metrics_init_sized((metrics), sizeof(dama_step_metrics))
DAMA_API void dama_step_metrics_init_sized(dama_step_metrics *metrics, size_t size);

/**
 * One update from a batch, Algorithm 1: forward over all pairs, gaps, filter, β, loss, backward over the kept pairs,
 * clipping, AdamW, running mean. Gradients of dama_trainer_backward() are forgotten.
 *
 * @param[in]     trainer
 * @param[in]     pairs         [count]
 * @param[in]     count         N ≥ 1.
 * @param[in,out] metrics       Or NULL.
 * @param[in]     cancellation  Or NULL. A step is whole or has not been: one that is cancelled too late returns
 *                              DAMA_OK.
 * @return DAMA_OK, also where the update was left out for numbers that are not finite; DAMA_INVALID_ARGUMENT for NULL,
 *         a number outside its range, one of two reference log-probabilities, missing ones without a reference, and no
 *         finite pair; DAMA_CANCELLED; otherwise as dama_policy_logps(). Weights, moments, controller and counts are as
 *         before then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_step(dama_trainer *trainer, const dama_training_pair *pairs,
                                                      size_t count, dama_step_metrics *metrics,
                                                      const dama_cancellation *cancellation);

/**
 * log π(y | I, x) as dama_policy_logps() gives it, of the trained weights. What the backward run needs of it stays in
 * the trainer until the next forward run, step or update.
 *
 * @param[out] out      In the order of pairs; the caller's.
 * @param[in]  trainer
 * @param[in]  pairs, count, cancellation  As for dama_policy_logps().
 * @return As dama_policy_logps(). What an earlier run left in the trainer is gone then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_forward(dama_logps **out, dama_trainer *trainer,
                                                         const dama_preference_pair *pairs, size_t count,
                                                         const dama_cancellation *cancellation);

/**
 * Adds to the parameters' gradients those of Σ grad_chosen · log π(y_w) + grad_rejected · log π(y_l) over the pairs of
 * the last forward run. Several rounds of forward and backward add up.
 *
 * @param[in] trainer
 * @param[in] grad_chosen    [count] ∂L/∂log π(y_w), as dama_preference_result has it. Pairs with 0 cost little.
 * @param[in] grad_rejected  [count] ∂L/∂log π(y_l).
 * @param[in] count          Pairs of the last forward run.
 * @param[in] cancellation   Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and without a forward run since the last update; DAMA_SHAPE_MISMATCH
 *         for another count; DAMA_CANCELLED. Where it fails, gradients may be added in part: dama_trainer_zero_grad().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_backward(dama_trainer *trainer, const double *grad_chosen,
                                                          const double *grad_rejected, size_t count,
                                                          const dama_cancellation *cancellation);

/** Sets all gradients to 0. @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_zero_grad(dama_trainer *trainer);

/**
 * The global norm of all gradients; not finite where any number is not.
 *
 * @param[in]  trainer
 * @param[out] norm
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_gradient_norm(const dama_trainer *trainer, double *norm);

/**
 * Clips the gradients that are there, and lets AdamW take its step at the schedule's rate. The controller does not
 * move, and the gradients stay what they are.
 *
 * @param[in]  trainer
 * @param[out] gradient_norm  The global norm before clipping; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL and for a norm that is not finite: nothing is changed then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_update(dama_trainer *trainer, double *gradient_norm);

/** A tensor that is trained. */
typedef struct dama_parameter {
    uint32_t struct_size;
    /** 1 where weight decay applies. */
    int32_t decays;
    /** Its name in the model's files, or that of an adapter's matrix; valid until dama_trainer_free(). */
    const char *name;
    /** [dimensions], valid likewise. */
    const int64_t *shape;
    size_t dimensions;
    /** Numbers: the product of the shape. */
    size_t count;
    /**
     * [count] each, row-major: memory of the trainer, valid likewise and always at the same place. It may be read and
     * written between calls, such as to add up gradients over ranks.
     */
    float *value;
    float *gradient;
} dama_parameter;

#define dama_parameter_init(parameter) dama_parameter_init_sized((parameter), sizeof(dama_parameter))
DAMA_API void dama_parameter_init_sized(dama_parameter *parameter, size_t size);

/** How many tensors are trained, in an order that depends on model and options alone; 0 for NULL. */
DAMA_API size_t dama_trainer_parameter_count(const dama_trainer *trainer);

/**
 * One of the tensors that are trained.
 *
 * @param[in]     trainer
 * @param[in]     index      Below dama_trainer_parameter_count().
 * @param[in,out] parameter
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_parameter_at(const dama_trainer *trainer, size_t index,
                                                              dama_parameter *parameter);

/** What a dama_trainer has done so far. */
typedef struct dama_trainer_facts {
    uint32_t struct_size;
    /** Updates made; updates left out for a loss or gradient that was not finite. */
    uint64_t steps;
    uint64_t skipped;
    /** Of the next update. */
    double learning_rate;
    /** Of the controller. */
    double running_mean;
} dama_trainer_facts;

#define dama_trainer_facts_init(facts) dama_trainer_facts_init_sized((facts), sizeof(dama_trainer_facts))
DAMA_API void dama_trainer_facts_init_sized(dama_trainer_facts *facts, size_t size);

/**
 * Counts, learning rate and running mean.
 *
 * @param[in]     trainer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_describe(const dama_trainer *trainer, dama_trainer_facts *facts);

/**
 * The trainer's controller as it stands: its options, progress and state.
 *
 * @param[out] out      A copy, the caller's.
 * @param[in]  trainer
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_controller(dama_adaptive_beta **out, const dama_trainer *trainer);

/**
 * Writes a checkpoint, one file with all that the next step depends on: values and moments, counts, and the controller
 * with its state. It is written beside and renamed: where anything fails, what was there stays.
 *
 * @param[in] trainer
 * @param[in] path
 * @param[in] note     What the caller wants to find again, such as the position in the data; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_IO.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_save(const dama_trainer *trainer, const char *path, const char *note);

/**
 * Takes on what dama_trainer_save() wrote from a trainer of the same model and options, which then goes on bit for bit.
 * The gradients become 0; the memory that dama_trainer_parameter_at() shows stays at its place.
 *
 * @param[out] note     Its note as the only string, the caller's; no string where there was none. Or NULL.
 * @param[in]  trainer
 * @param[in]  path
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and for a checkpoint of other weights or another controller, naming
 *         the first difference; DAMA_IO; DAMA_MODEL for a file that is damaged or no checkpoint. Nothing is changed
 *         then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_load(dama_strings **note, dama_trainer *trainer, const char *path);

/** What is exported. */
typedef enum dama_export_kind {
    /** The whole model, low-rank matrices merged: a Hugging Face directory for dama_policy_create() and transformers. */
    DAMA_EXPORT_MODEL = 0,
    /** The low-rank matrices alone, as peft.PeftModel.from_pretrained() takes them. */
    DAMA_EXPORT_ADAPTERS = 1
} dama_export_kind;

/** How trained numbers are written; rounding is to nearest, ties to even. */
typedef enum dama_weight_type {
    DAMA_WEIGHT_FLOAT32 = 0,
    DAMA_WEIGHT_FLOAT16 = 1,
    DAMA_WEIGHT_BFLOAT16 = 2
} dama_weight_type;

/** What dama_trainer_export() writes. */
typedef struct dama_export_options {
    uint32_t struct_size;
    /** DAMA_EXPORT_MODEL. */
    dama_export_kind kind;
    /** Of trained weights; those that were not trained keep the bytes that they have. DAMA_WEIGHT_FLOAT32. */
    dama_weight_type type;
    /** Boolean: a directory that is no earlier export is replaced, with all that it holds. 0. */
    int32_t replace;
    /** The most bytes of weights in one file; 5,000,000,000. */
    uint64_t shard_bytes;
} dama_export_options;

#define dama_export_options_init(options) dama_export_options_init_sized((options), sizeof(dama_export_options))
DAMA_API void dama_export_options_init_sized(dama_export_options *options, size_t size);

/**
 * Writes what was trained for others to load. It is written beside and renamed: under its name stands the earlier
 * export or the whole new one.
 *
 * @param[in] trainer
 * @param[in] directory
 * @param[in] options    NULL: as dama_export_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an unknown option, adapters of a trainer without
 *         them, a directory that holds something else than an earlier export, that of the model itself, and a trained
 *         weight that is NaN, infinite or beyond what the type holds; DAMA_IO.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_export(const dama_trainer *trainer, const char *directory,
                                                        const dama_export_options *options);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TRAINER_H */
