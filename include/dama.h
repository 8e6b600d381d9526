/*
 * libdama: data- and model-aware preference alignment of multimodal language models.
 *
 * Method: "DAMA: Data- and Model-aware Alignment of Multi-modal LLMs" (ICML 2025, arXiv 2502.01943); equation numbers
 * below are the paper's.
 *
 * Conventions, for every function:
 *  - A function that can fail returns dama_status. On failure no out parameter has been written, nothing needs to be
 *    freed, and dama_error_message() says in one line what was wrong and what would be right.
 *  - A handle written through `T **out` belongs to the caller, who gives it to dama_T_free(). Freeing NULL is fine.
 *  - Strings are UTF-8 and end in NUL; broken UTF-8 is read with U+FFFD in place of the broken bytes.
 *  - Arrays are contiguous and row-major; [n, m] says n rows of m. Pointers may be NULL only where that is said.
 *  - A struct that begins with struct_size may grow at its end from one version to the next. dama_..._init() sets every
 *    field, and struct_size to the size in the header that the caller was compiled with. It is a macro over
 *    dama_..._init_sized(), which callers that do not compile this header give the size of their struct. The library
 *    reads and writes struct_size bytes and no more. Fields that the caller's struct does not have are as
 *    dama_..._init() sets them. Fields that the library does not have must be 0 where it reads them, or the call
 *    returns DAMA_UNSUPPORTED; where it writes them they become 0. A wrong struct_size is DAMA_INVALID_ARGUMENT.
 *  - Nothing here prints, exits, installs a signal handler or changes the locale.
 *  - Distinct handles may be used from distinct threads at the same time; what one handle allows is said at its type.
 *  - After fork() without exec() a library that was in use before is not usable in the child: functions that return a
 *    status return DAMA_UNSUPPORTED, freeing does nothing and returns at once, and exit() ends the child.
 */
#ifndef DAMA_H
#define DAMA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define DAMA_API __attribute__((visibility("default")))
#define DAMA_NODISCARD __attribute__((warn_unused_result))
#else
#define DAMA_API
#define DAMA_NODISCARD
#endif

/* ---------------------------------------------------------------------------------------------------------------- */
/* Version and errors                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------- */

#define DAMA_VERSION_MAJOR 0
#define DAMA_VERSION_MINOR 1
#define DAMA_VERSION_PATCH 0
/** Raised whenever a program built against an older header would no longer run. */
#define DAMA_ABI_VERSION 0

typedef enum dama_status {
    DAMA_OK = 0,
    /** A value that can never be right: NULL, NaN, a negative size, an unknown option. */
    DAMA_INVALID_ARGUMENT = 1,
    /** Sizes that do not fit each other, or a buffer too small for the result. */
    DAMA_SHAPE_MISMATCH = 2,
    /** A file that cannot be read or written. */
    DAMA_IO = 3,
    /** A model, tokenizer or image whose contents are wrong. */
    DAMA_MODEL = 4,
    /** Something sound that this build or this ONNX Runtime cannot do. */
    DAMA_UNSUPPORTED = 5,
    /**
     * An input larger than the limit set for it, or memory that the system does not give for a size that the caller or
     * a file chose: counts of arrays, lengths of texts, pixels, caches, weights, batches, checked before anything is
     * allocated. Not promised beyond that: where a process is short of even a little memory, or the system gives more
     * than it has, the process may be ended.
     */
    DAMA_OUT_OF_MEMORY = 6,
    /** A defect of the library. */
    DAMA_INTERNAL = 7,
    /** A callback or a dama_cancellation asked to stop. */
    DAMA_CANCELLED = 8
} dama_status;

/** The DAMA_ABI_VERSION that the library was built with. Thread-safe. */
DAMA_API uint32_t dama_abi_version(void);

/** The library's version, "MAJOR.MINOR.PATCH". Static storage. Thread-safe. */
DAMA_API const char *dama_version_string(void);

/**
 * What the calling thread's last failing call found wrong, in one line. Never NULL; valid until that thread's next
 * failing call. The status is the truth; this text is for people and may change between versions.
 */
