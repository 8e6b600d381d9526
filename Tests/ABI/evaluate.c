/* Benchmarks: their data, their questions, scores of answers and metrics, with a small POPE. */
#define _DEFAULT_SOURCE
#include <dama.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static char folder[] = "/tmp/dama-abi-XXXXXX";

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

static int holds(const char *name, const char *text) {
    static char contents[1 << 16];
    FILE *file = fopen(below(name), "r");
    if (!file) return 0;
    contents[fread(contents, 1, sizeof contents - 1, file)] = 0;
    fclose(file);
    return strstr(contents, text) != NULL;
}

static int is(const char *found, const char *expected) { return found && strcmp(found, expected) == 0; }

/* The one string of a list. */
static int is_only(const dama_strings *strings, const char *expected) {
    return dama_strings_count(strings) == 1 && is(dama_strings_at(strings, 0), expected);
}

static void benchmarks(void) {
    dama_strings *names = NULL;
    int found = 0;
    CHECK(dama_evaluate_benchmarks(&names) == DAMA_OK);
    for (size_t i = 0; i < dama_strings_count(names); i++) found += is(dama_strings_at(names, i), "pope");
    CHECK(found == 1);
    dama_strings_free(names);
    CHECK_FAILS(dama_evaluate_benchmarks(NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
}

static void prepares(void) {
    char set[64], data[64];
    snprintf(set, sizeof set, "%s", below("coco_pope_popular.json"));
    snprintf(data, sizeof data, "%s", below("data"));
    const char *files[] = {set};
    dama_preparation *made = NULL;

    /* Without files: what is needed. */
    CHECK(dama_evaluate_prepare(&made, "pope", NULL, 0, 0, data, NULL) == DAMA_OK);
    CHECK(dama_strings_count(dama_preparation_made(made)) == 0 && dama_preparation_count(made) == 4);
    dama_missing_file missing;
    dama_missing_file_init(&missing);
    CHECK(dama_preparation_at(made, 1, &missing) == DAMA_OK && missing.struct_size == sizeof missing);
    CHECK(is(missing.name, "popular.jsonl") && missing.is_optional == 1 && strlen(missing.purpose) > 0);
    CHECK(missing.download_count == 1 && is(missing.downloads[0].name, "coco_pope_popular.json"));
    CHECK(strncmp(missing.downloads[0].address, "https://", 8) == 0);
    CHECK(missing.downloads[0].sha256 != NULL && dama_strings_count(missing.downloads[0].sha256) == 0);
    CHECK_FAILS(dama_preparation_at(made, 4, &missing), DAMA_INVALID_ARGUMENT, "missing file 4 is beyond the end");
    CHECK_FAILS(dama_preparation_at(made, (size_t)-1, &missing), DAMA_INVALID_ARGUMENT, "beyond the end");
    CHECK_FAILS(dama_preparation_at(made, 0, NULL), DAMA_INVALID_ARGUMENT, "file is NULL");
    CHECK_FAILS(dama_preparation_at(NULL, 0, &missing), DAMA_INVALID_ARGUMENT, "preparation is NULL");
    dama_preparation_free(made);
    CHECK(access(data, F_OK) != 0);

    made = NULL;
    dama_cancellation *cancellation = NULL;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    dama_cancellation_cancel(cancellation);
    CHECK(dama_evaluate_prepare(&made, "pope", files, 1, 0, data, cancellation) == DAMA_CANCELLED && made == NULL);
    dama_cancellation_free(cancellation);
    CHECK_FAILS(dama_evaluate_prepare(&made, "popes", files, 1, 0, data, NULL), DAMA_INVALID_ARGUMENT,
                "benchmark is \"popes\"; expected one of");
    CHECK_FAILS(dama_evaluate_prepare(&made, "pope", NULL, 1, 0, data, NULL), DAMA_INVALID_ARGUMENT, "files is NULL");
    const char *none[] = {NULL};
    CHECK_FAILS(dama_evaluate_prepare(&made, "pope", none, 1, 0, data, NULL), DAMA_INVALID_ARGUMENT,
                "files[0] is NULL");
    const char *other[] = {below("answers.jsonl")};
    CHECK_FAILS(dama_evaluate_prepare(&made, "pope", other, 1, 0, data, NULL), DAMA_INVALID_ARGUMENT,
                "no file of pope has this name or contents");
    CHECK(made == NULL);

    CHECK(dama_evaluate_prepare(&made, "pope", files, 1, 0, data, NULL) == DAMA_OK);
    CHECK(is_only(dama_preparation_made(made), "popular.jsonl") && dama_preparation_count(made) == 3);
    CHECK(dama_strings_count(dama_preparation_kept(made)) == 0);
    dama_preparation_free(made);
    CHECK(dama_evaluate_prepare(&made, "pope", NULL, 0, 1, data, NULL) == DAMA_OK);
    CHECK(is_only(dama_preparation_kept(made), "popular.jsonl"));
    dama_preparation_free(made);
    CHECK(dama_preparation_made(NULL) == NULL && dama_preparation_kept(NULL) == NULL);
    CHECK(dama_preparation_count(NULL) == 0);
}

static void questions(void) {
    char data[64], output[64];
    uint64_t count = 0;
    snprintf(data, sizeof data, "%s", below("data"));
    snprintf(output, sizeof output, "%s", below("questions.jsonl"));
    CHECK(dama_evaluate_questions("pope", data, NULL, output, &count) == DAMA_OK && count == 5);
    CHECK(holds("questions.jsonl", "{\"idx\":\"popular/3\",\"image\":\"c.jpg\",\"question\":\"Is there a dog?\"}\n"));
    CHECK_FAILS(dama_evaluate_questions("pope", data, NULL, output, NULL), DAMA_INVALID_ARGUMENT, "is not replaced");
    CHECK_FAILS(dama_evaluate_questions("pope", data, "rare", below("q"), NULL), DAMA_INVALID_ARGUMENT,
                "part is \"rare\"");
    CHECK_FAILS(dama_evaluate_questions("pope", folder, NULL, below("q"), NULL), DAMA_INVALID_ARGUMENT,
                "holds no benchmark.json");
    CHECK_FAILS(dama_evaluate_questions(NULL, data, NULL, output, NULL), DAMA_INVALID_ARGUMENT, "benchmark is NULL");
    CHECK_FAILS(dama_evaluate_questions("pope", data, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "output is NULL");
}

static dama_status stop(const dama_progress *progress, void *user) {
    CHECK(progress->struct_size == sizeof *progress);
    return progress->phase == DAMA_PHASE_COMPUTING && progress->rows_done >= 2 ? *(dama_status *)user : DAMA_OK;
}

static void check_metric(const dama_metrics *metrics, size_t index, const char *name, double value, const char *text) {
    dama_metric metric;
    dama_metric_init(&metric);
    CHECK(dama_metrics_at(metrics, index, &metric) == DAMA_OK && metric.struct_size == sizeof metric);
    CHECK(is(metric.name, name) && fabs(metric.value - value) < 1e-15 && isnan(metric.standard_deviation));
    CHECK(text ? is(metric.official, text) : metric.official == NULL);
    CHECK(metric.run_count == 1 && metric.runs[0] == metric.value);
}

static void scores(void) {
    char data[64], responses[64], output[64];
    snprintf(data, sizeof data, "%s", below("data"));
    snprintf(responses, sizeof responses, "%s", below("answers.jsonl"));
    snprintf(output, sizeof output, "%s", below("results.jsonl"));
    dama_evaluate_options options;
    dama_evaluate_options_init(NULL);
    dama_evaluate_options_init(&options);
    CHECK(options.runs == 1 && options.block_rows == 256 && options.max_missing == -1 && options.max_rejected == -1);
    CHECK(options.row_limit == 8 << 20 && options.workers == 0 && options.restart == 0 && options.judge == NULL);
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "benchmark is NULL");
    options.benchmark = "pope";
    options.data = data;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "responses is NULL");
    options.responses = responses;
    options.output = output;
    options.block_rows = 1;
    options.max_missing = 0;
    dama_metrics *metrics = NULL;
    dama_evaluate_result result;
    dama_evaluate_result_init(&result);
    CHECK_FAILS(dama_evaluate(&metrics, &options, &result, NULL), DAMA_MODEL,
                "1 of 5 questions have no answer, more than the 0 allowed: \"popular/5\"");
    options.max_missing = 1;
    options.restart = 1;
    dama_status wanted = DAMA_IO;
    options.progress = stop;
    options.user = &wanted;
    CHECK_FAILS(dama_evaluate(&metrics, &options, &result, NULL), DAMA_IO, "callback");
    CHECK(metrics == NULL && result.questions == 0);
    options.progress = NULL;
    options.restart = 0;
    CHECK(dama_evaluate(&metrics, &options, &result, NULL) == DAMA_OK && !result.was_complete);
    CHECK(result.questions == 5 && result.answered == 4 && result.missing == 1 && result.empty == 1);
    CHECK(result.rows_rejected == 2 && holds("results.rejects.jsonl", "repeated_answer"));
    /* "Yes" to yes, no and yes (the empty answer), "No" to yes. */
    CHECK(dama_metrics_count(metrics) == 5);
    check_metric(metrics, 0, "f1", 2 * (2.0 / 3) * (2.0 / 3) / (4.0 / 3), "0.667");
    check_metric(metrics, 1, "accuracy", 0.5, "0.500");
    check_metric(metrics, 2, "precision", 2.0 / 3, "0.667");
    check_metric(metrics, 3, "recall", 2.0 / 3, "0.667");
    check_metric(metrics, 4, "yes_ratio", 0.75, "0.750");
    dama_metric metric;
    dama_metric_init(&metric);
    CHECK_FAILS(dama_metrics_at(metrics, 5, &metric), DAMA_INVALID_ARGUMENT, "metric 5 is beyond the end");
    CHECK_FAILS(dama_metrics_at(metrics, 0, NULL), DAMA_INVALID_ARGUMENT, "metric is NULL");
    CHECK_FAILS(dama_metrics_at(NULL, 0, &metric), DAMA_INVALID_ARGUMENT, "metrics is NULL");
    dama_metrics_free(metrics);
    CHECK(dama_metrics_count(NULL) == 0);

    /* A finished job is not repeated, and its metrics are those of the summary. */
    CHECK(dama_evaluate(&metrics, &options, &result, NULL) == DAMA_OK && result.was_complete);
    check_metric(metrics, 1, "accuracy", 0.5, "0.500");
    dama_metrics_free(metrics);
    CHECK(dama_evaluate(NULL, &options, NULL, NULL) == DAMA_OK);

    options.part = "rare";
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "part is \"rare\"");
    options.part = NULL;
    options.variant = "strict";
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "variant is \"strict\"");
    options.variant = NULL;
    options.runs = 2;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "without a judge");
    options.runs = 1;
    options.max_missing = -2;
    CHECK_FAILS(dama_evaluate(NULL, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "max_missing");
}

