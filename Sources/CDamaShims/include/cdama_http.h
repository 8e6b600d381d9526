#ifndef CDAMA_HTTP_H
#define CDAMA_HTTP_H

#include <stddef.h>

/// An answer to cdama_http_post(). Free `body` with cdama_http_free().
typedef struct cdama_http_response {
    /// The HTTP status; 0 if there was no answer.
    long status;
    /// The seconds to wait that the answer's Retry-After header asks for; 0 without one, or if libcurl is older than
    /// 7.66.
    long long retry_after;
    char *body;
    size_t length;
    /// libcurl's description of the error; empty if there was an answer.
    char error[256];
} cdama_http_response;

/// The result of cdama_http_post().
enum {
    CDAMA_HTTP_OK = 0,
    /// No answer; `error` gives the reason. Another attempt may succeed.
    CDAMA_HTTP_FAILED = 1,
    /// libcurl is not installed.
    CDAMA_HTTP_NO_CURL = 2,
    /// The answer is longer than the limit.
    CDAMA_HTTP_TOO_LONG = 3,
    /// `is_stopped` asked to stop.
    CDAMA_HTTP_STOPPED = 4
};

/// Posts `body` to an http:// or https:// address and waits for the answer, at most `timeout_ms`. libcurl is opened at
/// run time and needed only for this. `headers` are lines such as "Content-Type: application/json". May be called from
/// several threads at once. `is_stopped(user)` is called many times a second; a non-zero result ends the transfer.
int cdama_http_post(const char *url, const char *const *headers, size_t header_count, const char *body,
                    size_t body_length, long timeout_ms, size_t limit, int (*is_stopped)(void *user), void *user,
                    cdama_http_response *response);

void cdama_http_free(cdama_http_response *response);

#endif