DAMA_API const char *dama_error_message(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Stopping long calls                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * By which one thread stops what another does. Every call that it is given to stops at the next operator of a model or
 * the next image, returns DAMA_CANCELLED, and leaves everything as if it had not been made, where nothing else is said.
 * It stays cancelled: a call that is given it later does not begin.
 *
 * All functions may be called from any thread at any time, but not from a signal handler; dama_cancellation_free() when
 * no call uses it any more.
 */
typedef struct dama_cancellation dama_cancellation;

/**
 * Makes a cancellation.
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_cancellation_create(dama_cancellation **out);

/** Frees a cancellation; NULL is fine. */
DAMA_API void dama_cancellation_free(dama_cancellation *cancellation);

/** Stops the calls that were given it, now and from now on. Returns at once. NULL is ignored. Thread-safe. */
DAMA_API void dama_cancellation_cancel(dama_cancellation *cancellation);

/** 1 once it has been cancelled; 0 before, and for NULL. Thread-safe. */
DAMA_API int32_t dama_cancellation_is_cancelled(const dama_cancellation *cancellation);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Data hardness                                                                                                    */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * Hardness of one pair from its CLIP scores: one softmax over all p + q scores, Eq. (5), then
 * delta = sum of the chosen probabilities − sum of the rejected ones, Eq. (6).
 *
 * @param[in]  chosen_scores    [p] CLIP logits (logit scale times cosine) of the chosen response's sub-sentences.
 * @param[in]  chosen_count     p ≥ 1.
 * @param[in]  rejected_scores  [q] the same for the rejected response.
 * @param[in]  rejected_count   q ≥ 1.
 * @param[out] delta            In [−1, 1]; large means easy to tell apart.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty list or a score that is not finite.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_hardness(const float *chosen_scores, size_t chosen_count,
                                                  const float *rejected_scores, size_t rejected_count,
                                                  double *delta);

/**
 * Hardness of one pair by the ablation of Table 2: delta = sum of the chosen scores / sum of the rejected ones.
 *
 * @param[in]  chosen_scores, chosen_count, rejected_scores, rejected_count  As for dama_hardness().
 * @param[out] delta
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT as dama_hardness(), and where the rejected scores add up to 0.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_hardness_from_scores(const float *chosen_scores, size_t chosen_count,
                                                              const float *rejected_scores, size_t rejected_count,
                                                              double *delta);

/**
 * alpha_D of pairs from their hardness, Eq. (7): σ(delta) / σ(mean_delta).
 *
 * @param[in]  delta       [count] finite.
 * @param[in]  count       ≥ 1.
 * @param[in]  mean_delta  The dataset's mean; NaN for the mean of delta.
 * @param[out] alpha_data  [count], may be delta itself.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, count 0, or a number that is not finite.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_alpha_data(const double *delta, size_t count, double mean_delta,
                                                    double *alpha_data);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Adaptive beta and the preference loss                                                                            */
/* ---------------------------------------------------------------------------------------------------------------- */

/*
 * h is the log-ratio margin of a pair, [log π(y_w) − log π_ref(y_w)] − [log π(y_l) − log π_ref(y_l)], with y_w the
 * chosen and y_l the rejected response.
 */

/** A loss of the margin h of a pair with its own beta. Some have one parameter. */
typedef enum dama_loss {
    /** −log σ(βh): DPO, Eq. (3). */
    DAMA_LOSS_SIGMOID = 0,
    /** (h − 1/(2β))²: IPO. */
    DAMA_LOSS_IPO = 1,
    /** max(0, 1 − βh). */
    DAMA_LOSS_HINGE = 2,
    /** −(1 − ε) log σ(βh) − ε log σ(−βh), parameter ε in [0, 0.5): conservative DPO. */
    DAMA_LOSS_CDPO = 3,
    /** (−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε), parameter ε in [0, 0.5): robust DPO. */
    DAMA_LOSS_ROBUST = 4,
    /** −log σ(βh − γ), parameter γ: SimPO. h is then without references; give lengths. */
    DAMA_LOSS_SIMPO = 5
} dama_loss;

/**
 * Values and derivatives of a loss; exact for margins of any size that can occur (±1e4 and beyond).
 *
 * @param[in]  loss
 * @param[in]  parameter    ε or γ; not read by the losses without one.
 * @param[in]  margins      [count] h, finite.
 * @param[in]  beta         [count] > 0.
 * @param[in]  count
 * @param[out] values       [count] ℓ, or NULL.
 * @param[out] derivatives  [count] ∂ℓ/∂h, or NULL. ∂ℓ/∂log π(y_w) is the same, ∂ℓ/∂log π(y_l) the negative.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an unknown loss, a parameter outside its range, a margin that is not
 *         finite or a beta that is not positive.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_loss_evaluate(dama_loss loss, double parameter, const double *margins,
                                                       const double *beta, size_t count, double *values,
                                                       double *derivatives);

/** Which published algorithm the options start from. */
typedef enum dama_preset {
    /** The paper. Gaps are divided by the running mean only where it is at least guard · mean |gap|. */
    DAMA_PRESET_PAPER = 0,
    /** What the authors' released trainer does. */
    DAMA_PRESET_RELEASED = 1,
    /** β-DPO (Wu et al., 2024): one beta for the batch, linear in the gap. */
    DAMA_PRESET_BETA_DPO = 2,
    /** Ablations of the paper: no alpha and no filter; alpha_D and no filter; filter and alpha_M. */
    DAMA_PRESET_DPO = 3,
    DAMA_PRESET_D2PO = 4,
    DAMA_PRESET_MDPO = 5
} dama_preset;

/** Which number of a pair is filtered and averaged: R = βh, Eq. (9), or h itself. */
typedef enum dama_gap { DAMA_GAP_REWARD = 0, DAMA_GAP_LOG_RATIO = 1 } dama_gap;

/** Which K of the N pairs take part in the loss. Ties go to the lower index. */
typedef enum dama_filter {
    DAMA_FILTER_NONE = 0,
    /** The K nearest to the running mean, Eq. (11); "both" in Table 3. */
    DAMA_FILTER_NEAREST = 1,
    /** K drawn without replacement, weights exp(−½ ((gap − running mean) / s)²). */
    DAMA_FILTER_SAMPLE = 2,
    /** Without the N − K lowest. */
    DAMA_FILTER_BOTTOM = 3,
    /** Without the N − K highest. */
    DAMA_FILTER_TOP = 4,
    /** K at random, all alike: a control. */
    DAMA_FILTER_RANDOM = 5
} dama_filter;

/** s in the weights of DAMA_FILTER_SAMPLE: 1, or the running standard deviation. */
typedef enum dama_sample_scale {
    DAMA_SAMPLE_SCALE_UNIT = 0,
    DAMA_SAMPLE_SCALE_RUNNING_DEVIATION = 1
} dama_sample_scale;

/** alpha_M from the kept gaps g and the running mean m. */
typedef enum dama_responsiveness {
    /** σ(mean g) / σ(m), Eq. (13). */
    DAMA_RESPONSIVENESS_RATIO_OF_MEAN = 0,
    /** mean σ(g) / σ(m). */
    DAMA_RESPONSIVENESS_MEAN_OF_RATIOS = 1,
    /** 1 + slope · (mean g − m). */
    DAMA_RESPONSIVENESS_LINEAR = 2
} dama_responsiveness;

/** Which pairs' mean goes into the running mean. */
typedef enum dama_mean_source { DAMA_MEAN_OF_KEPT = 0, DAMA_MEAN_OF_ALL = 1 } dama_mean_source;

/** Whether the running mean takes in a batch after it was used, Eq. (15), or before (needs DAMA_MEAN_OF_ALL). */
typedef enum dama_mean_time { DAMA_MEAN_AFTER_STEP = 0, DAMA_MEAN_BEFORE_USE = 1 } dama_mean_time;

/** alpha from alpha_D and alpha_M. It does not change the filter. */
typedef enum dama_combination {
    /** alpha_D · alpha_M, Eq. (16). */
    DAMA_COMBINE_PRODUCT = 0,
    /** (1 − rho) · alpha_M + rho · alpha_D. */
    DAMA_COMBINE_WEIGHTED = 1,
    DAMA_COMBINE_DATA = 2,
    DAMA_COMBINE_MODEL = 3,
    DAMA_COMBINE_NONE = 4
} dama_combination;

typedef struct dama_adaptive_beta_options {
    uint32_t struct_size;
    dama_gap gap;
    /** The base that alpha scales, > 0. */
    double beta;
    /** Non-zero: divide the gaps by the running mean, Eq. (10), where the guard allows it. */
    int32_t normalize;
    dama_filter filter;
    /** κ ≥ 0: divide only where the running mean ≥ max(1e-6, κ · mean |gap|). */
    double guard;
    /** K ≥ 1, or 0 for int(keep_ratio · N). At least one pair is kept, at most all with a finite gap. */
    size_t keep;
    /** In (0, 1]; read only where keep is 0. */
    double keep_ratio;
    dama_sample_scale sample_scale;
    dama_responsiveness responsiveness;
    /** Of DAMA_RESPONSIVENESS_LINEAR. */
    double slope;
    dama_mean_source mean_source;
    dama_mean_time mean_time;
    dama_combination combination;
    dama_loss loss;
    /** Of DAMA_COMBINE_WEIGHTED, in [0, 1]. */
    double rho;
    /** Least and greatest beta of a pair; 0 and INFINITY for none. */
    double beta_floor;
    double beta_ceiling;
    /** γ of Eq. (15), in [0, 1). */
    double momentum;
    /** Of the sampling filters; the same on every rank. */
    uint64_t seed;
    /** ε or γ of the loss. */
    double loss_parameter;
} dama_adaptive_beta_options;

/**
 * Fills options with a preset.
 *
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong size or an unknown preset. Thread-safe.
 */
#define dama_adaptive_beta_options_init(options, preset) \
    dama_adaptive_beta_options_init_sized((options), sizeof(dama_adaptive_beta_options), (preset))
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_options_init_sized(dama_adaptive_beta_options *options,
                                                                          size_t size, dama_preset preset);

/**
 * The state behind adaptive beta: running mean, generator, counts. One handle, one thread at a time.
 *
 * Several ranks: every rank makes the same controller, passes the log-probabilities of the global batch in the same
 * order and asks for its own slice. Mask, alpha_M and the divisor are then those of the global batch; nothing depends
 * on the number of ranks. Add the gradients up over the ranks (where a framework averages, multiply by their number
 * first).
 */
typedef struct dama_adaptive_beta dama_adaptive_beta;

/**
 * Makes a controller.
 *
 * @param[out] out
 * @param[in]  options  NULL for DAMA_PRESET_PAPER.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size or an option outside its range. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_create(dama_adaptive_beta **out,
                                                              const dama_adaptive_beta_options *options);

/** Frees a controller; NULL is fine. */
DAMA_API void dama_adaptive_beta_free(dama_adaptive_beta *controller);

/** As a slice_count: all pairs from slice_offset on. */
#define DAMA_REST ((size_t)-1)

/** The global batch of N pairs, and the part of it that belongs to this rank. */
typedef struct dama_preference_batch {
    uint32_t struct_size;
    /** N ≥ 1. */
    size_t count;
    /** [N] log π(y | I, x), summed over the response's tokens. A pair that is not finite is masked and counted. */
    const double *policy_chosen;
    const double *policy_rejected;
    /** [N] the same of the reference; NULL, or not read, for DAMA_LOSS_SIMPO. */
    const double *reference_chosen;
    const double *reference_rejected;
    /** [N] > 0, Eq. (7); NULL for 1. */
    const double *alpha_data;
    /** [N] token counts ≥ 1 to divide log-probabilities by, both or neither. Gradients stay those of the sums. */
    const int64_t *chosen_lengths;
    const int64_t *rejected_lengths;
    /** Results are written for the pairs slice_offset … slice_offset + slice_count − 1. */
    size_t slice_offset;
    /** DAMA_REST after init. */
    size_t slice_count;
} dama_preference_batch;

/** Sets struct_size and slice_count, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_preference_batch_init(batch) dama_preference_batch_init_sized((batch), sizeof(dama_preference_batch))
DAMA_API void dama_preference_batch_init_sized(dama_preference_batch *batch, size_t size);

/** What a step found. The arrays are the caller's, [slice_count] each; those that are NULL are not written. */
typedef struct dama_preference_result {
    uint32_t struct_size;
    /** Room in each array that is not NULL. */
    size_t capacity;
    /** β_i = β · α_i, Eq. (17), within floor and ceiling. */
    double *beta;
    /** 1 for the pairs that take part, else 0. */
    uint8_t *mask;
    /** h; not finite where the log-probabilities are not. */
    double *margins;
    /** ℓ_i, of masked pairs too; 0 where h is not finite. */
    double *losses;
    /** ∂L/∂log π(y_w) and ∂L/∂log π(y_l) with the divisor of the global batch; 0 for masked pairs. */
    double *grad_chosen;
    double *grad_rejected;
    /** Implicit rewards β_i · (log π − log π_ref), and the same with the plain β. */
    double *reward_chosen;
    double *reward_rejected;
    double *plain_reward_chosen;
    double *plain_reward_rejected;
    /** L = Σ mask · ℓ / Σ mask over the global batch, and the slice's part of it. */
    double loss;
    double slice_loss;
    /** alpha_M, Eq. (13). */
    double alpha_model;
    /** R_B, Eq. (12). */
    double batch_gap;
    /** The running mean that filter and alpha_M used. */
    double running_mean;
    /** Share of the finite margins of the global batch above 0. */
    double accuracy;
    /** Pairs kept in the global batch and in the slice; pairs of the global batch that are not finite. */
    size_t kept;
    size_t kept_in_slice;
    size_t nonfinite;
    /** 1 where Eq. (10) was applied; 1 where the sample was uniform because its weights were degenerate. */
    int32_t normalized;
    int32_t sampled_uniformly;
} dama_preference_result;

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_preference_result_init(result) dama_preference_result_init_sized((result), sizeof(dama_preference_result))
DAMA_API void dama_preference_result_init_sized(dama_preference_result *result, size_t size);

/**
 * One batch, Eqs. (9) to (17): mask, beta, loss, gradients. Moves neither the running mean nor the generator: a step
 * that is not committed leaves no trace. β is a constant for the gradient.
 *
 * @param[in]     controller
 * @param[in]     batch
 * @param[in,out] result  Its arrays and numbers are written; struct_size, capacity and the pointers are read.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty batch, missing references, alpha_data that is missing where
 *         it is needed or not positive, lengths below 1, or no finite pair; DAMA_SHAPE_MISMATCH for a slice outside
 *         the batch or arrays too small for it.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_step(dama_adaptive_beta *controller,
                                                            const dama_preference_batch *batch,
                                                            dama_preference_result *result);

/**
 * Makes the last step's running mean and generator the current ones, Eq. (15). Call it once the optimizer has stepped.
 *
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or where no step came since the last commit.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_commit(dama_adaptive_beta *controller);

/** The running mean. @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_running_mean(const dama_adaptive_beta *controller,
                                                                    double *running_mean);

/** Where a controller stands. */
typedef struct dama_adaptive_beta_progress {
    uint32_t struct_size;
    double running_mean;
    double running_deviation;
    /** Commits; pairs masked because they were not finite; steps with degenerate sample weights. */
    uint64_t steps;
    uint64_t nonfinite_pairs;
    uint64_t uniform_samplings;
} dama_adaptive_beta_progress;

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_adaptive_beta_progress_init(progress) \
    dama_adaptive_beta_progress_init_sized((progress), sizeof(dama_adaptive_beta_progress))
DAMA_API void dama_adaptive_beta_progress_init_sized(dama_adaptive_beta_progress *progress, size_t size);

/**
 * What has been committed so far.
 *
 * @param[in]     controller
 * @param[in,out] progress  struct_size is read, the rest written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or a wrong struct_size.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_get_progress(const dama_adaptive_beta *controller,
                                                                    dama_adaptive_beta_progress *progress);

/**
 * The options of a controller, such as one that was loaded.
 *
 * @param[in]     controller
 * @param[in,out] options  struct_size is read, the rest written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or a wrong struct_size.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_get_options(const dama_adaptive_beta *controller,
                                                                   dama_adaptive_beta_options *options);

/**
 * Options, running mean, counts and generator as bytes, with version and checksum. A step that was not committed is not
 * among them.
 *
 * @param[in]  controller
 * @param[out] bytes     [capacity], or NULL to ask for the size alone.
 * @param[in]  capacity
 * @param[out] size      Bytes needed.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH where bytes is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_save(const dama_adaptive_beta *controller, uint8_t *bytes,
                                                            size_t capacity, size_t *size);

/**
 * A controller that goes on, bit for bit, where the saved one was.
 *
 * @param[out] out
 * @param[in]  bytes  [size] from dama_adaptive_beta_save().
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL and for bytes that are damaged or something else. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adaptive_beta_load(dama_adaptive_beta **out, const uint8_t *bytes,
                                                            size_t size);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Text: tokenizers and sub-sentences                                                                               */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * A tokenizer as Hugging Face's tokenizer.json describes it: byte-pair encoding as in CLIP, Llama and GPT-2. It never
 * changes; one handle may be used from any number of threads at the same time.
 */
typedef struct dama_tokenizer dama_tokenizer;

/**
 * Reads a tokenizer.
 *
 * @param[out] out   The tokenizer, the caller's.
 * @param[in]  path  A tokenizer.json, or a directory that holds one, or that holds CLIP's vocab.json and merges.txt.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_IO where there is no such file; DAMA_MODEL naming the field
 *         that is wrong; DAMA_UNSUPPORTED naming the kind of tokenizer or the pattern that this library does not know.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_create(dama_tokenizer **out, const char *path);

/** Frees a tokenizer; NULL is fine. */
DAMA_API void dama_tokenizer_free(dama_tokenizer *tokenizer);

/**
 * The token ids of a text. Nothing is ever cut off.
 *
 * @param[in]  tokenizer
 * @param[in]  text                [text_size] UTF-8, may hold NUL bytes; NULL where text_size is 0.
 * @param[in]  text_size           Bytes.
 * @param[in]  add_special_tokens  Not 0 to put the special tokens around the text that belong there.
 * @param[out] ids                 [capacity]; NULL with capacity 0 to learn the count alone.
 * @param[in]  capacity
 * @param[out] count               How many ids there are.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH where capacity is too small (the message says
 *         how many there are); DAMA_MODEL where the file's patterns backtrack beyond any real tokenizer's on this text.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_encode(const dama_tokenizer *tokenizer, const char *text,
                                                          size_t text_size, int add_special_tokens, int32_t *ids,
                                                          size_t capacity, size_t *count);

/**
 * The text of token ids. Ids that are in no vocabulary are left out.
 *
 * @param[in]  tokenizer
 * @param[in]  ids                  [count]; NULL where count is 0.
 * @param[in]  count
 * @param[in]  skip_special_tokens  Not 0 to leave special tokens out.
 * @param[out] text                 [capacity] UTF-8 and a NUL behind it; NULL with capacity 0 to learn the size alone.
 * @param[in]  capacity             Bytes, at least size + 1.
 * @param[out] size                 Bytes of the text without the NUL behind it.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH where capacity is too small.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_decode(const dama_tokenizer *tokenizer, const int32_t *ids,
                                                          size_t count, int skip_special_tokens, char *text,
                                                          size_t capacity, size_t *size);

/** What a dama_tokenizer holds. */
typedef struct dama_tokenizer_facts {
    uint32_t struct_size;
    /** Number of tokens, added ones included. */
    int32_t vocabulary_size;
    /** The largest id plus one: rows that an embedding table needs. */
    int32_t id_end;
    /** Beginning and end of a sequence, padding, unknown; −1 where no file of the directory names one. */
    int32_t bos_id;
    int32_t eos_id;
    int32_t pad_id;
    int32_t unk_id;
} dama_tokenizer_facts;

/** Sets struct_size, and everything else to 0. NULL is ignored. */
#define dama_tokenizer_facts_init(facts) dama_tokenizer_facts_init_sized((facts), sizeof(dama_tokenizer_facts))
DAMA_API void dama_tokenizer_facts_init_sized(dama_tokenizer_facts *facts, size_t size);

/**
 * Sizes and special tokens.
 *
 * @param[in]     tokenizer
 * @param[in,out] facts  struct_size is read; the first struct_size bytes are written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or a wrong struct_size.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_describe(const dama_tokenizer *tokenizer,
                                                            dama_tokenizer_facts *facts);

/**
 * The id of a token as the vocabulary spells it ("cat</w>").
 *
 * @param[in]  tokenizer
 * @param[in]  token
 * @param[out] id  −1 where there is no such token.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_find(const dama_tokenizer *tokenizer, const char *token,
                                                        int32_t *id);

/**
 * The spelling of a token; decoding one id may give less, for a character can take several tokens.
 *
 * @param[in]  tokenizer
 * @param[in]  id
 * @param[out] token     [capacity] as in dama_tokenizer_decode().
 * @param[in]  capacity
 * @param[out] size      Bytes of the token without the NUL behind it.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an id that is in no vocabulary; DAMA_SHAPE_MISMATCH where capacity
 *         is too small.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_spell(const dama_tokenizer *tokenizer, int32_t id, char *token,
                                                         size_t capacity, size_t *size);

/** A list of strings that a function gave back. It never changes and may be used from any number of threads. */
typedef struct dama_strings dama_strings;

/** How many there are; 0 for NULL. */
DAMA_API size_t dama_strings_count(const dama_strings *strings);

/** The string at index, UTF-8, valid until dama_strings_free(); NULL beyond the end. */
DAMA_API const char *dama_strings_at(const dama_strings *strings, size_t index);

/** Frees a list; NULL is fine. */
DAMA_API void dama_strings_free(dama_strings *strings);

/** How dama_split() splits. */
typedef struct dama_split_options {
    uint32_t struct_size;
    /** The most tokens a sub-sentence may have, special ones included: 77 for CLIP. 0 for no limit. */
    uint32_t token_limit;
    /** Counts the tokens; borrowed. Needed where there is a limit. */
    const dama_tokenizer *tokenizer;
} dama_split_options;

/** Sets struct_size, no limit and no tokenizer. NULL is ignored. */
#define dama_split_options_init(options) dama_split_options_init_sized((options), sizeof(dama_split_options))
DAMA_API void dama_split_options_init_sized(dama_split_options *options, size_t size);

/**
 * Splits a text into sub-sentences by its punctuation: sentences; clauses where one is over the limit; words, and within
 * a word that alone is over it. Every character other than white space is in exactly one, in order.
 *
 * @param[out] out      The sub-sentences, the caller's. Empty for a text without words.
 * @param[in]  text
 * @param[in]  options  NULL for no limit.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size, a limit without a tokenizer, or a limit too low
 *         for one character; DAMA_MODEL as dama_tokenizer_encode().
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_split(dama_strings **out, const char *text,
                                               const dama_split_options *options);

/* ---------------------------------------------------------------------------------------------------------------- */
/* CLIP scores                                                                                                      */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * A CLIP model: images and sentences to logits Γ(I, S), Eq. (4), and to embeddings. It needs ONNX Runtime 1.21 or later,
 * which is opened when the first model is loaded: the file that the options name, else the one in the environment
 * variable DAMA_ONNXRUNTIME, else libonnxruntime.so.1 or libonnxruntime.so on the loader's path. A process has one.
 *
 * All functions may be called on one scorer from several threads at once; dama_scorer_free() by the last of them.
 */
typedef struct dama_scorer dama_scorer;

/** What happens to a sentence with more tokens than the model takes (77 in CLIP, start and end included). */
typedef enum dama_long_texts {
    /** It is an error that names the sentence and its number of tokens. */
    DAMA_LONG_TEXTS_REFUSE = 0,
    /** Its end is cut off. */
    DAMA_LONG_TEXTS_CUT = 1
} dama_long_texts;

/** Fields are set by dama_scorer_options_init() to the values named here. */
typedef struct dama_scorer_options {
    uint32_t struct_size;
    /**
     * Threads of inference, 0 to 1024; 0: one for each processor that this process may use. All models share the pool
     * that the first one made; one that asks for another number gets a pool of its own.
     */
    uint32_t threads;
    /** The most pixels that an image may have when decoded; 178,956,970. */
    uint64_t max_image_pixels;
    /** "cpu", "cuda" or "cuda:N"; NULL: "cpu". */
    const char *provider;
    /** The file of ONNX Runtime; NULL: as said at dama_scorer. */
    const char *onnxruntime;
    /** DAMA_LONG_TEXTS_REFUSE. */
    dama_long_texts long_texts;
    /** exp(logit_scale) for models in ONNX files, which do not hold it; 0: 100, that of OpenAI's models. */
    float logit_scale;
    /** 0: an image file is turned as its EXIF orientation says, as transformers does. 1: it stays as it is stored. */
    uint32_t ignore_orientation;
    /** 0: what is transparent is put on white, as transformers does. 1: transparency is dropped. */
    uint32_t drop_alpha;
} dama_scorer_options;

/** Sets every field. NULL is ignored. Thread-safe. */
#define dama_scorer_options_init(options) dama_scorer_options_init_sized((options), sizeof(dama_scorer_options))
DAMA_API void dama_scorer_options_init_sized(dama_scorer_options *options, size_t size);

/**
 * Opens a CLIP model: a Hugging Face directory of a CLIPModel with config.json, safetensors (fp32, fp16 or bf16, one file
 * or sharded), tokenizer.json (or vocab.json and merges.txt) and preprocessor_config.json; in place of the safetensors
 * text_model.onnx and vision_model.onnx, also in the folder onnx. The files must not change while the scorer lives.
 *
 * @param[out] out
 * @param[in]  model_dir
 * @param[in]  options    NULL: as dama_scorer_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT; DAMA_IO for a missing file; DAMA_MODEL for one whose contents are wrong, naming
 *         the field or tensor, what was found and expected; DAMA_UNSUPPORTED for another architecture, and where ONNX
 *         Runtime is missing, too old or without the provider.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_create(dama_scorer **out, const char *model_dir,
                                                       const dama_scorer_options *options);

/** NULL is ignored. */
DAMA_API void dama_scorer_free(dama_scorer *scorer);

/**
 * The numbers of a model.
 *
 * @param[in]  scorer
 * @param[out] dimension    Numbers in one embedding; or NULL.
 * @param[out] logit_scale  exp(logit_scale); or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_info(const dama_scorer *scorer, size_t *dimension,
                                                     float *logit_scale);

/** An image in one of three forms; the others are NULL. This struct does not grow. */
typedef struct dama_image {
    /** A JPEG or PNG file, a regular one. */
    const char *path;
    /** [size] the bytes of such a file. */
    const uint8_t *bytes;
    size_t size;
    /** [height, width, 3] red, green and blue. */
    const uint8_t *rgb;
    size_t height;
    size_t width;
} dama_image;

/**
 * Γ(I, S), Eq. (4), of one image and each sentence: the logit scale times the cosine of their embeddings. A sentence that
 * stands there twice is computed once.
 *
 * @param[in]  scorer
 * @param[in]  image
 * @param[in]  sentences  [count]
 * @param[in]  count
 * @param[out] scores     [count]
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also for a sentence that is too long; DAMA_IO for a file that cannot be read;
 *         DAMA_MODEL for a damaged image, and for what is none; DAMA_UNSUPPORTED for a format other than JPEG and PNG;
 *         DAMA_OUT_OF_MEMORY for an image over max_image_pixels, or of more than 2^20 pixels a side.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_score(const dama_scorer *scorer, const dama_image *image,
                                                      const char *const *sentences, size_t count, float *scores);

/**
 * Embeddings of images, scaled to unit norm.
 *
 * @param[in]  scorer
 * @param[in]  images      [count]
 * @param[in]  count
 * @param[out] embeddings  [count, dimension]
 * @param[in]  capacity    Numbers that embeddings has room for, ≥ count · dimension.
 * @return As dama_scorer_score(); DAMA_SHAPE_MISMATCH where embeddings is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_embed_images(const dama_scorer *scorer, const dama_image *images,
                                                             size_t count, float *embeddings, size_t capacity);

/**
 * Embeddings of texts, scaled to unit norm. One that stands there twice is computed once.
 *
 * @param[in]  scorer
 * @param[in]  texts       [count]
 * @param[in]  count
 * @param[out] embeddings  [count, dimension]
 * @param[in]  capacity    Numbers that embeddings has room for, ≥ count · dimension.
 * @return As dama_scorer_embed_images().
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_embed_texts(const dama_scorer *scorer, const char *const *texts,
                                                            size_t count, float *embeddings, size_t capacity);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Kernels over the caller's memory: token log-probabilities, AdamW, learning rates                                 */
/* ---------------------------------------------------------------------------------------------------------------- */

/*
 * They need no ONNX Runtime, use the vector instructions that the processor has (SSE2, AVX2, AVX-512, NEON), and take
 * `threads` threads, 0 for every processor. Results do not depend on the number of threads; processors with other
 * vector instructions may differ in last bits.
 */

/** A row with this label has no token. */
#define DAMA_IGNORED_LABEL (-100)

/**
 * log π(label) of rows of logits, reading each logit once: log-softmax and gather without arrays of the logits' size.
 *
 * @param[in]  logits       [rows, vocabulary] float32. NaN and +∞ give NaN.
 * @param[in]  rows
 * @param[in]  vocabulary   ≥ 1.
 * @param[in]  labels       [rows] in 0 … vocabulary − 1, or DAMA_IGNORED_LABEL.
 * @param[out] logprobs     [rows]; 0 where the label is ignored.
 * @param[out] normalizers  [rows] log Σ exp(logits), for dama_token_logprobs_backward().
 * @param[in]  threads
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty vocabulary or a label out of range. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_token_logprobs(const float *logits, size_t rows, size_t vocabulary,
                                                        const int64_t *labels, float *logprobs, float *normalizers,
                                                        uint32_t threads);

/**
 * The gradient with respect to the logits: weights[r] · (1[j = labels[r]] − exp(logits[r, j] − normalizers[r])).
 *
 * @param[in]  logits, rows, vocabulary, labels  As for dama_token_logprobs().
 * @param[in]  normalizers  [rows] from dama_token_logprobs().
 * @param[in]  weights      [rows] gradient with respect to each log-probability; rows with 0 are not read.
 * @param[out] gradient     [rows, vocabulary], or logits itself: the gradient takes its place.
 * @param[in]  threads
 * @return As dama_token_logprobs(). Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_token_logprobs_backward(const float *logits, size_t rows, size_t vocabulary,
                                                                 const int64_t *labels, const float *normalizers,
                                                                 const float *weights, float *gradient,
                                                                 uint32_t threads);

typedef struct dama_adamw_options {
    uint32_t struct_size;
    /** 0 for every processor. */
    uint32_t threads;
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    /** Decoupled; pass 0 for norms and biases. */
    double weight_decay;
    /** Multiplies the gradients first: the factor of global-norm clipping. */
    double gradient_scale;
} dama_adamw_options;

