/* CLIP scores, and the hardness of a pair. */
#ifndef DAMA_CLIP_H
#define DAMA_CLIP_H

#include "hardness.h"
#include "splitter.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A CLIP model: images and sentences to logits Γ(I, S), Eq. (4), and to embeddings. It needs ONNX Runtime 1.21 or
 * later, which is opened when the first model is loaded: the file that the options name, else the one in the
 * environment variable DAMA_ONNXRUNTIME, else libonnxruntime.so.1 or libonnxruntime.so on the loader's path. A process
 * has one.
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

/** How dama_scorer_create() opens a model. */
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
    /** Boolean: an image file stays as it is stored. Otherwise its EXIF orientation turns it, as in transformers. */
    int32_t ignore_orientation;
    /** Boolean: transparency is dropped. Otherwise what is transparent is put on white, as in transformers. */
    int32_t drop_alpha;
} dama_scorer_options;

#define dama_scorer_options_init(options) dama_scorer_options_init_sized((options), sizeof(dama_scorer_options))
DAMA_API void dama_scorer_options_init_sized(dama_scorer_options *options, size_t size);

/**
 * Opens a CLIP model: a Hugging Face directory of a CLIPModel with config.json, safetensors (fp32, fp16 or bf16, one
 * file or sharded), tokenizer.json (or vocab.json and merges.txt) and preprocessor_config.json; in place of the
 * safetensors text_model.onnx and vision_model.onnx, also in the folder onnx. The files must not change while the
 * scorer lives.
 *
 * @param[out] out
 * @param[in]  model_dir
 * @param[in]  options    NULL: as dama_scorer_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT; DAMA_IO for a missing file; DAMA_MODEL for one whose contents are wrong,
 *         naming the field or tensor, what was found and expected; DAMA_UNSUPPORTED for another architecture, and where
 *         ONNX Runtime is missing, too old or without the provider.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_create(dama_scorer **out, const char *model_dir,
                                                       const dama_scorer_options *options);

/** Frees a scorer. */
DAMA_API void dama_scorer_free(dama_scorer *scorer);

/** What a dama_scorer is. */
typedef struct dama_scorer_facts {
    uint32_t struct_size;
    /** Numbers in one embedding. */
    uint32_t dimension;
    /** The most tokens of a sentence, start and end included: 77 in CLIP. */
    uint32_t max_tokens;
    /** exp(logit_scale). */
    float logit_scale;
} dama_scorer_facts;

#define dama_scorer_facts_init(facts) dama_scorer_facts_init_sized((facts), sizeof(dama_scorer_facts))
DAMA_API void dama_scorer_facts_init_sized(dama_scorer_facts *facts, size_t size);

/**
 * Sizes and logit scale of a scorer.
 *
 * @param[in]     scorer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_describe(const dama_scorer *scorer, dama_scorer_facts *facts);

/** An image in one of three forms; the others are NULL. */
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
 * Γ(I, S), Eq. (4), of one image and each sentence: the logit scale times the cosine of their embeddings. A sentence
 * that occurs twice is computed once.
 *
 * @param[in]  scorer
 * @param[in]  image
 * @param[in]  sentences     [count]
 * @param[in]  count
 * @param[out] scores        [count]
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT, also for a sentence that is too long; DAMA_IO for a file that cannot be read;
 *         DAMA_MODEL for a damaged image, and for what is none; DAMA_UNSUPPORTED for a format other than JPEG and PNG;
 *         DAMA_OUT_OF_MEMORY for an image over max_image_pixels, or of more than 2^20 pixels a side.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_score(const dama_scorer *scorer, const dama_image *image,
                                                      const char *const *sentences, size_t count, float *scores,
                                                      const dama_cancellation *cancellation);

/**
 * Embeddings of images, scaled to unit norm.
 *
 * @param[in]  scorer
 * @param[in]  images        [count]
 * @param[in]  count
 * @param[out] embeddings    [count, dimension]
 * @param[in]  capacity      Numbers that embeddings has room for, ≥ count · dimension.
 * @param[in]  cancellation  Or NULL.
 * @return As dama_scorer_score(); DAMA_SHAPE_MISMATCH where embeddings is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_embed_images(const dama_scorer *scorer, const dama_image *images,
                                                             size_t count, float *embeddings, size_t capacity,
                                                             const dama_cancellation *cancellation);

/**
 * Embeddings of texts, scaled to unit norm. A text that occurs twice is computed once.
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

/** What dama_scorer_hardness() computes. */
typedef struct dama_hardness_options {
    uint32_t struct_size;
    /** DAMA_DELTA_FROM_PROBABILITIES. */
    dama_delta_source delta_source;
    /** Makes the sub-sentences, each within the scorer's max_tokens; borrowed. NULL: the built-in rules. */
    const dama_splitter *splitter;
} dama_hardness_options;

#define dama_hardness_options_init(options) dama_hardness_options_init_sized((options), sizeof(dama_hardness_options))
DAMA_API void dama_hardness_options_init_sized(dama_hardness_options *options, size_t size);

/** The sub-sentences behind the hardness of a pair. They never change and may be read from any number of threads. */
typedef struct dama_scored_pair dama_scored_pair;

/**
 * Hardness of one pair, Eqs. (4) to (6): both responses are split, the image is encoded once, each different
 * sub-sentence once, and delta is computed as dama_hardness() does from the scores of the sub-sentences.
 *
 * @param[out] out           The sub-sentences with their scores, the caller's; or NULL.
 * @param[in]  scorer
 * @param[in]  image
 * @param[in]  chosen
 * @param[in]  rejected
 * @param[in]  options       NULL: as dama_hardness_options_init() sets them.
 * @param[out] delta         As dama_hardness() or dama_hardness_from_scores() computes it from the scores.
 * @param[in]  cancellation  Or NULL.
 * @return As dama_scorer_score() and dama_splitter_split(); DAMA_INVALID_ARGUMENT also for a response without words.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scorer_hardness(dama_scored_pair **out, const dama_scorer *scorer,
                                                         const dama_image *image, const char *chosen,
                                                         const char *rejected, const dama_hardness_options *options,
                                                         double *delta, const dama_cancellation *cancellation);

/** Frees the sub-sentences of a pair. */
DAMA_API void dama_scored_pair_free(dama_scored_pair *pair);

/** The number of sub-sentences of a response; 0 for NULL, and for a response that there is not. */
DAMA_API size_t dama_scored_pair_count(const dama_scored_pair *pair, dama_response response);

/** One sub-sentence. */
typedef struct dama_scored_sentence {
    /** UTF-8, valid until dama_scored_pair_free(). */
    const char *text;
    /** Its probability among the sub-sentences of both responses, Eq. (5). */
    double probability;
    /** Γ(I, S), Eq. (4). */
    float score;
} dama_scored_sentence;

/**
 * One sub-sentence of a response.
 *
 * @param[in]  pair
 * @param[in]  response
 * @param[in]  index     Below dama_scored_pair_count().
 * @param[out] sentence
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an index beyond the end or a response that there is not.
 */
DAMA_API DAMA_NODISCARD dama_status dama_scored_pair_at(const dama_scored_pair *pair, dama_response response,
                                                        size_t index, dama_scored_sentence *sentence);

/** The flags of dama_splitter_split() for a response, valid until dama_scored_pair_free(). NULL for NULL. */
DAMA_API const dama_strings *dama_scored_pair_flags(const dama_scored_pair *pair, dama_response response);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_CLIP_H */
