/* Text: tokenizers and sub-sentences. */
#ifndef DAMA_TEXT_H
#define DAMA_TEXT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A tokenizer defined by Hugging Face's tokenizer.json (byte-pair encoding as in CLIP, Llama and GPT-2, or a unigram
 * model as in T5) or by a SentencePiece model. It never changes; all threads may use one handle at the same time.
 */
typedef struct dama_tokenizer dama_tokenizer;

/**
 * Reads a tokenizer.
 *
 * @param[out] out
 * @param[in]  path  A tokenizer.json, or a directory. The first of these in it is read: tokenizer.json; CLIP's
 *                   vocab.json and merges.txt; a SentencePiece model, tokenizer.model or spiece.model.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_IO if the file does not exist; DAMA_MODEL for a wrong field,
 *         which the message names; DAMA_UNSUPPORTED for a kind of tokenizer or a pattern that is not supported.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_create(dama_tokenizer **out, const char *path);

/** Frees a tokenizer. */
DAMA_API void dama_tokenizer_free(dama_tokenizer *tokenizer);

/**
 * Computes the token ids of a text. Nothing is cut off.
 *
 * @param[in]  tokenizer
 * @param[in]  text                [text_size] UTF-8, which may contain NUL bytes; may be NULL if text_size is 0.
 * @param[in]  text_size           The number of bytes.
 * @param[in]  add_special_tokens  Boolean: add the tokenizer's special tokens around the text.
 * @param[out] ids                 [capacity]; NULL with capacity 0 asks for the count only.
 * @param[in]  capacity
 * @param[out] count               The number of ids.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH if capacity is too small (the message gives the
 *         number of ids); DAMA_MODEL if the file's patterns backtrack on this text more than those of real tokenizers.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_encode(const dama_tokenizer *tokenizer, const char *text,
                                                          size_t text_size, int32_t add_special_tokens,
                                                          int32_t *ids, size_t capacity, size_t *count);

/**
 * Computes the text of token ids. Ids outside the vocabulary are skipped.
 *
 * @param[in]  tokenizer
 * @param[in]  ids                  [count]; may be NULL if count is 0.
 * @param[in]  count
 * @param[in]  skip_special_tokens  Boolean: skip special tokens.
 * @param[out] text                 [capacity] UTF-8 with a final NUL; NULL with capacity 0 asks for the size only.
 * @param[in]  capacity             Bytes, at least size + 1.
 * @param[out] size                 Bytes of the text without the final NUL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH if capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_decode(const dama_tokenizer *tokenizer, const int32_t *ids,
                                                          size_t count, int32_t skip_special_tokens, char *text,
                                                          size_t capacity, size_t *size);

/** Properties of a dama_tokenizer. */
typedef struct dama_tokenizer_facts {
    uint32_t struct_size;
    /** The number of tokens, including added tokens. */
    int32_t vocabulary_size;
    /** The largest id plus one: the number of rows of an embedding table. */
    int32_t id_end;
    /** Beginning and end of a sequence, padding, unknown; −1 if no file of the directory names the token. */
    int32_t bos_id;
    int32_t eos_id;
    int32_t pad_id;
    int32_t unk_id;
} dama_tokenizer_facts;

#define dama_tokenizer_facts_init(facts) dama_tokenizer_facts_init_sized((facts), sizeof(dama_tokenizer_facts))
DAMA_API void dama_tokenizer_facts_init_sized(dama_tokenizer_facts *facts, size_t size);

/**
 * Returns the sizes and the special tokens of a tokenizer.
 *
 * @param[in]     tokenizer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_describe(const dama_tokenizer *tokenizer,
                                                            dama_tokenizer_facts *facts);

/**
 * Returns the id of a token, which is given in the spelling of the vocabulary ("cat</w>").
 *
 * @param[in]  tokenizer
 * @param[in]  token
 * @param[out] id         −1 if the token does not exist.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_find(const dama_tokenizer *tokenizer, const char *token,
                                                        int32_t *id);

/**
 * Returns the spelling of a token. Decoding one id may give less, because a character can take several tokens.
 *
 * @param[in]  tokenizer
 * @param[in]  id
 * @param[out] token     [capacity] as in dama_tokenizer_decode().
 * @param[in]  capacity
 * @param[out] size      Bytes of the token without the final NUL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL or an id outside the vocabulary; DAMA_SHAPE_MISMATCH if capacity is
 *         too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_spell(const dama_tokenizer *tokenizer, int32_t id, char *token,
                                                         size_t capacity, size_t *size);

/** How dama_split() and dama_splitter_split() split. */
typedef struct dama_split_options {
    uint32_t struct_size;
    /** The most tokens of a sub-sentence, including special tokens: 77 for CLIP. 0: no limit. */
    uint32_t token_limit;
    /** Counts the tokens; borrowed. Required if token_limit is not 0. */
    const dama_tokenizer *tokenizer;
} dama_split_options;

#define dama_split_options_init(options) dama_split_options_init_sized((options), sizeof(dama_split_options))
DAMA_API void dama_split_options_init_sized(dama_split_options *options, size_t size);

/**
 * Splits a text into sub-sentences by its punctuation. A sentence over the limit is split into clauses, a clause over
 * the limit between words, and a word over the limit within the word. Every character other than white space is in
 * exactly one sub-sentence, in order.
 *
 * @param[out] out      The sub-sentences. Empty for a text without words.
 * @param[in]  text
 * @param[in]  options  NULL: no limit.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a limit without a tokenizer, or a limit that is too low for one
 *         character; DAMA_MODEL as dama_tokenizer_encode().
 */
DAMA_API DAMA_NODISCARD dama_status dama_split(dama_strings **out, const char *text,
                                               const dama_split_options *options);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TEXT_H */