/** The paper's: rate 5e-7, betas 0.9 and 0.999, epsilon 1e-8, no decay, scale 1. NULL is ignored. Thread-safe. */
#define dama_adamw_options_init(options) dama_adamw_options_init_sized((options), sizeof(dama_adamw_options))
DAMA_API void dama_adamw_options_init_sized(dama_adamw_options *options, size_t size);

/**
 * One AdamW update in place, reading and writing each number once.
 *
 * @param[in]     options
 * @param[in]     step           Counted from 1.
 * @param[in,out] parameters     [count] float32.
 * @param[in]     gradients      [count]
 * @param[in,out] first_moment   [count], zeros before step 1.
 * @param[in,out] second_moment  [count], zeros before step 1.
 * @param[in]     count
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size, an option out of range or step 0. Thread-safe
 *         for arrays that do not overlap.
 */
DAMA_API DAMA_NODISCARD dama_status dama_adamw_step(const dama_adamw_options *options, uint64_t step,
                                                    float *parameters, const float *gradients, float *first_moment,
                                                    float *second_moment, size_t count);

/**
 * Σ x² in double, for global-norm clipping. Not finite where any number is not.
 *
 * @param[in]  values  [count]
 * @param[in]  count
 * @param[in]  threads
 * @param[out] sum
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_sum_of_squares(const float *values, size_t count, uint32_t threads,
                                                        double *sum);

/** What the learning rate does after the warm-up from 0: stay, fall on a line, or on half a cosine, to 0. */
typedef enum dama_schedule {
    DAMA_SCHEDULE_CONSTANT = 0,
    DAMA_SCHEDULE_LINEAR = 1,
    DAMA_SCHEDULE_COSINE = 2
} dama_schedule;

