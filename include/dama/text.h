/* Text: tokenizers and sub-sentences. */
#ifndef DAMA_TEXT_H
#define DAMA_TEXT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

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
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_create(dama_tokenizer **out, const char *path);

/** Frees a tokenizer. */
DAMA_API void dama_tokenizer_free(dama_tokenizer *tokenizer);

/**
 * The token ids of a text. Nothing is ever cut off.
 *
 * @param[in]  tokenizer
 * @param[in]  text                [text_size] UTF-8, may hold NUL bytes; NULL where text_size is 0.
 * @param[in]  text_size           Bytes.
 * @param[in]  add_special_tokens  Boolean: put the special tokens around the text that belong there.
 * @param[out] ids                 [capacity]; NULL with capacity 0 to learn the count alone.
 * @param[in]  capacity
 * @param[out] count               How many ids there are.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH where capacity is too small (the message says
 *         how many there are); DAMA_MODEL where the file's patterns backtrack beyond any real tokenizer's on this text.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_encode(const dama_tokenizer *tokenizer, const char *text,
                                                          size_t text_size, int32_t add_special_tokens,
                                                          int32_t *ids, size_t capacity, size_t *count);

/**
 * The text of token ids. Ids that are in no vocabulary are left out.
 *
 * @param[in]  tokenizer
 * @param[in]  ids                  [count]; NULL where count is 0.
 * @param[in]  count
 * @param[in]  skip_special_tokens  Boolean: leave special tokens out.
 * @param[out] text                 [capacity] UTF-8 and a NUL behind it; NULL with capacity 0 to learn the size alone.
 * @param[in]  capacity             Bytes, at least size + 1.
 * @param[out] size                 Bytes of the text without the NUL behind it.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL; DAMA_SHAPE_MISMATCH where capacity is too small.
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_decode(const dama_tokenizer *tokenizer, const int32_t *ids,
                                                          size_t count, int32_t skip_special_tokens, char *text,
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

#define dama_tokenizer_facts_init(facts) dama_tokenizer_facts_init_sized((facts), sizeof(dama_tokenizer_facts))
DAMA_API void dama_tokenizer_facts_init_sized(dama_tokenizer_facts *facts, size_t size);

/**
 * Sizes and special tokens.
 *
 * @param[in]     tokenizer
 * @param[in,out] facts
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
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
 */
DAMA_API DAMA_NODISCARD dama_status dama_tokenizer_spell(const dama_tokenizer *tokenizer, int32_t id, char *token,
                                                         size_t capacity, size_t *size);

/** How dama_split() and dama_splitter_split() split. */
typedef struct dama_split_options {
    uint32_t struct_size;
    /** The most tokens a sub-sentence may have, special ones included: 77 for CLIP. 0: no limit. */
    uint32_t token_limit;
    /** Counts the tokens; borrowed. Needed where there is a limit. */
    const dama_tokenizer *tokenizer;
} dama_split_options;

#define dama_split_options_init(options) dama_split_options_init_sized((options), sizeof(dama_split_options))
DAMA_API void dama_split_options_init_sized(dama_split_options *options, size_t size);

/**
 * Splits a text into sub-sentences by its punctuation: sentences; clauses where one is over the limit; words, and
 * within a word that alone is over it. Every character other than white space is in exactly one, in order.
 *
 * @param[out] out      The sub-sentences, the caller's. Empty for a text without words.
 * @param[in]  text
 * @param[in]  options  NULL for no limit.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, a limit without a tokenizer, or a limit too low
 *         for one character; DAMA_MODEL as dama_tokenizer_encode().
 */
DAMA_API DAMA_NODISCARD dama_status dama_split(dama_strings **out, const char *text,
                                               const dama_split_options *options);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_TEXT_H */
