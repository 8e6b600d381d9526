/* Scores of CLIP and similar models, and the hardness of a pair. */
#ifndef DAMA_CLIP_H
#define DAMA_CLIP_H

#include "hardness.h"
#include "splitter.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A CLIP model or a similar one. It computes logits Γ(I, S), Eq. (4), and embeddings of images and sentences. It needs
 * ONNX Runtime 1.21 or later, which is opened when the process loads its first model: the file that the options name,
 * otherwise the file that the environment variable DAMA_ONNXRUNTIME names, otherwise libonnxruntime.so.1 or
 * libonnxruntime.so on the loader's path. A process uses one ONNX Runtime.
 *
 * Several threads may use one scorer at the same time. dama_scorer_free() must come after all other calls.
 */
typedef struct dama_scorer dama_scorer;

/** What happens to a sentence with more tokens than the model takes (77 in CLIP, start and end included). */
typedef enum dama_long_texts {
    /** The call fails; the message names the sentence and its number of tokens. */
    DAMA_LONG_TEXTS_REFUSE = 0,
    /** The end of the sentence is cut off. */
    DAMA_LONG_TEXTS_CUT = 1
} dama_long_texts;

/** How dama_scorer_create() opens a model. */
typedef struct dama_scorer_options {
    uint32_t struct_size;
    /**
     * Threads of inference, 0 to 1024; 0: one for each processor that this process may use. All models share the thread
     * pool of the first model; a model with another number of threads gets its own pool.
     */
    uint32_t threads;
    /** The most pixels of a decoded image; 178,956,970. */
    uint64_t max_image_pixels;
    /** "cpu", "cuda" or "cuda:N"; NULL: "cpu". */
    const char *provider;
    /** The file of ONNX Runtime; NULL: see dama_scorer. */
    const char *onnxruntime;
    /** DAMA_LONG_TEXTS_REFUSE. */
    dama_long_texts long_texts;
    /** exp(logit_scale) for models in ONNX files, which do not contain it; 0: 100, the scale of OpenAI's models. */
    float logit_scale;
    /** Boolean: ignore the EXIF orientation. Otherwise it is applied to the image, as in transformers. */
    int32_t ignore_orientation;
    /** Boolean: drop the alpha channel. Otherwise the image is composed over white, as in transformers. */
    int32_t drop_alpha;
    /**
     * What the model computes in: "float32", "bfloat16" or "float16"; NULL or "auto": float32 on the CPU, bfloat16 on
     * CUDA. The CPU has no bfloat16. A model in ONNX files has its own types and takes "auto" only.
     */
    const char *precision;
} dama_scorer_options;

#define dama_scorer_options_init(options) dama_scorer_options_init_sized((options), sizeof(dama_scorer_options))
DAMA_API void dama_scorer_options_init_sized(dama_scorer_options *options, size_t size);

/**
 * Opens OpenCLIP's layout of the hub (open_clip_config.json, open_clip_model.safetensors and tokenizer.json), or a
 * Hugging Face directory of a CLIPModel or a SiglipModel, with config.json, safetensors (fp32, fp16 or bf16,
 * one file or sharded), tokenizer.json (for CLIP also vocab.json and merges.txt) and preprocessor_config.json. For CLIP,
 * text_model.onnx and vision_model.onnx, in the directory or in its folder onnx, may replace the safetensors. The files
 * must not change while the scorer exists.
 *
 * @param[out] out
 * @param[in]  model_dir
 * @param[in]  options    NULL: as dama_scorer_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT; DAMA_IO for a missing file; DAMA_MODEL for a file with wrong contents: the
 *         message names the field or tensor, and what was found and expected; DAMA_UNSUPPORTED for another
 *         architecture, and if ONNX Runtime is missing, too old or without the provider.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_create(dama_scorer **out, const char *model_dir,
                                                       const dama_scorer_options *options);

/** Frees a scorer. */
DAMA_API void dama_scorer_free(dama_scorer *scorer);

/** Properties of a dama_scorer. */
typedef struct dama_scorer_facts {
    uint32_t struct_size;
    /** The number of elements of an embedding. */
    uint32_t dimension;
    /** The most tokens of a sentence, start and end included: 77 in CLIP. */
    uint32_t max_tokens;
    /** exp(logit_scale). */
    float logit_scale;
} dama_scorer_facts;