typedef struct dama_schedule_options {
    uint32_t struct_size;
    dama_schedule schedule;
    /** The full rate. */
    double learning_rate;
    /** Steps of the run, ≥ 1. */
    uint64_t total_steps;
    /** Steps of warm-up, or 0 for ceil(warmup_ratio · total_steps). */
    uint64_t warmup_steps;
    /** In [0, 1]; read only where warmup_steps is 0. */
    double warmup_ratio;
} dama_schedule_options;

/** The paper's: cosine, rate 5e-7, warm-up ratio 0.1; total_steps is 0, to be set. NULL is ignored. Thread-safe. */
#define dama_schedule_options_init(options) dama_schedule_options_init_sized((options), sizeof(dama_schedule_options))
DAMA_API void dama_schedule_options_init_sized(dama_schedule_options *options, size_t size);

/**
 * The learning rate of one step, as transformers' schedulers give it.
 *
 * @param[in]  options
 * @param[in]  step           Counted from 0.
 * @param[out] learning_rate
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size or an option out of range. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_learning_rate(const dama_schedule_options *options, uint64_t step,
                                                       double *learning_rate);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Jobs over datasets                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------- */

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

/** What δ of a pair is computed from. */
typedef enum dama_delta_source {
    /** One softmax over all scores, Eqs. (5) and (6). */
    DAMA_DELTA_FROM_PROBABILITIES = 0,
    /** The ratio of the sums of scores, Table 2. */
    DAMA_DELTA_FROM_SCORES = 1
} dama_delta_source;

