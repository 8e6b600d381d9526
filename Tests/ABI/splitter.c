/* Splitters: the built-in rules, a command, a language model, and a server on the loopback interface. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dama.h>
#include <netinet/in.h>
#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "wait.h"

static const char response[] = "Two dogs sleep. A cat sits.";
static char folder[] = "/tmp/dama-abi-XXXXXX";

static const char *below(const char *name) {
    static char paths[4][64];
    static int next = 0;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int lines_of(const char *path) {
    FILE *file = fopen(path, "r");
    int count = 0, character;
    if (!file) return 0;
    while ((character = fgetc(file)) != EOF) count += character == '\n';
    fclose(file);
    return count;
}

/* Splits the response and frees the splitter; `flags` are the expected flags in one string. */
static void gives(dama_splitter *splitter, const char *first, const char *second, const char *flags) {
    dama_strings *found = NULL, *told = NULL;
    char all[256] = "";
    CHECK(dama_splitter_split(&found, &told, splitter, response, NULL, NULL) == DAMA_OK);
    CHECK(dama_strings_count(found) == 2 && strcmp(dama_strings_at(found, 0), first) == 0);
    CHECK(dama_strings_count(found) == 2 && strcmp(dama_strings_at(found, 1), second) == 0);
    for (size_t i = 0; i < dama_strings_count(told); i++) strcat(strcat(all, dama_strings_at(told, i)), " ");
    CHECK(strcmp(all, flags) == 0);
    dama_strings_free(found);
    dama_strings_free(told);
    dama_splitter_free(splitter);
}

static void built_in(const char *model) {
    dama_splitter *splitter = NULL;
    dama_strings *found = NULL, *plain = NULL;
    CHECK(dama_splitter_create_built_in(&splitter) == DAMA_OK);
    dama_split_options options;
    dama_split_options_init(&options);
    options.token_limit = 8;
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, response, &options, NULL), DAMA_INVALID_ARGUMENT,
                "tokenizer is NULL");
    dama_tokenizer *tokenizer = NULL;
    CHECK(dama_tokenizer_create(&tokenizer, model) == DAMA_OK);
    options.tokenizer = tokenizer;
    static const char text[] = "A small dog sleeps near the red house, and a cat sits on the roof.";
    CHECK(dama_splitter_split(&found, NULL, splitter, text, &options, NULL) == DAMA_OK);
    CHECK(dama_split(&plain, text, &options) == DAMA_OK && dama_strings_count(plain) > 1);
    CHECK(dama_strings_count(found) == dama_strings_count(plain));
    for (size_t i = 0; i < dama_strings_count(plain); i++)
        CHECK(strcmp(dama_strings_at(found, i), dama_strings_at(plain, i)) == 0);
    dama_strings_free(found);
    dama_strings_free(plain);
    dama_tokenizer_free(tokenizer);
    found = NULL;
    CHECK_FAILS(dama_splitter_create_built_in(NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_splitter_split(NULL, NULL, splitter, text, NULL, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_splitter_split(&found, NULL, NULL, text, NULL, NULL), DAMA_INVALID_ARGUMENT, "splitter is NULL");
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "text is NULL");
    CHECK(found == NULL);
    gives(splitter, "Two dogs sleep.", "A cat sits.", "");
    dama_splitter_free(NULL);
}

