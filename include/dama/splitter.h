/* Splitters of responses into sub-sentences: by rules, a language model, a command or a server. */
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
 * Answers of a model, command or server are checked: the sub-sentences must be within the token limit, and consist of
 * all words of the response and no others. If an answer fails the check, the built-in rules split that response, and a
 * flag says so. Each response is asked for once: the splitter keeps the answer in memory and in the cache that the
 * options name.
 *
 * Several threads may use one splitter at the same time. dama_splitter_free() must come after all other calls.
 */
typedef struct dama_splitter dama_splitter;

/** How a splitter gets answers. Strings are copied. No message or file shows a key, or a secret part of an address. */
typedef struct dama_splitter_options {
    uint32_t struct_size;
    /** The most requests or commands that run at once, 1 to 256; the others wait. 4. */
    uint32_t concurrency;
    /** Seconds for one answer of a command, or for one request to a server, > 0; 60. */
    double timeout;
    /**
     * A file of JSON Lines that keeps answers from one run to the next; it is only appended to. NULL: answers exist as
     * long as the splitter. Processes must not share the file.
     */
    const char *cache;
    /** For a server: the bearer token; NULL: none. */
    const char *api_key;
    /** For a server: seconds before the second attempt, ≥ 0; each later pause is twice as long, at most 60. 0.5. */
    double first_pause;
    /** For a server: further attempts after a time-out, a lost connection, or the status 408, 429 or 5xx; 4. */
    uint32_t retries;
    /** 0. */
    uint32_t reserved;
} dama_splitter_options;

#define dama_splitter_options_init(options) dama_splitter_options_init_sized((options), sizeof(dama_splitter_options))
DAMA_API void dama_splitter_options_init_sized(dama_splitter_options *options, size_t size);

/**
 * Creates a splitter that applies the built-in rules of dama_split().
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_built_in(dama_splitter **out);

/**
 * Creates a splitter that runs a program for each response. The program reads the response from standard input and
 * writes one sub-sentence on each line. After the answer, or when the call stops, it is ended together with the
 * processes that it started.
 *
 * @param[out] out
 * @param[in]  command  The command for `/bin/sh -c`.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty command, an option outside its range, and a cache that is
 *         another kind of file; DAMA_IO for a cache that cannot be read or written.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_command(dama_splitter **out, const char *command,
                                                                 const dama_splitter_options *options);

/**
 * Creates a splitter that asks a language model on an OpenAI-compatible server. It needs libcurl, which is opened for
 * the first request.
 *
 * @param[out] out
 * @param[in]  url      The whole address, such as "http://127.0.0.1:8000/v1/chat/completions". A user name and password
 *                      in it are sent as Basic authorization.
 * @param[in]  model    The model's name on the server.
 * @param[in]  options  NULL: as dama_splitter_options_init() sets them.
 * @return As dama_splitter_create_command(); DAMA_INVALID_ARGUMENT also for an address that is not http or https, a
 *         control character, and a key together with a user name.
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_create_endpoint(dama_splitter **out, const char *url,
                                                                  const char *model,
                                                                  const dama_splitter_options *options);

/** Frees a splitter. */
DAMA_API void dama_splitter_free(dama_splitter *splitter);

/**
 * Splits a text into sub-sentences, in order.
 *
 * @param[out] out           The sub-sentences. Empty for a text without words.
 * @param[out] flags         "splitter_fallback" if the built-in rules split this text, and the reason, such as
 *                           "splitter_invented"; otherwise empty. Or NULL.
 * @param[in]  splitter
 * @param[in]  text
 * @param[in]  options       NULL: no limit.
 * @param[in]  cancellation  Or NULL.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT and DAMA_MODEL as dama_split(); DAMA_IO for a command that fails or takes too
 *         long, a server that cannot be reached, and a cache that cannot be written; DAMA_UNSUPPORTED without libcurl;
 *         for a model also as dama_policy_generate().
 */
DAMA_API DAMA_NODISCARD dama_status dama_splitter_split(dama_strings **out, dama_strings **flags,
                                                        const dama_splitter *splitter, const char *text,
                                                        const dama_split_options *options,
                                                        const dama_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_SPLITTER_H */