/** Fields are set by dama_score_dataset_options_init() to the values named here; data and output have to be given. */
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
    /** δ̄ of Eq. (7); NaN: the mean of δ over the rows scored. */
    double mean_delta;
    /** [field_count] names of fields, "chosen=answer_good"; NULL where field_count is 0. */
    const char *const *fields;
    size_t field_count;
    /** The job fails at one rejected row more; −1: never. */
    int64_t max_rejected;
    /**
     * Non-zero: forget what is unfinished and replace what an earlier job wrote. 0. A file that no job wrote is never
     * replaced: the job fails before it begins, and names it.
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
} dama_score_dataset_options;

/** Sets every field. NULL is ignored. Thread-safe. */
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

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
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
 * @param[in,out] result   struct_size is read, the rest written; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also where the output belongs to a job with other settings, naming them;
 *         DAMA_IO for files that cannot be read or written, and an output that another process is writing; DAMA_MODEL
 *         where more rows than max_rejected were rejected, or all; DAMA_CANCELLED or what else the callback returned.
 *
 * Runs on several threads of its own and returns when all are done. May be called for different outputs at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_score_dataset(const dama_scorer *scorer,
                                                       const dama_score_dataset_options *options,
                                                       dama_score_dataset_result *result);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Policies: log-probabilities and text                                                                             */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * A language model, with or without a vision tower: Llama or LLaVA. It needs ONNX Runtime, as dama_scorer does. Weights
 * stay in the files, which must not change while the policy lives; policies of the same directory share the memory.
 *
 * All functions may be called on one policy from several threads at once; dama_policy_free() by the last of them.
 */