static void compares(void) {
    char data[64], responses[64], outputs[2][64], summaries[2][64];
    snprintf(data, sizeof data, "%s", below("data"));
    snprintf(responses, sizeof responses, "%s", below("better.jsonl"));
    for (int i = 0; i < 2; i++) {
        snprintf(outputs[i], sizeof outputs[i], "%s", below(i ? "better.results.jsonl" : "results.jsonl"));
        snprintf(summaries[i], sizeof summaries[i], "%s",
                 below(i ? "better.results.summary.json" : "results.summary.json"));
    }
    dama_evaluate_options options;
    dama_evaluate_options_init(&options);
    options.benchmark = "pope";
    options.data = data;
    options.responses = responses;
    options.output = outputs[1];
    CHECK(dama_evaluate(NULL, &options, NULL, NULL) == DAMA_OK);

    const char *paths[] = {summaries[0], summaries[1]};
    dama_comparison_options own;
    dama_comparison_options_init(NULL);
    dama_comparison_options_init(&own);
    CHECK(own.resamples == 10000 && own.confidence == 0.95 && own.seed == 0 && own.allow_different == 0);
    own.resamples = 200;
    own.seed = 7;
    dama_comparison *comparison = NULL;
    CHECK(dama_evaluate_compare(&comparison, paths, 2, &own, NULL) == DAMA_OK);
    /* The first answers 2 of 4 rightly, the second 3: it is right where the first is wrong once. */
    CHECK(strstr(dama_comparison_json(comparison), "\"questions\":4") != NULL);
    CHECK(strstr(dama_comparison_json(comparison), "\"only_first\":0,\"only_other\":1,\"neither\":1") != NULL);
    CHECK(strstr(dama_comparison_text(comparison), "accuracy") != NULL);
    CHECK(strncmp(dama_comparison_csv(comparison), "metric,result,value", 19) == 0);
    CHECK(strstr(dama_comparison_page(comparison), "<html") != NULL);
    dama_comparison_free(comparison);
    CHECK(dama_comparison_text(NULL) == NULL && dama_comparison_json(NULL) == NULL);
    CHECK(dama_comparison_csv(NULL) == NULL && dama_comparison_page(NULL) == NULL);

    comparison = NULL;
    CHECK_FAILS(dama_evaluate_compare(&comparison, paths, 1, NULL, NULL), DAMA_INVALID_ARGUMENT, "at least 2");
    CHECK_FAILS(dama_evaluate_compare(&comparison, NULL, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "summaries is NULL");
    CHECK_FAILS(dama_evaluate_compare(NULL, paths, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    own.resamples = 0;
    CHECK_FAILS(dama_evaluate_compare(&comparison, paths, 2, &own, NULL), DAMA_INVALID_ARGUMENT, "resamples");
    own.resamples = 200;
    own.confidence = 1;
    CHECK_FAILS(dama_evaluate_compare(&comparison, paths, 2, &own, NULL), DAMA_INVALID_ARGUMENT, "confidence");
    own.confidence = 0.95;
    own.reserved = 1;
    CHECK_FAILS(dama_evaluate_compare(&comparison, paths, 2, &own, NULL), DAMA_UNSUPPORTED, "reserved");
    paths[1] = responses;
    CHECK_FAILS(dama_evaluate_compare(&comparison, paths, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "is not a summary");
    CHECK(comparison == NULL);
}

int main(void) {
    CHECK(mkdtemp(folder) != NULL);
    write_text("coco_pope_popular.json",
               "{\"question_id\": 1, \"image\": \"a.jpg\", \"text\": \"Is there a cat?\", \"label\": \"yes\"}\n"
               "{\"question_id\": 2, \"image\": \"b.jpg\", \"text\": \"Is there a cat?\", \"label\": \"no\"}\n"
               "{\"question_id\": 3, \"image\": \"c.jpg\", \"text\": \"Is there a dog?\", \"label\": \"yes\"}\n"
               "{\"question_id\": 4, \"image\": \"d.jpg\", \"text\": \"Is there a dog?\", \"label\": \"yes\"}\n"
               "{\"question_id\": 5, \"image\": \"e.jpg\", \"text\": \"Is there a dog?\", \"label\": \"no\"}\n");
    write_text("answers.jsonl", "{\"id\": 1, \"response\": \"Yes.\"}\n"
                                "{\"id\": 2, \"response\": \"Yes, a cat.\"}\n"
                                "{\"id\": 1, \"response\": \"No\"}\n"
                                "{\"id\": \"popular/4\", \"response\": \"\"}\n"
                                "{\"id\": 3, \"response\": \"There is no dog.\"}\n"
                                "{\"id\": 9, \"response\": \"Yes\"}\n");
    write_text("better.jsonl", "{\"id\": 1, \"response\": \"Yes.\"}\n"
                               "{\"id\": 2, \"response\": \"Yes, a cat.\"}\n"
                               "{\"id\": 3, \"response\": \"There is a dog.\"}\n"
                               "{\"id\": 4, \"response\": \"Yes\"}\n");
    benchmarks();
    prepares();
    questions();
    scores();
    compares();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
