/* Judges of answers: a callback, a server, a command or a local model. */
#ifndef DAMA_JUDGE_H
#define DAMA_JUDGE_H

#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A language model, or anything else, that judges answers for dama_evaluate().
 *
 * Several threads may use one judge at the same time. dama_judge_free() must come after all other calls.
 */
typedef struct dama_judge dama_judge;

/** How a judge is asked. Strings are copied. No message or file shows a key, or a secret part of an address. */
typedef struct dama_judge_options {
    uint32_t struct_size;
    /** The most requests, commands or calls at once, 1 to 256; the others wait. 4. */
    uint32_t concurrency;
    /** Seconds for one answer of a command, or for one request to a server, > 0; 60. */
    double timeout;
    /**
     * A file of JSON Lines that keeps answers from one run to the next; it is only appended to. NULL: answers exist as
     * long as the judge. Processes must not share the file.
     */
    const char *cache;
    /** For a server: the bearer token; NULL: none. */
    const char *api_key;
    /** For a server: the most requests in a minute, > 0, evenly spaced; NaN: no limit. NaN. */
    double requests_per_minute;
    /** For a server: seconds before the second attempt, ≥ 0; each later pause is twice as long, at most 60. 0.5. */
    double first_pause;
    /** For a server: further attempts after a time-out, a lost connection, or the status 408, 429 or 5xx; 4. */
    uint32_t retries;
    /** For a server: boolean: whatever model answers is right. 0. */
    int32_t any_model;
    /**
     * For a server: the model that must answer, as the server names it. Another one is an error. NULL: the model asked
     * for, or a dated snapshot of it ("gpt-4-0613" for "gpt-4").
     */
    const char *expected_model;
    /** For a server: a JSON object whose members are added to each request, such as {"seed": 7}. NULL: none. */
    const char *request_fields;
} dama_judge_options;

#define dama_judge_options_init(options) dama_judge_options_init_sized((options), sizeof(dama_judge_options))
DAMA_API void dama_judge_options_init_sized(dama_judge_options *options, size_t size);

/** A message of a conversation. role is "system", "user" or "assistant". A NUL in a text becomes U+FFFD. */
typedef struct dama_judge_message {
    const char *role;
    const char *content;
} dama_judge_message;

/** A question to a judge. The library writes it; struct_size is the number of bytes that it fills. */
typedef struct dama_judge_request {
    uint32_t struct_size;
    /** The most tokens of the answer. */
    uint32_t max_tokens;
    /** [message_count] */
    const dama_judge_message *messages;
    size_t message_count;
    double temperature;
    double top_p;
    /** The run, and the attempt within it, from 0. Equal requests with different numbers are asked anew. */
    uint32_t run;
    uint32_t attempt;
} dama_judge_request;

/** The place of a callback's answer, valid during the call of the callback. */
typedef struct dama_judge_reply dama_judge_reply;

/**
 * Sets the answer to a request.
 *
 * @param[in,out] reply
 * @param[in]     text
 * @param[in]     model  The model that answered; NULL: not known.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_judge_reply_set(dama_judge_reply *reply, const char *text, const char *model);

/**
 * Answers a request with dama_judge_reply_set(). The request is valid during the call. Unlike other callbacks it runs
 * on threads of the library, on as many at once as the judge's options allow.
 *
 * @return DAMA_OK. Another status stops the job, which returns that status; finished rows are kept.
 */
typedef dama_status (*dama_judge_callback)(const dama_judge_request *request, dama_judge_reply *reply, void *user);

/**
 * Creates a judge that calls a function of the program.
 *
 * @param[out] out
 * @param[in]  name      Identifies the judge and everything that its answers depend on: a job with another name does
 *                       not resume, and reuses no answers. It is stored in files, so it must not contain secrets.
 * @param[in]  callback
 * @param[in]  options   NULL: as dama_judge_options_init() sets them. Only concurrency and cache are read.
 * @param[in]  user      For the callback; both must stay valid as long as the judge.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty name, an option outside its range, and a cache that is
 *         another kind of file; DAMA_IO for a cache that cannot be read or written.
 */
DAMA_API DAMA_NODISCARD dama_status dama_judge_create_callback(dama_judge **out, const char *name,
                                                               dama_judge_callback callback,
                                                               const dama_judge_options *options, void *user);

/**
 * Creates a judge that runs a program for each request. The program reads one JSON object from standard input, with the
 * members of dama_judge_request, and writes its answer. After the answer, or when the job stops, it is ended together
 * with the processes that it started.
 *
 * @param[out] out
 * @param[in]  command  The command for `/bin/sh -c`.
 * @param[in]  options  NULL: as dama_judge_options_init() sets them.
 * @return As dama_judge_create_callback(); DAMA_INVALID_ARGUMENT also for an empty command.
 */
DAMA_API DAMA_NODISCARD dama_status dama_judge_create_command(dama_judge **out, const char *command,
                                                              const dama_judge_options *options);

/**
 * Creates a judge that asks a language model on an OpenAI-compatible server. It needs libcurl, which is opened for the
 * first request.
 *
 * @param[out] out
 * @param[in]  url      The whole address, such as "http://127.0.0.1:8000/v1/chat/completions". A user name and password
 *                      in it are sent as Basic authorization.
 * @param[in]  model    The model's name on the server.
 * @param[in]  options  NULL: as dama_judge_options_init() sets them.
 * @return As dama_judge_create_callback(); DAMA_INVALID_ARGUMENT also for an address that is not http or https, a
 *         control character, a key together with a user name, request_fields that are not a JSON object, and any_model
 *         together with expected_model.
 */
DAMA_API DAMA_NODISCARD dama_status dama_judge_create_endpoint(dama_judge **out, const char *url, const char *model,
                                                               const dama_judge_options *options);

/**
 * Creates a judge that asks a policy, one request at a time.
 *
 * @param[out] out
 * @param[in]  policy   A text-only model that follows instructions, with a chat template. The judge keeps the model
 *                      while it needs it; the handle may be freed at any time.
 * @param[in]  options  NULL: as dama_judge_options_init() sets them. Only the field cache is read.
 * @return As dama_judge_create_callback(); DAMA_UNSUPPORTED for a model with a vision tower.
 */
DAMA_API DAMA_NODISCARD dama_status dama_judge_create_policy(dama_judge **out, const dama_policy *policy,
                                                             const dama_judge_options *options);

/** Frees a judge. */
DAMA_API void dama_judge_free(dama_judge *judge);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_JUDGE_H */