typedef struct dama_policy dama_policy;

/** How an image is brought to the vision tower's square. */
typedef enum dama_image_mode {
    /** Its shorter side is scaled and the middle cut out, as Hugging Face's processor does. */
    DAMA_IMAGE_MODE_CROP = 0,
    /** It is set into a square of the mean colour first, as the original LLaVA trainer does. */
    DAMA_IMAGE_MODE_PAD = 1
} dama_image_mode;

/** What happens where image, prompt and response are longer than max_length. */
typedef enum dama_overlong {
    /** It is an error that names the lengths. */
    DAMA_OVERLONG_ERROR = 0,
    /** The response's end is cut off and the result says so. Prompt and image are never cut. */
    DAMA_OVERLONG_CUT = 1
} dama_overlong;

/** Fields are set by dama_policy_options_init() to the values named here. Strings are copied. */
typedef struct dama_policy_options {
    uint32_t struct_size;
    /** As in dama_scorer_options. */
    uint32_t threads;
    uint64_t max_image_pixels;
    const char *provider;
    const char *onnxruntime;
    /**
     * How a question becomes a prompt: a name of dama_prompt_templates(), or a text with the places {question},
     * {response} and, where wanted, {image}, {system} and {end}. NULL: the directory's own chat template; an error
     * where there is none, or one that is not known.
     */
    const char *prompt_template;
    /** The system prompt, "" for none; NULL: the template's own. */
    const char *system;
    /** DAMA_IMAGE_MODE_CROP. */
    dama_image_mode image_mode;
    /** DAMA_OVERLONG_ERROR. */
    dama_overlong overlong;
    /** The most tokens of image, prompt and one response together; 0: the model's positions. */
    uint32_t max_length;
    /** The most tokens of one batch, padding included; a longer pair is a batch of its own. 8192. */
    uint32_t token_budget;
    /**
     * 1: both responses of a pair are computed behind one image and prompt. 0: each is a sequence of its own; the
     * numbers are the same within 1e-5.
     */
    uint32_t share_prefix;
    /** 0. */
    uint32_t reserved;
    /** As in dama_scorer_options. */
    uint32_t ignore_orientation;
    uint32_t drop_alpha;
} dama_policy_options;

/** Sets every field. NULL is ignored. Thread-safe. */
#define dama_policy_options_init(options) dama_policy_options_init_sized((options), sizeof(dama_policy_options))
DAMA_API void dama_policy_options_init_sized(dama_policy_options *options, size_t size);

/**
 * Opens a model: a Hugging Face directory of a LlamaForCausalLM or LlavaForConditionalGeneration with config.json,
 * safetensors (fp32, fp16 or bf16, one file or sharded), tokenizer.json and, for LLaVA, preprocessor_config.json. In
 * place of the safetensors there may be the hub's ONNX layout (onnx/decoder_model_merged.onnx; for LLaVA also
 * embed_tokens.onnx and vision_encoder.onnx), which cannot be trained.
 *
 * @param[out] out
 * @param[in]  model_dir
 * @param[in]  options    NULL: as dama_policy_options_init() sets them.
 * @return As dama_scorer_create().
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_create(dama_policy **out, const char *model_dir,
                                                       const dama_policy_options *options);

/** NULL is ignored. */
DAMA_API void dama_policy_free(dama_policy *policy);

/** What a dama_policy is. */
typedef struct dama_policy_facts {
    uint32_t struct_size;
    /** Logits for each token; numbers in a token's hidden state. */
    uint32_t vocabulary_size;
    uint32_t hidden_size;
    /** The most tokens of image, prompt and one response together. */
    uint32_t max_length;
    /** Tokens that an image takes; 0 for a model of text alone. */
    uint32_t image_tokens;
    /** The template in use, its name or its text; valid until dama_policy_free(). */
    const char *prompt_template;
} dama_policy_facts;

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_policy_facts_init(facts) dama_policy_facts_init_sized((facts), sizeof(dama_policy_facts))
DAMA_API void dama_policy_facts_init_sized(dama_policy_facts *facts, size_t size);

/**
 * Sizes and template of a policy.
 *
 * @param[in]     policy
 * @param[in,out] facts   struct_size is read; the first struct_size bytes are written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or a wrong struct_size.
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_describe(const dama_policy *policy, dama_policy_facts *facts);

/**
 * The names that prompt_template may have.
 *
 * @param[out] out  The caller's.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL. Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_prompt_templates(dama_strings **out);

/** An image, a question about it and two answers. This struct does not grow. */
typedef struct dama_preference_pair {
    /** NULL for a model of text alone. */
    const dama_image *image;
    const char *prompt;
    const char *chosen;
    const char *rejected;
} dama_preference_pair;

/** Log-probabilities of pairs. They never change and may be read from any number of threads. */
typedef struct dama_logps dama_logps;

/**
 * log π(y | I, x) of both responses of every pair, token by token. A response's tokens are those behind the shared
 * prompt, the end token of the template included. Images that are the same path or bytes are encoded once.
 *
 * @param[out] out           In the order of pairs; the caller's.
 * @param[in]  policy
 * @param[in]  pairs         [count]
 * @param[in]  count         ≥ 1; more pairs than fit the token budget become several batches.
 * @param[in]  cancellation  NULL: the call cannot be stopped.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty response, an image that is missing or too many, a pair that
 *         is too long; DAMA_CANCELLED; otherwise as dama_scorer_score(). The message names the pair ("pair 3: …").
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_logps(dama_logps **out, const dama_policy *policy,
                                                      const dama_preference_pair *pairs, size_t count,
                                                      const dama_cancellation *cancellation);

/** Frees log-probabilities; NULL is fine. */
DAMA_API void dama_logps_free(dama_logps *logps);

