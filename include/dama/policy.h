/* Policies: log-probabilities and text. */
#ifndef DAMA_POLICY_H
#define DAMA_POLICY_H

#include "clip.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A language model with or without a vision tower. It needs ONNX Runtime, as dama_scorer does. Weights
 * stay in the files, which must not change while the policy exists. Policies of one directory share the memory.
 *
 * Several threads may use one policy at the same time. dama_policy_free() must come after all other calls.
 */
typedef struct dama_policy dama_policy;

/** How an image becomes the square input of the vision tower. */
typedef enum dama_image_mode {
    /** The shorter side is scaled and the middle is cropped, as Hugging Face's processor does. */
    DAMA_IMAGE_MODE_CROP = 0,
    /** The image is first padded to a square with the mean colour, as the original LLaVA trainer does. Refused by models
     *  that cut images into tiles. */
    DAMA_IMAGE_MODE_PAD = 1,
    /** As the model's files say: do_pad of its processor, or image_aspect_ratio in LLaVA's original layout. */
    DAMA_IMAGE_MODE_CHECKPOINT = 2
} dama_image_mode;

/** What happens if image, prompt and response together are longer than max_length. */
typedef enum dama_overlong {
    /** The call fails; the message gives the lengths. */
    DAMA_OVERLONG_ERROR = 0,
    /** The end of the response is cut off, and the result says so. Prompt and image are never cut. */
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
     * How a question becomes a prompt: a name of dama_prompt_templates(); a text with the placeholders {question} and
     * {response}, and optionally {image}, {system} and {end}; or the path of a .jinja file. NULL: the chat template of
     * the directory; it is an error if there is none.
     */
    const char *prompt_template;
    /** The system prompt, "" for none; NULL: the system prompt of the template. */
    const char *system;
    /** DAMA_IMAGE_MODE_CHECKPOINT. */
    dama_image_mode image_mode;
    /** DAMA_OVERLONG_ERROR. */
    dama_overlong overlong;
    /** The most tokens of image, prompt and one response together; 0: the number of the model's positions. */
    uint32_t max_length;
    /** The most tokens of one batch, including padding; a pair with more tokens is a batch by itself. 8192. */
    uint32_t token_budget;
    /**
     * Boolean: compute image and prompt once for both responses of a pair. Otherwise each response is a sequence of its
     * own; the numbers are the same within 1e-5. 1.
     */
    int32_t share_prefix;
    /** 0. */
    uint32_t reserved;
    /** As in dama_scorer_options. */
    int32_t ignore_orientation;
    int32_t drop_alpha;
    /**
     * The directory of the vision tower, for a model in LLaVA's original layout, which keeps it apart; NULL: the
     * directory that config.json names (mm_vision_tower). Other models ignore it.
     */
    const char *vision_tower;
    /** The day that a template takes for today, such as "2026-01-31"; NULL: 2024-07-26. */
    const char *template_date;
    /** As in dama_scorer_options. Log-probabilities are summed in float32 with each. */
    const char *precision;
} dama_policy_options;

#define dama_policy_options_init(options) dama_policy_options_init_sized((options), sizeof(dama_policy_options))
DAMA_API void dama_policy_options_init_sized(dama_policy_options *options, size_t size);

/**
 * Opens a model: a Hugging Face directory of an architecture that docs/policies.md lists, such as LlamaForCausalLM or
 * LlavaForConditionalGeneration, with config.json, safetensors (fp32, fp16 or bf16, one file or sharded), tokenizer.json
 * and, with images, preprocessor_config.json. pytorch_model.bin, one file or sharded, may replace the safetensors, and a
 * model may have LLaVA's original layout (LlavaLlamaForCausalLM with mm_vision_tower). The hub's ONNX layout
 * (onnx/decoder_model_merged.onnx; for LLaVA also embed_tokens.onnx and vision_encoder.onnx) may replace the safetensors;
 * such a model cannot be trained.
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

/** Properties of a dama_policy. */
typedef struct dama_policy_facts {
    uint32_t struct_size;
    /** The number of logits for each token, and the width of a token's hidden state. */
    uint32_t vocabulary_size;
    uint32_t hidden_size;
    /** The most tokens of image, prompt and one response together. */
    uint32_t max_length;
    /** The number of tokens of an image; 0 for a text-only model. */
    uint32_t image_tokens;
    /** The name, the text or the file of the template in use; valid until dama_policy_free(). */
    const char *prompt_template;
} dama_policy_facts;

#define dama_policy_facts_init(facts) dama_policy_facts_init_sized((facts), sizeof(dama_policy_facts))
DAMA_API void dama_policy_facts_init_sized(dama_policy_facts *facts, size_t size);

