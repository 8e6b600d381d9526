#include "cdama_http.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The part of libcurl's ABI that is used. The numbers have not changed since libcurl 7 and cannot change, since every
// program that uses libcurl contains them. Building does not need libcurl's header; only posting needs libcurl itself.
typedef void CURL;
typedef void CURLM;
struct curl_slist;
struct curl_message {
    int kind;
    CURL *handle;
    union {
        void *whatever;
        int result;
    } data;
};
enum {
    OPTION_WRITEDATA = 10001,
    OPTION_URL = 10002,
    OPTION_ERRORBUFFER = 10010,
    OPTION_POSTFIELDS = 10015,
    OPTION_HTTPHEADER = 10023,
    OPTION_NOSIGNAL = 99,
    OPTION_PROTOCOLS = 181,
    OPTION_TIMEOUT_MS = 155,
    OPTION_POSTFIELDSIZE_LARGE = 30120,
    OPTION_WRITEFUNCTION = 20011,
    INFO_RESPONSE_CODE = 0x200002,
    INFO_RETRY_AFTER = 0x600000 + 57,
    PROTOCOL_HTTP_AND_HTTPS = 1 | 2,
    GLOBAL_ALL = 3,
    MESSAGE_DONE = 1,
    // The interval at which the caller is asked whether to stop.
    SLICE_MS = 50
};

static struct {
    int (*global_init)(long);
    CURL *(*easy_init)(void);
    int (*easy_setopt)(CURL *, int, ...);
    int (*easy_getinfo)(CURL *, int, ...);
    void (*easy_cleanup)(CURL *);
    const char *(*easy_strerror)(int);
    CURLM *(*multi_init)(void);
    int (*multi_add_handle)(CURLM *, CURL *);
    int (*multi_remove_handle)(CURLM *, CURL *);
    int (*multi_perform)(CURLM *, int *running);
    int (*multi_wait)(CURLM *, void *more, unsigned count, int timeout_ms, int *ready);
    struct curl_message *(*multi_info_read)(CURLM *, int *left);
    int (*multi_cleanup)(CURLM *);
    const char *(*multi_strerror)(int);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
} curl;
static int have_curl = 0;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *look_up(void *library, const char *name, int *missing) {
    void *symbol = dlsym(library, name);
    *missing |= symbol == NULL;
    return symbol;
}

static void open_curl(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
    }
    if (library == NULL) {
        return;
    }
    int missing = 0;
    *(void **)&curl.global_init = look_up(library, "curl_global_init", &missing);
    *(void **)&curl.easy_init = look_up(library, "curl_easy_init", &missing);
    *(void **)&curl.easy_setopt = look_up(library, "curl_easy_setopt", &missing);
    *(void **)&curl.easy_getinfo = look_up(library, "curl_easy_getinfo", &missing);
    *(void **)&curl.easy_cleanup = look_up(library, "curl_easy_cleanup", &missing);
    *(void **)&curl.easy_strerror = look_up(library, "curl_easy_strerror", &missing);
    *(void **)&curl.multi_init = look_up(library, "curl_multi_init", &missing);
    *(void **)&curl.multi_add_handle = look_up(library, "curl_multi_add_handle", &missing);
    *(void **)&curl.multi_remove_handle = look_up(library, "curl_multi_remove_handle", &missing);
    *(void **)&curl.multi_perform = look_up(library, "curl_multi_perform", &missing);
    *(void **)&curl.multi_wait = look_up(library, "curl_multi_wait", &missing);
    *(void **)&curl.multi_info_read = look_up(library, "curl_multi_info_read", &missing);
    *(void **)&curl.multi_cleanup = look_up(library, "curl_multi_cleanup", &missing);
    *(void **)&curl.multi_strerror = look_up(library, "curl_multi_strerror", &missing);
    *(void **)&curl.slist_append = look_up(library, "curl_slist_append", &missing);
    *(void **)&curl.slist_free_all = look_up(library, "curl_slist_free_all", &missing);
    have_curl = !missing && curl.global_init(GLOBAL_ALL) == 0;
}

struct sink {
    cdama_http_response *response;
    size_t limit;
    int too_long;
};

