/* Judges: a callback, a command and a model, asked by a small MM-Vet. */
#define _DEFAULT_SOURCE
#include <dama.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static char folder[] = "/tmp/dama-abi-XXXXXX";
static char data[64], responses[64];

static const char *below(const char *name) {
    static char paths[8][64];
    static int next = 0;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    FILE *file = fopen(below(name), "w");
    CHECK(file != NULL && fputs(text, file) >= 0);
    if (file) fclose(file);
}

static int lines_of(const char *name) {
    FILE *file = fopen(below(name), "r");
    int count = 0, character;
    if (!file) return 0;
    while ((character = fgetc(file)) != EOF) count += character == '\n';
    fclose(file);
    return count;
}

/* An answer of the model, and the grades that the judge gives to it in the first and in the second run. */
static const struct {
    const char *prediction, *grades[2];
} grades[] = {{"a red cat", {"1.0", "0.5"}}, {"two dogs", {"0.0", "0.2"}}, {"a house", {"0.5", "0.8"}}};

/* What a callback sees and does. With one call at a time it needs no lock. */
static struct {
    int calls, running;
    dama_status status;
    /* Sets no answer; sets it after a bad one. */
    int says_nothing, corrects;
} seen;

static dama_status grade(const dama_judge_request *request, dama_judge_reply *reply, void *user) {
    CHECK(user == &seen && seen.running++ == 0);
    CHECK(request->struct_size == sizeof *request && request->message_count == 1);
    CHECK(strcmp(request->messages[0].role, "user") == 0 && request->run < 2 && request->attempt == 0);
    CHECK(request->temperature == 0 && request->top_p == 1 && request->max_tokens > 0);
    const char *answer = "nonsense";
    for (int i = 0; i < 3; i++)
        if (strstr(request->messages[0].content, grades[i].prediction)) answer = grades[i].grades[request->run];
    dama_status status = seen.status;
    if (seen.corrects) {
        CHECK(dama_judge_reply_set(reply, "0.7", NULL) == DAMA_OK);
        CHECK_FAILS(dama_judge_reply_set(reply, NULL, NULL), DAMA_INVALID_ARGUMENT, "text is NULL");
        CHECK_FAILS(dama_judge_reply_set(NULL, "0.7", NULL), DAMA_INVALID_ARGUMENT, "reply is NULL");
    }
    if (!seen.says_nothing && status == DAMA_OK) status = dama_judge_reply_set(reply, answer, "grader-1");
    seen.calls++;
    seen.running--;
    return status;
}

static dama_evaluate_options options_for(const dama_judge *judge, const char *output) {
    dama_evaluate_options options;
    dama_evaluate_options_init(&options);
    options.benchmark = "mm-vet";
    options.data = data;
    options.responses = responses;
    options.output = output;
    options.judge = judge;
    return options;
}

static void is_mean(const dama_metrics *metrics, size_t index, const char *name, double first, double second,
                    const char *official) {
    dama_metric metric;
    dama_metric_init(&metric);
    CHECK(dama_metrics_at(metrics, index, &metric) == DAMA_OK && strcmp(metric.name, name) == 0);
    CHECK(metric.run_count == 2 && fabs(metric.runs[0] - first) < 1e-12 && fabs(metric.runs[1] - second) < 1e-12);
    CHECK(fabs(metric.value - (first + second) / 2) < 1e-12);
    CHECK(metric.official && strcmp(metric.official, official) == 0);
    CHECK(fabs(metric.standard_deviation - fabs(first - second) / 2) < 1e-12);
}

