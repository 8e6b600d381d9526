/* Policies: log-probabilities and text. */
#ifndef DAMA_POLICY_H
#define DAMA_POLICY_H

#include "clip.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A language model, with or without a vision tower. It needs ONNX Runtime, as dama_scorer does. Weights stay in the
 * files, which must not change while the policy lives; policies of the same directory share the memory.
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

/** How dama_policy_create() opens a model. Strings are copied. */
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
     * Boolean: both responses of a pair are computed behind one image and prompt. Otherwise each is a sequence of its
     * own; the numbers are the same within 1e-5. 1.
     */
    int32_t share_prefix;
    /** 0. */
    uint32_t reserved;
    /** As in dama_scorer_options. */
    int32_t ignore_orientation;
    int32_t drop_alpha;
} dama_policy_options;

#define dama_policy_options_init(options) dama_policy_options_init_sized((options), sizeof(dama_policy_options))
DAMA_API void dama_policy_options_init_sized(dama_policy_options *options, size_t size);

/**
 * Opens a model: a Hugging Face directory of an architecture that docs/policies.md lists, such as LlamaForCausalLM or
 * LlavaForConditionalGeneration, with config.json, safetensors (fp32, fp16 or bf16, one file or sharded), tokenizer.json
 * and, for LLaVA, preprocessor_config.json. In place of the safetensors there may be the hub's ONNX layout
 * (onnx/decoder_model_merged.onnx; for LLaVA also embed_tokens.onnx and vision_encoder.onnx), which cannot be trained.
 *
 * @param[out] out
 * @param[in]  model_dir
 * @param[in]  options    NULL: as dama_policy_options_init() sets them.
 * @return As dama_scorer_create().
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_create(dama_policy **out, const char *model_dir,
                                                       const dama_policy_options *options);

/** Frees a policy. */
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

#define dama_policy_facts_init(facts) dama_policy_facts_init_sized((facts), sizeof(dama_policy_facts))
DAMA_API void dama_policy_facts_init_sized(dama_policy_facts *facts, size_t size);

/**
 * Sizes and template of a policy.
 *
 * @param[in]     policy
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_describe(const dama_policy *policy, dama_policy_facts *facts);

/**
 * The names that prompt_template may have.
 *
 * @param[out] out  The caller's.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_prompt_templates(dama_strings **out);

/**
 * Makes a splitter of a language model that runs here and answers one response at a time, greedily.
 *
 * @param[out] out
 * @param[in]  policy   A model of text alone that follows instructions. Kept by the splitter as long as it needs it:
 *                      the handle may be freed at any time.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them. Only its cache is read.
 * @return As dama_splitter_create_command(); DAMA_UNSUPPORTED for a model that takes an image.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_policy(dama_splitter **out, const dama_policy *policy,
                                                                const dama_splitter_options *options);

/** An image, a question about it and two answers. */
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
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty response, an image that is missing or too many, a pair that
 *         is too long; otherwise as dama_scorer_score(). The message names the pair ("pair 3: …").
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_logps(dama_logps **out, const dama_policy *policy,
                                                      const dama_preference_pair *pairs, size_t count,
                                                      const dama_cancellation *cancellation);

/** Frees log-probabilities. */
DAMA_API void dama_logps_free(dama_logps *logps);

/** The number of pairs; 0 for NULL. */
DAMA_API size_t dama_logps_count(const dama_logps *logps);

/** log π of one response. */
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
DAMA_API DAMA_NODISCARD dama_status dama_logps_at(const dama_logps *logps, size_t pair, dama_response response,
                                                  dama_response_logp *logp);

/**
 * The log-probability of every token of one response.
 *
 * @param[in]  logps, pair, response  As for dama_logps_at().
 * @param[out] tokens    [capacity]; NULL with capacity 0 to learn the count alone.
 * @param[in]  capacity
 * @param[out] count     How many there are.
 * @return As dama_logps_at(); DAMA_SHAPE_MISMATCH where capacity is too small.
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
 * @return As dama_logps_tokens(), but NULL does not ask for the count: dama_logps_count() has it.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_sums(const dama_logps *logps, dama_response response, double *sums,
                                                    size_t capacity);

/** A question, and the image where the model takes one. */
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
 * @return DAMA_OK to go on; anything else stops all prompts.
 */
typedef dama_status (*dama_text_callback)(size_t index, const char *text, void *user);

/** How dama_policy_generate() chooses tokens and when it stops. */
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
    const char *const *stop;
    size_t stop_count;
    /** With temperature > 0, prompt i of a batch draws from stream i of this seed; 0. */
    uint64_t seed;
    /** May be NULL. */
    dama_text_callback on_text;
    void *user;
} dama_generation_options;

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
 * @param[out] out           In the order of prompts; the caller's.
 * @param[in]  policy
 * @param[in]  prompts       [count]
 * @param[in]  count         ≥ 1
 * @param[in]  options       NULL: as dama_generation_options_init() sets them.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; what on_text returned; DAMA_SHAPE_MISMATCH for a prompt that fills the model's positions; otherwise
 *         as dama_policy_logps(), with "prompt 3: …".
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_generate(dama_texts **out, const dama_policy *policy,
                                                         const dama_prompt *prompts, size_t count,
                                                         const dama_generation_options *options,
                                                         const dama_cancellation *cancellation);

/** Frees texts. */
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

#ifdef __cplusplus
}
#endif

#endif /* DAMA_POLICY_H */