static size_t receive(char *data, size_t size, size_t count, void *user) {
    struct sink *sink = user;
    cdama_http_response *response = sink->response;
    size_t more = size * count;
    if (more > sink->limit - response->length) {
        sink->too_long = 1;
        return 0;
    }
    char *grown = realloc(response->body, response->length + more + 1);
    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + response->length, data, more);
    response->body = grown;
    response->length += more;
    return more;
}

// The result of the transfer of `handle`: curl's code, or −1 if it was stopped. curl_easy_perform() would check only
// once a second.
static int perform(CURLM *multi, CURL *handle, int (*is_stopped)(void *), void *user, cdama_http_response *response) {
    int running = 1;
    while (running) {
        int ready = 0;
        int code = curl.multi_perform(multi, &running);
        if (code == 0 && running) {
            code = curl.multi_wait(multi, NULL, 0, SLICE_MS, &ready);
        }
        if (code != 0) {
            strncpy(response->error, curl.multi_strerror(code), sizeof response->error - 1);
            return 1;
        }
        if (is_stopped(user)) {
            return -1;
        }
        if (running && ready == 0) {
            // Without a socket to wait for, for example during a name look-up, multi_wait() returns at once.
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        }
    }
    int left;
    for (struct curl_message *message; (message = curl.multi_info_read(multi, &left)) != NULL;) {
        if (message->kind == MESSAGE_DONE && message->handle == handle) {
            return message->data.result;
        }
    }
    strcpy(response->error, "libcurl reported no result of the transfer");
    return 1;
}

int cdama_http_post(const char *url, const char *const *headers, size_t header_count, const char *body,
                    size_t body_length, long timeout_ms, size_t limit, int (*is_stopped)(void *user), void *user,
                    cdama_http_response *response) {
    memset(response, 0, sizeof *response);
    pthread_once(&once, open_curl);
    if (!have_curl) {
        return CDAMA_HTTP_NO_CURL;
    }
    CURL *handle = curl.easy_init();
    CURLM *multi = curl.multi_init();
    if (handle == NULL || multi == NULL) {
        if (handle != NULL) {
            curl.easy_cleanup(handle);
        }
        if (multi != NULL) {
            curl.multi_cleanup(multi);
        }
        strcpy(response->error, "libcurl could not start a transfer");
        return CDAMA_HTTP_FAILED;
    }
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < header_count; i++) {
        struct curl_slist *longer = curl.slist_append(list, headers[i]);
        list = longer != NULL ? longer : list;
    }
    struct sink sink = {response, limit, 0};
    curl.easy_setopt(handle, OPTION_URL, url);
    curl.easy_setopt(handle, OPTION_PROTOCOLS, (long)PROTOCOL_HTTP_AND_HTTPS);
    curl.easy_setopt(handle, OPTION_HTTPHEADER, list);
    curl.easy_setopt(handle, OPTION_POSTFIELDSIZE_LARGE, (long long)body_length);
    curl.easy_setopt(handle, OPTION_POSTFIELDS, body);
    curl.easy_setopt(handle, OPTION_TIMEOUT_MS, timeout_ms);
    curl.easy_setopt(handle, OPTION_NOSIGNAL, 1L);
    curl.easy_setopt(handle, OPTION_ERRORBUFFER, response->error);
    curl.easy_setopt(handle, OPTION_WRITEFUNCTION, receive);
    curl.easy_setopt(handle, OPTION_WRITEDATA, &sink);
    curl.multi_add_handle(multi, handle);
    int code = perform(multi, handle, is_stopped, user, response);
    curl.easy_getinfo(handle, INFO_RESPONSE_CODE, &response->status);
    curl.easy_getinfo(handle, INFO_RETRY_AFTER, &response->retry_after);
    curl.multi_remove_handle(multi, handle);
    if (code > 0 && response->error[0] == '\0') {
        strncpy(response->error, curl.easy_strerror(code), sizeof response->error - 1);
    }
    curl.slist_free_all(list);
    curl.easy_cleanup(handle);
    curl.multi_cleanup(multi);
    if (code < 0) {
        return CDAMA_HTTP_STOPPED;
    }
    if (sink.too_long) {
        return CDAMA_HTTP_TOO_LONG;
    }
    return code == 0 ? CDAMA_HTTP_OK : CDAMA_HTTP_FAILED;
}

void cdama_http_free(cdama_http_response *response) {
    free(response->body);
    response->body = NULL;
    response->length = 0;
}