static void command(void) {
    dama_splitter *splitter = NULL;
    dama_splitter_options options;
    dama_splitter_options_init(NULL);
    dama_splitter_options_init(&options);
    CHECK(options.concurrency == 4 && options.timeout == 60 && options.retries == 4 && options.first_pause == 0.5);
    CHECK(options.cache == NULL && options.api_key == NULL);

    /* The answer is kept for the next splitter with the same command: the command runs once. */
    char line[256];
    snprintf(line, sizeof line, "echo >>%s; printf 'A cat sits.\\nTwo dogs sleep.\\n'", below("asked"));
    options.cache = below("answers.jsonl");
    for (int round = 0; round < 3; round++) {
        CHECK(dama_splitter_create_command(&splitter, line, &options) == DAMA_OK);
        gives(splitter, "A cat sits.", "Two dogs sleep.", "");
    }
    CHECK(lines_of(below("asked")) == 1);
    /* An answer with invented words is not used. */
    CHECK(dama_splitter_create_command(&splitter, "echo 'I cannot help with that request.'", NULL) == DAMA_OK);
    gives(splitter, "Two dogs sleep.", "A cat sits.", "splitter_fallback splitter_invented ");

    dama_strings *found = NULL;
    options.cache = NULL;
    options.timeout = 0.2;
    const double start = seconds();
    CHECK(dama_splitter_create_command(&splitter, "sleep 60 # sesame", &options) == DAMA_OK);
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, response, NULL, NULL), DAMA_IO, "longer than 0.2 s");
    CHECK(strstr(dama_error_message(), "sesame") == NULL && seconds() - start < 20);
    dama_splitter_free(splitter);
    CHECK(dama_splitter_create_command(&splitter, "exit 3", NULL) == DAMA_OK);
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, response, NULL, NULL), DAMA_IO, "status 3");
    dama_splitter_free(splitter);
    CHECK(found == NULL);

    splitter = NULL;
#define FAILS(status, text) CHECK_FAILS(dama_splitter_create_command(&splitter, "cat", &options), status, text)
    dama_splitter_options_init(&options);
    options.timeout = NAN;
    FAILS(DAMA_INVALID_ARGUMENT, "timeout is nan");
    dama_splitter_options_init(&options);
    options.first_pause = -1;
    FAILS(DAMA_INVALID_ARGUMENT, "first_pause is -1");
    dama_splitter_options_init(&options);
    options.concurrency = 0;
    FAILS(DAMA_INVALID_ARGUMENT, "1 to 256");
    dama_splitter_options_init(&options);
    options.reserved = 1;
    FAILS(DAMA_UNSUPPORTED, "reserved is 1");
    dama_splitter_options_init(&options);
    options.cache = "/nowhere/answers.jsonl";
    FAILS(DAMA_IO, "/nowhere/answers.jsonl");
    options.cache = below("asked.txt");
    FILE *file = fopen(options.cache, "w");
    CHECK(file != NULL && fputs("my notes\n", file) >= 0 && fclose(file) == 0);
    FAILS(DAMA_INVALID_ARGUMENT, "is not a cache");
#undef FAILS
    CHECK_FAILS(dama_splitter_create_command(&splitter, "", NULL), DAMA_INVALID_ARGUMENT, "command is empty");
    CHECK_FAILS(dama_splitter_create_command(&splitter, NULL, NULL), DAMA_INVALID_ARGUMENT, "command is NULL");
    CHECK_FAILS(dama_splitter_create_command(NULL, "cat", NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK(splitter == NULL);
}

/* Several threads use one splitter; each response gets its own answer. */
static dama_splitter *shared = NULL;
static void *split_many(void *number) {
    for (int i = 0; i < 8; i++) {
        char text[64];
        dama_strings *found = NULL;
        snprintf(text, sizeof text, "Dog %d sleeps in house %d today.", i, *(int *)number);
        CHECK(dama_splitter_split(&found, NULL, shared, text, NULL, NULL) == DAMA_OK);
        CHECK(dama_strings_count(found) == 1 && strcmp(dama_strings_at(found, 0), text) == 0);
        dama_strings_free(found);
    }
    return NULL;
}

static void threads(void) {
    int numbers[] = {1, 2, 3, 4};
    pthread_t started[4];
    CHECK(dama_splitter_create_command(&shared, "cat", NULL) == DAMA_OK);
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&started[i], NULL, split_many, &numbers[i]) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(started[i], NULL) == 0);
    dama_splitter_free(shared);
}

/* A server that answers each request with the next of its answers, and keeps the last request. */
typedef struct server {
    int listener;
    unsigned port;
    char request[8192];
    const char *status[4];
    const char *body[4];
} server;

