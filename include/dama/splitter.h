/* Splitters: responses to sub-sentences, by rules, a language model, a command or a server. */
#ifndef DAMA_SPLITTER_H
#define DAMA_SPLITTER_H

#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Splits responses into sub-sentences: the built-in rules of dama_split(), a language model
 * (dama_splitter_create_policy() in dama/policy.h), a command, or a server.
 *
 * The answer of anything but the built-in rules is checked: its sub-sentences are within the token limit, use the words
 * of the response and leave none out. Where it fails, the built-in rules split that response, and a flag says so. An
 * answer is asked for once: the splitter keeps it, in memory and in the cache that the options name.
 *
 * All functions may be called on one splitter from several threads at once; dama_splitter_free() by the last of them.
 */
typedef struct dama_splitter dama_splitter;

/** How a splitter asks. Strings are copied. No message or file holds a key, or a secret part of an address. */
typedef struct dama_splitter_options {
    uint32_t struct_size;
    /** The most requests or commands that run at once, 1 to 256; the others wait. 4. */
    uint32_t concurrency;
    /** Seconds for one answer of a command, or for one attempt at a server, > 0; 60. */
    double timeout;
    /**
     * A file that keeps answers from one run to the next, JSON Lines that are only appended to; NULL: answers live as
     * long as the splitter. Splitters of several processes must not share it.
     */
    const char *cache;
    /** Of a server: sent as a bearer token; NULL: none. */
    const char *api_key;
    /** Of a server: seconds before the second attempt, ≥ 0; each later pause is twice as long, at most 60. 0.5. */
    double first_pause;
    /** Of a server: further attempts after a time-out, a lost connection, or the status 408, 429 or 5xx; 4. */
    uint32_t retries;
    /** 0. */
    uint32_t reserved;
} dama_splitter_options;

#define dama_splitter_options_init(options) dama_splitter_options_init_sized((options), sizeof(dama_splitter_options))
DAMA_API void dama_splitter_options_init_sized(dama_splitter_options *options, size_t size);

/**
 * Makes a splitter of the built-in rules, those of dama_split().
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_built_in(dama_splitter **out);

/**
 * Makes a splitter of a program that reads a response on its standard input and writes the sub-sentences, one on a
 * line. It is run once for each response; it and what it starts are ended when it has answered or is no longer wanted.
 *
 * @param[out] out
 * @param[in]  command  What `/bin/sh -c` runs.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty command, an option outside its range, and a cache that is
 *         another kind of file; DAMA_IO for a cache that cannot be read or written.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_command(dama_splitter **out, const char *command,
                                                                 const dama_splitter_options *options);

/**
 * Makes a splitter of a language model behind an OpenAI-compatible address. It needs libcurl, which is opened when the
 * first request is sent.
 *
 * @param[out] out
 * @param[in]  url      The whole address, such as "http://127.0.0.1:8000/v1/chat/completions". A user name and password
 *                      in it are sent as Basic authorization.
 * @param[in]  model    The model's name at the server.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them.
 * @return As dama_splitter_create_command(); DAMA_INVALID_ARGUMENT also for an address that is not http or https, a
 *         control character, and a key beside a user name.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_endpoint(dama_splitter **out, const char *url,
                                                                  const char *model,
                                                                  const dama_splitter_options *options);

/** Frees a splitter. */
DAMA_API void dama_splitter_free(dama_splitter *splitter);

/**
 * The sub-sentences of a text, in order.
 *
 * @param[out] out           The sub-sentences, the caller's. Empty for a text without words.
 * @param[out] flags         What was special, the caller's: "splitter_fallback" where the built-in rules split this
 *                           text, and why, such as "splitter_invented". Or NULL.
 * @param[in]  splitter
 * @param[in]  text
 * @param[in]  options       NULL: no limit.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT and DAMA_MODEL as dama_split(); DAMA_IO for a command that fails or takes too
 *         long, a server that cannot be reached, and a cache that cannot be written; DAMA_UNSUPPORTED without libcurl;
 *         what dama_policy_generate() returns for a model.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_split(dama_strings **out, dama_strings **flags,
                                                        const dama_splitter *splitter, const char *text,
                                                        const dama_split_options *options,
                                                        const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_SPLITTER_H */