/**
 * Returns the sizes and the template of a policy.
 *
 * @param[in]     policy
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_describe(const dama_policy *policy, dama_policy_facts *facts);

/**
 * Returns the names that prompt_template accepts.
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_prompt_templates(dama_strings **out);

/**
 * Creates a splitter that asks a policy, one response at a time, with greedy decoding.
 *
 * @param[out] out
 * @param[in]  policy   A text-only model that follows instructions. The splitter keeps the model while it needs it; the
 *                      handle may be freed at any time.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them. Only the field cache is read.
 * @return As dama_splitter_create_command(); DAMA_UNSUPPORTED for a model with a vision tower.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_policy(dama_splitter **out, const dama_policy *policy,
                                                                const dama_splitter_options *options);

/** An image, a question about it and two responses. */
typedef struct dama_preference_pair {
    /** NULL for a text-only model. */
    const dama_image *image;
    const char *prompt;
    const char *chosen;
    const char *rejected;
} dama_preference_pair;

/** Log-probabilities of pairs. They never change; all threads may read them at the same time. */
typedef struct dama_logps dama_logps;

/**
 * Computes log π(y | I, x) of both responses of every pair, token by token. The tokens of a response follow the shared
 * prompt, and include the end token of the template. Images with the same path or bytes are encoded once.
 *
 * @param[out] out           In the order of pairs.
 * @param[in]  policy
 * @param[in]  pairs         [count]
 * @param[in]  count         ≥ 1; pairs beyond the token budget are split into several batches.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty response, an image that is missing or not accepted by the
 *         model, a pair that is too long; otherwise as dama_scorer_score(). The message names the pair ("pair 3: …").
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_logps(dama_logps **out, const dama_policy *policy,
                                                      const dama_preference_pair *pairs, size_t count,
                                                      const dama_cancellation *cancellation);

/** A conversation with its images, and responses to its last message. */
typedef struct dama_conversation {
    /**
     * JSON: a list of messages with role and content, as in rows of datasets (docs/score.md). "<image>" in a text, or a part
     * {"type": "image"}, is the place of an image; without places, all images come first.
     */
    const char *messages;
    /** [image_count] in the order of their places; may be NULL if image_count is 0. */
    const dama_image *images;
    size_t image_count;
    /** NULL for dama_policy_chat(). */
    const char *chosen;
    const char *rejected;
} dama_conversation;

/**
 * Computes log π(y | x) of both responses of every conversation, as dama_policy_logps() does for a question about one image.
 *
 * @param[out] out            In the order of conversations.
 * @param[in]  policy
 * @param[in]  conversations  [count]
 * @param[in]  count, cancellation  As for dama_policy_logps().
 * @return As dama_policy_logps(); DAMA_INVALID_ARGUMENT also for messages that are not such a list, that do not end with a
 *         question or that the template refuses, and for a number of places that is not that of the images.
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_chat_logps(dama_logps **out, const dama_policy *policy,
                                                           const dama_conversation *conversations, size_t count,
                                                           const dama_cancellation *cancellation);

/** Frees log-probabilities. */
DAMA_API void dama_logps_free(dama_logps *logps);

/** Returns the number of pairs; 0 for NULL. */
DAMA_API size_t dama_logps_count(const dama_logps *logps);

/** log π of one response. */
typedef struct dama_response_logp {
    /** The sum over all tokens, which DPO compares. */
    double sum;
    /** sum / count. */
    double mean;
    /** The number of response tokens. */
    size_t count;
    /** Boolean: the response was cut to fit max_length. */
    int32_t was_cut;
} dama_response_logp;

/**
 * Returns the log-probability of one response.
 *
 * @param[in]  logps
 * @param[in]  pair      The index of the pair, below dama_logps_count().
 * @param[in]  response
 * @param[out] logp
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an index beyond the end or an unknown response.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_at(const dama_logps *logps, size_t pair, dama_response response,
                                                  dama_response_logp *logp);

/**
 * Returns the log-probability of every token of one response.
 *
 * @param[in]  logps, pair, response  As for dama_logps_at().
 * @param[out] tokens    [capacity]; NULL with capacity 0 asks for the count only.
 * @param[in]  capacity
 * @param[out] count     The number of tokens.
 * @return As dama_logps_at(); DAMA_SHAPE_MISMATCH if capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_tokens(const dama_logps *logps, size_t pair, dama_response response,
                                                      float *tokens, size_t capacity, size_t *count);

/**
 * Returns the sums of one response of every pair, for the arrays of dama_preference_batch.
 *
 * @param[in]  logps
 * @param[in]  response
 * @param[out] sums      [capacity]
 * @param[in]  capacity  ≥ dama_logps_count().
 * @return As dama_logps_tokens(), but NULL does not ask for the count: dama_logps_count() returns it.
 */
DAMA_API DAMA_NODISCARD dama_status dama_logps_sums(const dama_logps *logps, dama_response response, double *sums,
                                                    size_t capacity);

/** A question, and an image if the model has a vision tower. */
typedef struct dama_prompt {
    /** NULL for a text-only model. */
    const dama_image *image;
    const char *text;
} dama_prompt;