static void *serve(void *argument) {
    server *it = (server *)argument;
    for (int i = 0; i < 4 && it->body[i]; i++) {
        char answer[1024];
        size_t size = 0;
        const int connection = accept(it->listener, NULL, NULL);
        if (connection < 0) break;
        while (size + 1 < sizeof it->request) {
            const ssize_t count = recv(connection, it->request + size, sizeof it->request - 1 - size, 0);
            if (count <= 0) break;
            size += (size_t)count;
            it->request[size] = 0;
            const char *length = strcasestr(it->request, "content-length:"), *end = strstr(it->request, "\r\n\r\n");
            if (end && length && strlen(end + 4) >= (size_t)atoi(length + 15)) break;
        }
        snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", it->status[i],
                 strlen(it->body[i]), it->body[i]);
        CHECK(send(connection, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer));
        close(connection);
    }
    close(it->listener);
    return NULL;
}

static pthread_t start(server *it) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    pthread_t thread;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    it->listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(it->listener, (struct sockaddr *)&address, length) == 0 && listen(it->listener, 4) == 0);
    CHECK(getsockname(it->listener, (struct sockaddr *)&address, &length) == 0);
    it->port = ntohs(address.sin_port);
    CHECK(pthread_create(&thread, NULL, serve, it) == 0);
    return thread;
}

static int is_told(const char *secret) { return strstr(dama_error_message(), secret) != NULL; }