/** The number of pairs; 0 for NULL. */
DAMA_API size_t dama_logps_count(const dama_logps *logps);

/** One of a pair's two responses. */
typedef enum dama_response { DAMA_CHOSEN = 0, DAMA_REJECTED = 1 } dama_response;

/** log π of one response. This struct does not grow. */
typedef struct dama_response_logp {
    /** Σ over the tokens: what DPO compares. */
    double sum;
    /** sum / count. */
    double mean;
    /** Response tokens. */
    size_t count;
    /** 1 where the response was cut to fit max_length. */
    int32_t was_cut;
} dama_response_logp;

/**
 * The log-probability of one response.
 *
 * @param[in]  logps
 * @param[in]  pair      Its index, below dama_logps_count().
 * @param[in]  response
 * @param[out] logp
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an index beyond the end or a response that there is not.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_get(const dama_logps *logps, size_t pair, dama_response response,
                                                   dama_response_logp *logp);

/**
 * The log-probability of every token of one response.
 *
 * @param[in]  logps, pair, response  As for dama_logps_get().
 * @param[out] tokens    [capacity]; NULL with capacity 0 to learn the count alone.
 * @param[in]  capacity
 * @param[out] count     How many there are.
 * @return As dama_logps_get(); DAMA_SHAPE_MISMATCH where capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_tokens(const dama_logps *logps, size_t pair, dama_response response,
                                                      float *tokens, size_t capacity, size_t *count);

/**
 * The sums of one response of every pair, as dama_preference_batch takes them.
 *
 * @param[in]  logps
 * @param[in]  response
 * @param[out] sums      [capacity]
 * @param[in]  capacity  ≥ dama_logps_count().
 * @return As dama_logps_tokens().
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_sums(const dama_logps *logps, dama_response response, double *sums,
                                                    size_t capacity);

/** A question, and the image where the model takes one. This struct does not grow. */
typedef struct dama_prompt {
    /** NULL for a model of text alone. */
    const dama_image *image;
    const char *text;
} dama_prompt;

/**
 * Hears of text as it becomes certain: whole characters, nothing that a stop string may still take back. Called on the
 * thread that called dama_policy_generate().
 *
 * @param[in] index  Of the prompt.
 * @param[in] text   UTF-8, valid during the call.
 * @param[in] user   As in the options.
 * @return DAMA_OK to go on; anything else stops all prompts with DAMA_CANCELLED.
 */
typedef dama_status (*dama_text_callback)(size_t index, const char *text, void *user);

/** Fields are set by dama_generation_options_init() to the values named here. */
typedef struct dama_generation_options {
    uint32_t struct_size;
    /** The most tokens of one text, ≥ 1; 256. */
    uint32_t max_tokens;
    /** 0: the likeliest token; otherwise logits are divided by it. 0. */
    double temperature;
    /** The smallest set of tokens whose probabilities reach it takes part, in (0, 1]; 1. */
    double top_p;
    /** The largest top_k logits take part; 0: all. */
    uint32_t top_k;
    /** [stop_count] texts that end a text and are not part of it; borrowed. NULL. */
    size_t stop_count;
    const char *const *stop;
    /** With temperature > 0, prompt i of a batch draws from stream i of this seed; 0. */
    uint64_t seed;
    /** May be NULL. */
    dama_text_callback on_text;
    void *user;
} dama_generation_options;

/** Sets every field. NULL is ignored. Thread-safe. */
#define dama_generation_options_init(options) \
    dama_generation_options_init_sized((options), sizeof(dama_generation_options))
DAMA_API void dama_generation_options_init_sized(dama_generation_options *options, size_t size);

/** Why a text ended. */
typedef enum dama_finish {
    /** The model said so. */
    DAMA_FINISH_END = 0,
    /** A stop string came up. */
    DAMA_FINISH_STOP = 1,
    /** max_tokens or the model's positions are used up. */
    DAMA_FINISH_LENGTH = 2
} dama_finish;

/** Generated texts. They never change and may be read from any number of threads. */
typedef struct dama_texts dama_texts;

/**
 * Continues prompts, all as one batch.
 *
 * @param[out] out      In the order of prompts; the caller's.
 * @param[in]  policy
 * @param[in]  prompts  [count]
 * @param[in]  count    ≥ 1
 * @param[in]  options  NULL: as dama_generation_options_init() sets them.
 * @return DAMA_OK; DAMA_CANCELLED where on_text asked for it; DAMA_SHAPE_MISMATCH for a prompt that fills the model's
 *         positions; otherwise as dama_policy_logps(), with "prompt 3: …".
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_generate(dama_texts **out, const dama_policy *policy,
                                                         const dama_prompt *prompts, size_t count,
                                                         const dama_generation_options *options);

/** Frees texts; NULL is fine. */
DAMA_API void dama_texts_free(dama_texts *texts);

/** How many there are; 0 for NULL. */
DAMA_API size_t dama_texts_count(const dama_texts *texts);

/** The text at index, UTF-8, valid until dama_texts_free(); NULL beyond the end. A NUL inside it looks like its end. */
DAMA_API const char *dama_texts_at(const dama_texts *texts, size_t index);

/**
 * The tokens of a text, without the end token.
 *
 * @param[in]  texts
 * @param[in]  index     Below dama_texts_count().
 * @param[out] ids       [capacity]; NULL with capacity 0 to learn the count alone.
 * @param[in]  capacity
 * @param[out] count     How many there are.
 * @param[out] finish    Why it ended; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end; DAMA_SHAPE_MISMATCH where capacity is too
 *         small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_texts_tokens(const dama_texts *texts, size_t index, int32_t *ids,
                                                      size_t capacity, size_t *count, dama_finish *finish);

/* ---------------------------------------------------------------------------------------------------------------- */
/* The reference's log-probabilities of a dataset                                                                   */
/* ---------------------------------------------------------------------------------------------------------------- */

/** What a line of a dataset's log-probabilities holds. dama_reference_cache_open() reads both. */
typedef enum dama_reference_format {
    /** id, key, and for both responses sum, mean, count, was_cut and tokens. */
    DAMA_REFERENCE_FULL = 0,
    /** idx, key and logps, the text of six fields that the RLAIF-V and DAMA trainers read. */
    DAMA_REFERENCE_LOGPS = 1
} dama_reference_format;

/** Fields are set by dama_reference_dataset_options_init() to what is named here; data and output have to be given. */
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
    /** The job fails at one rejected row more; −1: never. */
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
} dama_reference_dataset_options;

/** Sets every field. NULL is ignored. Thread-safe. */
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

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_reference_dataset_result_init(result) \
    dama_reference_dataset_result_init_sized((result), sizeof(dama_reference_dataset_result))
DAMA_API void dama_reference_dataset_result_init_sized(dama_reference_dataset_result *result, size_t size);

/**
 * Writes log π of both responses of every pair of a dataset, from a file to a file, as dama_score_dataset() scores one:
 * in constant memory, taken up again where it was stopped, bad rows set aside, a pair that is too long among them. The
 * summary holds what the numbers depend on, every line the hash of its pair.
 *
 * @param[in]     policy   The reference.
 * @param[in]     options
 * @param[in,out] result   struct_size is read, the rest written; or NULL.
 * @return As dama_score_dataset().
 *
 * Runs on threads of its own and returns when all are done. May be called for different outputs at the same time.
 */
DAMA_API DAMA_NODISCARD dama_status dama_reference_dataset(const dama_policy *policy,
                                                           const dama_reference_dataset_options *options,
                                                           dama_reference_dataset_result *result);

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