static void callbacks(void) {
    char output[64], cache[64];
    snprintf(output, sizeof output, "%s", below("results.jsonl"));
    snprintf(cache, sizeof cache, "%s", below("cache.jsonl"));
    dama_judge *judge = NULL;
    dama_judge_options own;
    dama_judge_options_init(NULL);
    dama_judge_options_init(&own);
    CHECK(own.concurrency == 4 && own.timeout == 60 && own.retries == 4 && own.first_pause == 0.5);
    CHECK(isnan(own.requests_per_minute) && own.cache == NULL && own.any_model == 0);
    own.concurrency = 1;
    own.cache = cache;
    CHECK_FAILS(dama_judge_create_callback(NULL, "grader", grade, &own, &seen), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_judge_create_callback(&judge, NULL, grade, &own, &seen), DAMA_INVALID_ARGUMENT, "name is NULL");
    CHECK_FAILS(dama_judge_create_callback(&judge, "", grade, &own, &seen), DAMA_INVALID_ARGUMENT, "name is empty");
    CHECK_FAILS(dama_judge_create_callback(&judge, "grader", NULL, &own, &seen), DAMA_INVALID_ARGUMENT,
                "callback is NULL");
    own.concurrency = 257;
    CHECK_FAILS(dama_judge_create_callback(&judge, "grader", grade, &own, &seen), DAMA_INVALID_ARGUMENT,
                "expected 1 to 256, found 257");
    own.concurrency = 1;
    CHECK(judge == NULL && dama_judge_create_callback(&judge, "grader", grade, &own, &seen) == DAMA_OK);

    /* What the callback returns stops the job; then it forgets to answer. */
    dama_evaluate_options options = options_for(judge, output);
    options.runs = 2;
    seen.status = DAMA_SHAPE_MISMATCH;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_SHAPE_MISMATCH, "callback");
    seen.status = (dama_status)99;
    CHECK(dama_evaluate(NULL, &options, NULL, NULL) == DAMA_CANCELLED);
    seen.status = DAMA_OK;
    seen.says_nothing = 1;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "dama_judge_reply_set()");
    /* Each stopped at its first answer. */
    CHECK(seen.calls == 3 && lines_of("cache.jsonl") == 0);
    seen.says_nothing = 0;
    seen.corrects = 1;
    seen.calls = 0;
    dama_metrics *metrics = NULL;
    dama_evaluate_result result;
    dama_evaluate_result_init(&result);
    CHECK(dama_evaluate(&metrics, &options, &result, NULL) == DAMA_OK && result.answered == 3);
    CHECK(seen.calls == 6 && lines_of("cache.jsonl") == 6);
    is_mean(metrics, 0, "total", 50, 50, "50.0");
    is_mean(metrics, 1, "rec", 50, 35, "42.5");
    dama_metrics_free(metrics);
    dama_judge_free(judge);

    /* The file answers another judge of the same name, and no other. */
    CHECK(dama_judge_create_callback(&judge, "grader", grade, &own, &seen) == DAMA_OK);
    options.judge = judge;
    options.restart = 1;
    CHECK(dama_evaluate(NULL, &options, NULL, NULL) == DAMA_OK && seen.calls == 6);
    dama_judge_free(judge);
    CHECK(dama_judge_create_callback(&judge, "stranger", grade, &own, &seen) == DAMA_OK);
    options.judge = judge;
    options.restart = 0;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "stranger");
    dama_judge_free(judge);
    options.judge = NULL;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "mm-vet needs a judge");
}

static void commands(void) {
    dama_judge *judge = NULL;
    CHECK_FAILS(dama_judge_create_command(&judge, "", NULL), DAMA_INVALID_ARGUMENT, "command");
    CHECK_FAILS(dama_judge_create_command(&judge, NULL, NULL), DAMA_INVALID_ARGUMENT, "command is NULL");
    /* The request is one JSON object. */
    static const char command[] = "grep -q '\"messages\":\\[{\"role\":\"user\"' && echo 0.25";
    CHECK(dama_judge_create_command(&judge, command, NULL) == DAMA_OK);
    dama_evaluate_options options = options_for(judge, below("by_command.jsonl"));
    dama_metrics *metrics = NULL;
    CHECK(dama_evaluate(&metrics, &options, NULL, NULL) == DAMA_OK);
    dama_metric metric;
    dama_metric_init(&metric);
    CHECK(dama_metrics_at(metrics, 0, &metric) == DAMA_OK && metric.value == 25);
    CHECK(strcmp(metric.official, "25.0") == 0);
    dama_metrics_free(metrics);
    dama_judge_free(judge);
    CHECK(dama_judge_create_command(&judge, "exit 3", NULL) == DAMA_OK);
    options = options_for(judge, below("failed.jsonl"));
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_IO, "3");
    dama_judge_free(judge);
}