static void endpoint(void) {
    static server it;
    static const char good[] = "{\"choices\":[{\"message\":{\"content\":\"1. Two dogs sleep.\\n2. A cat sits.\"}}]}";
    dama_splitter *splitter = NULL;
    dama_strings *found = NULL;
    dama_splitter_options options;
    char url[256];
    dama_splitter_options_init(&options);
    options.first_pause = 0;
    options.timeout = 10;
    options.retries = 1;

    /* Busy at first; the second attempt succeeds. */
    memset(&it, 0, sizeof it);
    it.status[0] = "503 Busy", it.body[0] = "later";
    it.status[1] = "200 OK", it.body[1] = good;
    pthread_t thread = start(&it);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/chat/completions", it.port);
    options.api_key = "sesame-open";
    CHECK(dama_splitter_create_endpoint(&splitter, url, "small", &options) == DAMA_OK);
    gives(splitter, "Two dogs sleep.", "A cat sits.", "");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(strstr(it.request, "POST /v1/chat/completions ") == it.request && strstr(it.request, "\"small\"") != NULL);
    CHECK(strstr(it.request, "Bearer sesame-open") != NULL && strstr(it.request, response) != NULL);

    /* A server that repeats the secrets. */
    memset(&it, 0, sizeof it);
    it.status[0] = "401 No", it.body[0] = "no entry for hunter22 with topsecret";
    thread = start(&it);
    snprintf(url, sizeof url, "http://me:hunter22@127.0.0.1:%u/v1?key=topsecret", it.port);
    options.api_key = NULL;
    CHECK(dama_splitter_create_endpoint(&splitter, url, "small", &options) == DAMA_OK);
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, response, NULL, NULL), DAMA_IO, "status 401");
    CHECK(!is_told("hunter22") && !is_told("topsecret") && is_told("127.0.0.1"));
    CHECK(pthread_join(thread, NULL) == 0);
    /* The server has stopped. */
    CHECK_FAILS(dama_splitter_split(&found, NULL, splitter, response, NULL, NULL), DAMA_IO, "cannot reach");
    CHECK(!is_told("hunter22") && !is_told("topsecret"));
    dama_splitter_free(splitter);

    splitter = NULL;
    CHECK_FAILS(dama_splitter_create_endpoint(&splitter, "ftp://me:hunter22@host/", "m", NULL), DAMA_INVALID_ARGUMENT,
                "not an http:// or https:// address");
    CHECK(!is_told("hunter22"));
    CHECK_FAILS(dama_splitter_create_endpoint(&splitter, NULL, "m", NULL), DAMA_INVALID_ARGUMENT, "url is NULL");
    CHECK_FAILS(dama_splitter_create_endpoint(&splitter, "http://h/", NULL, NULL), DAMA_INVALID_ARGUMENT, "model is NULL");
    CHECK_FAILS(dama_splitter_create_endpoint(NULL, "http://h/", "m", NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    options.api_key = "two\r\nlines";
    CHECK_FAILS(dama_splitter_create_endpoint(&splitter, "http://h/", "m", &options), DAMA_INVALID_ARGUMENT, "line break");
    CHECK(!is_told("two"));
    CHECK(splitter == NULL && found == NULL);
}

/* A model with random weights gives unusable answers, so the built-in rules split the text. Its directory is a copy of
   a fixture, with enough positions for the prompt. */
static void policy(const char *text_model, const char *llava) {
    char line[8192];
    snprintf(line, sizeof line,
             "cp -rL '%s' '%s' && sed -i 's/\"max_position_embeddings\": [0-9]*/\"max_position_embeddings\": 8192/' "
             "'%s/config.json'", text_model, below("model"), below("model"));
    CHECK(system(line) == 0);
    dama_policy *model = NULL;
    dama_splitter *splitter = NULL;
    dama_strings *found = NULL;
    CHECK(dama_policy_create(&model, below("model"), NULL) == DAMA_OK);
    CHECK(dama_splitter_create_policy(&splitter, model, NULL) == DAMA_OK);
    /* The splitter keeps the model alive. */
    dama_policy_free(model);

    /* Stopped inside the model, with a response that takes long. */
    static char text[40000];
    for (int i = 0; i < 300; i++) sprintf(text + strlen(text), "Dog %d runs. ", i);
    dama_cancellation *cancellation = NULL;
    pthread_t thread;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    CHECK(pthread_create(&thread, NULL, cancel_soon, cancellation) == 0);
    const double start = seconds();
    CHECK(dama_splitter_split(&found, NULL, splitter, text, NULL, cancellation) == DAMA_CANCELLED && found == NULL);
    CHECK(seconds() - start < 20);
    CHECK(pthread_join(thread, NULL) == 0);
    dama_cancellation_free(cancellation);

    dama_strings *flags = NULL;
    CHECK(dama_splitter_split(&found, &flags, splitter, response, NULL, NULL) == DAMA_OK);
    CHECK(dama_strings_count(found) == 2 && strcmp(dama_strings_at(found, 1), "A cat sits.") == 0);
    CHECK(dama_strings_count(flags) == 2 && strcmp(dama_strings_at(flags, 0), "splitter_fallback") == 0);
    dama_strings_free(found);
    dama_strings_free(flags);
    dama_splitter_free(splitter);

    splitter = NULL;
    CHECK(dama_policy_create(&model, llava, NULL) == DAMA_OK);
    CHECK_FAILS(dama_splitter_create_policy(&splitter, model, NULL), DAMA_UNSUPPORTED, "text-only");
    CHECK_FAILS(dama_splitter_create_policy(&splitter, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_splitter_create_policy(NULL, model, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK(splitter == NULL);
    dama_policy_free(model);
}

int main(void) {
    const char *clips = getenv("DAMA_CLIP_FIXTURES"), *llavas = getenv("DAMA_LLAVA_FIXTURES");
    const char *text_model = getenv("DAMA_TEXT_MODEL");
    if (!clips || !llavas || !text_model) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES, DAMA_LLAVA_FIXTURES and DAMA_TEXT_MODEL, as Tests/ABI/run does\n");
        return 1;
    }
    CHECK(mkdtemp(folder) != NULL);
    char path[4096];
    snprintf(path, sizeof path, "%s/legacy", clips);
    built_in(path);
    command();
    threads();
    endpoint();
    snprintf(path, sizeof path, "%s/default", llavas);
    policy(text_model, path);
    char line[64];
    snprintf(line, sizeof line, "rm -r %s", folder);
    CHECK(system(line) == 0);
    return check_failures != 0;
}