/** Frees a cache; NULL is fine. */
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

/* ---------------------------------------------------------------------------------------------------------------- */
/* Training                                                                                                         */
/* ---------------------------------------------------------------------------------------------------------------- */

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

/**
 * Fields are set by dama_trainer_options_init() to the values named here. What pointers point to is read by
 * dama_trainer_create() alone.
 */
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
    /** The global norm that gradients are clipped to; 0: none. 1. */
    double max_gradient_norm;
    /** The most tokens, padding included, of one forward or backward run; a longer pair is a run of its own. 4096. */
    uint32_t tokens_per_run;
    /** Threads of the optimizer, 0 for every processor; those of the models are the policy's. 0. */
    uint32_t threads;
} dama_trainer_options;

/** Sets every field. NULL is ignored. Thread-safe. */
#define dama_trainer_options_init(options) dama_trainer_options_init_sized((options), sizeof(dama_trainer_options))
DAMA_API void dama_trainer_options_init_sized(dama_trainer_options *options, size_t size);

/**
 * A policy that learns: weights in fp32 with their gradients and moments, AdamW, and an adaptive beta. It starts from
 * the weights of a dama_policy, which stays as it is and can be its own reference. One handle, one thread at a time.
 *
 * dama_trainer_step() is Algorithm 1's inner loop. Its parts are callable one by one, for engines that own some of them:
 * dama_trainer_forward() over a rank's pairs; the sums gathered from all ranks into dama_adaptive_beta_step();
 * dama_trainer_backward() with its gradients; the gradients added up over the ranks, in the memory that
 * dama_trainer_parameter() shows; dama_trainer_update(); dama_adaptive_beta_commit(); dama_trainer_zero_grad().
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
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size, an option outside its range, patterns that match
 *         no weight, and a projector that the model has not; DAMA_UNSUPPORTED also for an ONNX Runtime that computes a
 *         known gradient wrongly; otherwise as dama_policy_create().
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_create(dama_trainer **out, const dama_policy *policy,
                                                        const dama_policy *reference,
                                                        const dama_adaptive_beta *controller,
                                                        const dama_trainer_options *options);

/** Frees a trainer, with the memory of its parameters; NULL is fine. */
DAMA_API void dama_trainer_free(dama_trainer *trainer);

/** A pair to train on. This struct does not grow. */
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

/** An alpha_data of 1, NaN for the reference, no third, and an empty pair. NULL is ignored. Thread-safe. */
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

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_step_metrics_init(metrics) dama_step_metrics_init_sized((metrics), sizeof(dama_step_metrics))
DAMA_API void dama_step_metrics_init_sized(dama_step_metrics *metrics, size_t size);

/**
 * One update from a batch, Algorithm 1: forward over all pairs, gaps, filter, β, loss, backward over the kept pairs,
 * clipping, AdamW, running mean. Gradients of dama_trainer_backward() are forgotten.
 *
 * @param[in]     trainer
 * @param[in]     pairs         [count]
 * @param[in]     count         N ≥ 1.
 * @param[in,out] metrics       struct_size is read, the rest written; or NULL.
 * @param[in]     cancellation  NULL: the call cannot be stopped. A step is whole or has not been: one that is cancelled too
 *                              late returns DAMA_OK.
 * @return DAMA_OK, also where the update was left out for numbers that are not finite; DAMA_INVALID_ARGUMENT for NULL, a
 *         number outside its range, one of two reference log-probabilities, missing ones without a reference, and no
 *         finite pair; DAMA_CANCELLED; otherwise as dama_policy_logps(). Weights, moments, controller and counts are as
 *         before then.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_step(dama_trainer *trainer, const dama_training_pair *pairs,
                                                      size_t count, dama_step_metrics *metrics,
                                                      const dama_cancellation *cancellation);

/**
 * log π(y | I, x) as dama_policy_logps() gives it, of the trained weights. What the backward run needs of it stays in the
 * trainer until the next forward run, step or update.
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
 * @param[in] cancellation   NULL: the call cannot be stopped.
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
 * Clips the gradients that are there, and lets AdamW take its step at the schedule's rate. The controller does not move,
 * and the gradients stay what they are.
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

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_parameter_init(parameter) dama_parameter_init_sized((parameter), sizeof(dama_parameter))
DAMA_API void dama_parameter_init_sized(dama_parameter *parameter, size_t size);

/** How many tensors are trained, in an order that depends on model and options alone; 0 for NULL. */
DAMA_API size_t dama_trainer_parameter_count(const dama_trainer *trainer);

/**
 * One of the tensors that are trained.
 *
 * @param[in]     trainer
 * @param[in]     index      Below dama_trainer_parameter_count().
 * @param[in,out] parameter  struct_size is read, the rest written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size or an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_parameter(const dama_trainer *trainer, size_t index,
                                                           dama_parameter *parameter);

/** Where a trainer stands. */
typedef struct dama_trainer_progress {
    uint32_t struct_size;
    /** Updates made; updates left out for a loss or gradient that was not finite. */
    uint64_t steps;
    uint64_t skipped;
    /** Of the next update. */
    double learning_rate;
    /** Of the controller. */
    double running_mean;
} dama_trainer_progress;

/** Sets struct_size, and everything else to 0. NULL is ignored. Thread-safe. */
#define dama_trainer_progress_init(progress) dama_trainer_progress_init_sized((progress), sizeof(dama_trainer_progress))
DAMA_API void dama_trainer_progress_init_sized(dama_trainer_progress *progress, size_t size);

/**
 * Counts, learning rate and running mean.
 *
 * @param[in]     trainer
 * @param[in,out] progress  struct_size is read, the rest written.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or a wrong struct_size.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_get_progress(const dama_trainer *trainer,
                                                              dama_trainer_progress *progress);

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
 * The gradients become 0; the memory that dama_trainer_parameter() shows stays at its place.
 *
 * @param[out] note     Its note as the only string, the caller's; no string where there was none. Or NULL.
 * @param[in]  trainer
 * @param[in]  path
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, and for a checkpoint of other weights or another controller, naming
 *         the first difference; DAMA_IO; DAMA_MODEL for a file that is damaged or no checkpoint. Nothing is changed then.
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

/** Fields are set by dama_export_options_init() to the values named here. */
typedef struct dama_export_options {
    uint32_t struct_size;
    /** DAMA_EXPORT_MODEL. */
    dama_export_kind kind;
    /** Of trained weights; those that were not trained keep the bytes that they have. DAMA_WEIGHT_FLOAT32. */
    dama_weight_type type;
    /** Non-zero: a directory that is no earlier export is replaced, with all that it holds. 0. */
    int32_t replace;
    /** The most bytes of weights in one file; 5,000,000,000. */
    uint64_t shard_bytes;
} dama_export_options;

/** Sets every field. NULL is ignored. Thread-safe. */
#define dama_export_options_init(options) dama_export_options_init_sized((options), sizeof(dama_export_options))
DAMA_API void dama_export_options_init_sized(dama_export_options *options, size_t size);

/**
 * Writes what was trained for others to load. It is written beside and renamed: under its name stands the earlier export
 * or the whole new one.
 *
 * @param[in] trainer
 * @param[in] directory
 * @param[in] options    NULL: as dama_export_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a wrong struct_size, an unknown option, adapters of a trainer without
 *         them, a directory that holds something else than an earlier export, that of the model itself, and a trained
 *         weight that is NaN, infinite or beyond what the type holds; DAMA_IO.
 */
DAMA_API DAMA_NODISCARD dama_status dama_trainer_export(const dama_trainer *trainer, const char *directory,
                                                        const dama_export_options *options);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_H */