static void endpoints(void) {
    static const char url[] = "http://127.0.0.1:9/v1/chat/completions";
    dama_judge *judge = NULL;
    dama_judge_options own;
    dama_judge_options_init(&own);
    CHECK_FAILS(dama_judge_create_endpoint(&judge, "ftp://a", "m", NULL), DAMA_INVALID_ARGUMENT, "http");
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, NULL, NULL), DAMA_INVALID_ARGUMENT, "model is NULL");
    own.requests_per_minute = 0;
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, "m", &own), DAMA_INVALID_ARGUMENT, "0");
    dama_judge_options_init(&own);
    own.request_fields = "[1]";
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, "m", &own), DAMA_INVALID_ARGUMENT, "not a JSON object");
    own.request_fields = "{\"seed\": 7}";
    own.any_model = 1;
    own.expected_model = "n";
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, "m", &own), DAMA_INVALID_ARGUMENT, "expected_model");
    own.any_model = 0;
    own.timeout = -1;
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, "m", &own), DAMA_INVALID_ARGUMENT, "timeout is -1");
    own.timeout = 1;
    own.first_pause = INFINITY;
    CHECK_FAILS(dama_judge_create_endpoint(&judge, url, "m", &own), DAMA_INVALID_ARGUMENT, "first_pause is inf");
    own.first_pause = 0;
    own.retries = 1;
    own.api_key = "secret";
    CHECK(judge == NULL && dama_judge_create_endpoint(&judge, url, "m", &own) == DAMA_OK);
    dama_evaluate_options options = options_for(judge, below("unreachable.jsonl"));
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_IO, "127.0.0.1:9");
    CHECK(strstr(dama_error_message(), "(after 2 attempts)") && !strstr(dama_error_message(), "secret"));
    dama_judge_free(judge);
}

static void models(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/default", getenv("DAMA_LLAVA_FIXTURES"));
    dama_policy *policy = NULL;
    dama_judge *judge = NULL;
    CHECK(dama_policy_create(&policy, path, NULL) == DAMA_OK);
    CHECK_FAILS(dama_judge_create_policy(&judge, policy, NULL), DAMA_UNSUPPORTED, "takes an image");
    CHECK_FAILS(dama_judge_create_policy(&judge, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    dama_policy_free(policy);
    CHECK(dama_policy_create(&policy, getenv("DAMA_TEXT_MODEL"), NULL) == DAMA_OK);
    CHECK(dama_judge_create_policy(&judge, policy, NULL) == DAMA_OK);
    /* The judge keeps the model. */
    dama_policy_free(policy);
    dama_judge_free(judge);
    dama_judge_free(NULL);
}

int main(void) {
    if (!getenv("DAMA_LLAVA_FIXTURES") || !getenv("DAMA_TEXT_MODEL")) {
        fprintf(stderr, "set DAMA_LLAVA_FIXTURES and DAMA_TEXT_MODEL, as Tests/ABI/run does\n");
        return 1;
    }
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s", below("data"));
    snprintf(responses, sizeof responses, "%s", below("answers.json"));
    write_text("mm-vet.json",
               "{\"v1_0\": {\"imagename\": \"a.jpg\", \"question\": \"What is it?\", \"answer\": \"cat\", "
               "\"capability\": [\"rec\"]}, \"v1_1\": {\"imagename\": \"b.jpg\", \"question\": \"How many?\", "
               "\"answer\": \"3\", \"capability\": [\"rec\", \"math\"]}, \"v1_2\": {\"imagename\": \"c.jpg\", "
               "\"question\": \"Where?\", \"answer\": \"left<OR>at the left\", \"capability\": [\"spat\"]}}");
    /* The official form: one object. */
    write_text("answers.json", "{\"v1_0\": \"a red cat\", \"v1_1\": \"two dogs\", \"v1_2\": \"a house\"}\n");
    char file[64];
    snprintf(file, sizeof file, "%s", below("mm-vet.json"));
    const char *files[] = {file};
    dama_preparation *preparation = NULL;
    CHECK(dama_evaluate_prepare(&preparation, "mm-vet", files, 1, 0, data, NULL) == DAMA_OK);
    dama_preparation_free(preparation);
    callbacks();
    commands();
    endpoints();
    models();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