/**
 * Receives each piece of text as soon as it is final: whole characters, without text that may become part of a stop
 * string. Called on the thread that called dama_policy_generate().
 *
 * A beam search has no text before it ends: it calls back with index 0 and an empty text before each step of the model,
 * and with a prompt's whole text when its search has ended.
 *
 * @param[in] index  The index of the prompt.
 * @param[in] text   UTF-8, valid during the call.
 * @param[in] user   As in the options.
 * @return DAMA_OK to continue; any other status stops all prompts.
 */
typedef dama_status (*dama_text_callback)(size_t index, const char *text, void *user);

/** When a beam search ends, once it has num_beams finished beams. */
typedef enum dama_early_stopping {
    /** If the best running beam, at its length so far, does not exceed the worst finished one. */
    DAMA_EARLY_STOPPING_NO = 0,
    /** At once. */
    DAMA_EARLY_STOPPING_YES = 1,
    /** If the best running beam cannot exceed the worst finished one at any length. */
    DAMA_EARLY_STOPPING_NEVER = 2
} dama_early_stopping;

/** How dama_policy_generate() chooses tokens and when it stops. */
typedef struct dama_generation_options {
    uint32_t struct_size;
    /** The most tokens of one text, ≥ 1; 256. */
    uint32_t max_tokens;
    /** 0: the likeliest token; otherwise logits are divided by it. 0. */
    double temperature;
    /** Only the smallest set of tokens whose probabilities sum to top_p takes part, in (0, 1]; 1. */
    double top_p;
    /** Only the top_k largest logits take part; 0: all. */
    uint32_t top_k;
    /** [stop_count] strings that end a text and are not part of it; borrowed. NULL. */
    const char *const *stop;
    size_t stop_count;
    /** With temperature > 0, prompt i of a batch draws from stream i of this seed; 0. */
    uint64_t seed;
    /** Or NULL. */
    dama_text_callback on_text;
    void *user;
    /** The number of beams of a beam search, 1 to 1024, which needs temperature 0; 1: none. 1. */
    uint32_t num_beams;
    dama_early_stopping early_stopping;
    /** A finished beam of n tokens, end token included, has the score Σ log π / n^length_penalty; 1. */
    double length_penalty;
} dama_generation_options;

#define dama_generation_options_init(options) \
    dama_generation_options_init_sized((options), sizeof(dama_generation_options))
DAMA_API void dama_generation_options_init_sized(dama_generation_options *options, size_t size);

/** Why a text ended. */
typedef enum dama_finish {
    /** The model generated an end token. */
    DAMA_FINISH_END = 0,
    /** The text reached a stop string. */
    DAMA_FINISH_STOP = 1,
    /** max_tokens or the number of the model's positions was reached. */
    DAMA_FINISH_LENGTH = 2
} dama_finish;

/** Generated texts. They never change; all threads may read them at the same time. */
typedef struct dama_texts dama_texts;

/**
 * Generates a text for each prompt, all in one batch.
 *
 * @param[out] out           In the order of prompts.
 * @param[in]  policy
 * @param[in]  prompts       [count]
 * @param[in]  count         ≥ 1
 * @param[in]  options       NULL: as dama_generation_options_init() sets them.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; a status that on_text returned; DAMA_SHAPE_MISMATCH for a prompt that fills all positions of the
 *         model; otherwise as dama_policy_logps(), with "prompt 3: …".
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_generate(dama_texts **out, const dama_policy *policy,
                                                         const dama_prompt *prompts, size_t count,
                                                         const dama_generation_options *options,
                                                         const dama_cancellation *cancellation);

/**
 * Continues every conversation, as dama_policy_generate() does for a question about one image.
 *
 * @param[out] out            In the order of conversations.
 * @param[in]  policy
 * @param[in]  conversations  [count], without responses.
 * @param[in]  count, options, cancellation  As for dama_policy_generate().
 * @return As dama_policy_generate() and dama_policy_chat_logps().
 */
DAMA_API DAMA_NODISCARD dama_status dama_policy_chat(dama_texts **out, const dama_policy *policy,
                                                     const dama_conversation *conversations, size_t count,
                                                     const dama_generation_options *options,
                                                     const dama_cancellation *cancellation);

/** Frees texts. */
DAMA_API void dama_texts_free(dama_texts *texts);

/** Returns the number of texts; 0 for NULL. */
DAMA_API size_t dama_texts_count(const dama_texts *texts);

/** Returns the text at index, UTF-8, valid until dama_texts_free(); NULL beyond the end. It ends at its first NUL. */
DAMA_API const char *dama_texts_at(const dama_texts *texts, size_t index);

/**
 * Returns the tokens of a text, without the end token.
 *
 * @param[in]  texts
 * @param[in]  index     Below dama_texts_count().
 * @param[out] ids       [capacity]; NULL with capacity 0 asks for the count only.
 * @param[in]  capacity
 * @param[out] count     The number of tokens.
 * @param[out] finish    Why the text ended; or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an index beyond the end; DAMA_SHAPE_MISMATCH if capacity is too
 *         small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_texts_tokens(const dama_texts *texts, size_t index, int32_t *ids,
                                                      size_t capacity, size_t *count, dama_finish *finish);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_POLICY_H */