#define dama_scorer_facts_init(facts) dama_scorer_facts_init_sized((facts), sizeof(dama_scorer_facts))
DAMA_API void dama_scorer_facts_init_sized(dama_scorer_facts *facts, size_t size);

/**
 * Returns the sizes and the logit scale of a scorer.
 *
 * @param[in]     scorer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_describe(const dama_scorer *scorer, dama_scorer_facts *facts);

/** An image in one of three forms: path, bytes or rgb. The other two are NULL. */
typedef struct dama_image {
    /** The path of a JPEG, PNG, WebP, GIF or BMP file, which must be a regular file. */
    const char *path;
    /** [size] the contents of such a file. */
    const uint8_t *bytes;
    size_t size;
    /** [height, width, 3] pixels in the order red, green, blue. */
    const uint8_t *rgb;
    size_t height;
    size_t width;
} dama_image;

/**
 * Computes Γ(I, S), Eq. (4), of one image and each sentence: the logit scale times the cosine of their embeddings. A
 * duplicate sentence is computed once.
 *
 * @param[in]  scorer
 * @param[in]  image
 * @param[in]  sentences     [count]
 * @param[in]  count
 * @param[out] scores        [count]
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also for a sentence that is too long; DAMA_IO for a file that cannot be read;
 *         DAMA_MODEL for a damaged image; DAMA_UNSUPPORTED for another format, and for data that is no image;
 *         DAMA_OUT_OF_MEMORY for an image over max_image_pixels, or with a side of more than 2^20 pixels.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_score(const dama_scorer *scorer, const dama_image *image,
                                                      const char *const *sentences, size_t count, float *scores,
                                                      const dama_cancellation *cancellation);

/**
 * Computes the embeddings of images, scaled to unit norm.
 *
 * @param[in]  scorer
 * @param[in]  images        [count]
 * @param[in]  count
 * @param[out] embeddings    [count, dimension]
 * @param[in]  capacity      Numbers that embeddings has room for, ≥ count · dimension.
 * @param[in]  cancellation  Or NULL.
 * @return As dama_scorer_score(); DAMA_SHAPE_MISMATCH if capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_embed_images(const dama_scorer *scorer, const dama_image *images,
                                                             size_t count, float *embeddings, size_t capacity,
                                                             const dama_cancellation *cancellation);

/**
 * Computes the embeddings of texts, scaled to unit norm. A duplicate text is computed once.
 *
 * @param[in]  scorer
 * @param[in]  texts         [count]
 * @param[in]  count
 * @param[out] embeddings    [count, dimension]
 * @param[in]  capacity      Numbers that embeddings has room for, ≥ count · dimension.
 * @param[in]  cancellation  Or NULL.
 * @return As dama_scorer_embed_images().
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_embed_texts(const dama_scorer *scorer, const char *const *texts,
                                                            size_t count, float *embeddings, size_t capacity,
                                                            const dama_cancellation *cancellation);

/** How dama_scorer_hardness() computes δ. */
typedef struct dama_hardness_options {
    uint32_t struct_size;
    /** DAMA_DELTA_FROM_PROBABILITIES. */
    dama_delta_source delta_source;
    /** Splits the responses into sub-sentences within the scorer's max_tokens; borrowed. NULL: the built-in rules. */
    const dama_splitter *splitter;
} dama_hardness_options;

#define dama_hardness_options_init(options) dama_hardness_options_init_sized((options), sizeof(dama_hardness_options))
DAMA_API void dama_hardness_options_init_sized(dama_hardness_options *options, size_t size);

/** The scored sub-sentences of a pair. They never change; all threads may read them at the same time. */
typedef struct dama_scored_pair dama_scored_pair;

/**
 * Computes the hardness of one pair, Eqs. (4) to (6). Both responses are split; the image and each different
 * sub-sentence are encoded once.
 *
 * @param[out] out           The sub-sentences with their scores; or NULL.
 * @param[in]  scorer
 * @param[in]  image
 * @param[in]  chosen
 * @param[in]  rejected
 * @param[in]  options       NULL: as dama_hardness_options_init() sets them.
 * @param[out] delta         δ, which dama_hardness() or dama_hardness_from_scores() computes from the scores.
 * @param[in]  cancellation  Or NULL.
 * @return As dama_scorer_score() and dama_splitter_split(); DAMA_INVALID_ARGUMENT also for a response without words.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_hardness(dama_scored_pair **out, const dama_scorer *scorer,
                                                         const dama_image *image, const char *chosen,
                                                         const char *rejected, const dama_hardness_options *options,
                                                         double *delta, const dama_cancellation *cancellation);

/** Frees the sub-sentences of a pair. */
DAMA_API void dama_scored_pair_free(dama_scored_pair *pair);

/** Returns the number of sub-sentences of a response; 0 for NULL and for an unknown response. */
DAMA_API size_t dama_scored_pair_count(const dama_scored_pair *pair, dama_response response);

/** One sub-sentence of a response. */
typedef struct dama_scored_sentence {
    /** UTF-8, valid until dama_scored_pair_free(). */
    const char *text;
    /** The probability among the sub-sentences of both responses, Eq. (5). */
    double probability;
    /** Γ(I, S), Eq. (4). */
    float score;
} dama_scored_sentence;

/**
 * Returns one sub-sentence of a response.
 *
 * @param[in]  pair
 * @param[in]  response
 * @param[in]  index     Below dama_scored_pair_count().
 * @param[out] sentence
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an index beyond the end or an unknown response.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scored_pair_at(const dama_scored_pair *pair, dama_response response,
                                                        size_t index, dama_scored_sentence *sentence);

/** Returns the flags of dama_splitter_split() for a response, valid until dama_scored_pair_free(). NULL for NULL. */
DAMA_API const dama_strings *dama_scored_pair_flags(const dama_scored_pair *pair, dama_response response);

/** An image and two responses about it. */
typedef struct dama_response_pair {
    const dama_image *image;
    const char *chosen;
    const char *rejected;
} dama_response_pair;

/** The results of dama_scorer_hardness_batch(). They never change; all threads may read them at the same time. */
typedef struct dama_scored_pairs dama_scored_pairs;

/**
 * Computes the hardness of many pairs, Eqs. (4) to (6), as dama_score_dataset() computes it without a cache: images are
 * decoded and responses split on several threads, and the model runs on several images and on all different
 * sub-sentences of a block at once. Memory grows with the results alone. A bad pair, such as one with a damaged image,
 * has a status of its own and does not affect the others.
 *
 * @param[out] out
 * @param[in]  scorer
 * @param[in]  pairs         [count]
 * @param[in]  count
 * @param[in]  options       NULL: as dama_hardness_options_init() sets them.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK, also with bad pairs; DAMA_INVALID_ARGUMENT for NULL; a status that is no pair's fault, such as that of
 *         a splitter's server.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_hardness_batch(dama_scored_pairs **out, const dama_scorer *scorer,
                                                               const dama_response_pair *pairs, size_t count,
                                                               const dama_hardness_options *options,
                                                               const dama_cancellation *cancellation);

/** Frees the results. */
DAMA_API void dama_scored_pairs_free(dama_scored_pairs *pairs);

/** Returns the number of results, one for each pair; 0 for NULL. */
DAMA_API size_t dama_scored_pairs_count(const dama_scored_pairs *pairs);

/** The result of one pair. */
typedef struct dama_pair_outcome {
    /** DAMA_OK, or as dama_scorer_hardness() would return. */
    dama_status status;
    /** 0. */
    uint32_t reserved;
    /** δ; NaN for a bad pair. */
    double delta;
    /** What is wrong with a bad pair, valid until dama_scored_pairs_free(); otherwise NULL. */
    const char *message;
    /** The sub-sentences, valid until dama_scored_pairs_free(), which frees them; NULL for a bad pair. */
    const dama_scored_pair *pair;
} dama_pair_outcome;

/**
 * Returns the result of one pair.
 *
 * @param[in]  pairs
 * @param[in]  index    Below dama_scored_pairs_count().
 * @param[out] outcome
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL and for an index beyond the end.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scored_pairs_at(const dama_scored_pairs *pairs, size_t index,
                                                         dama_pair_outcome *outcome);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_CLIP_H */
