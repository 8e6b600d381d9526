/*
 * The metrics of a model's answers to a benchmark, here POPE with questions about the pictures of the embedded world.
 *
 *     cc -std=c99 evaluate.c $(pkg-config --cflags --libs dama) -o evaluate
 *     ./evaluate SET.json ANSWERS.jsonl FOLDER
 *
 * After a stop or a kill, the same command resumes.
 * example arguments: examples/data/shapes/pope/coco_pope_random.json examples/data/shapes/pope/answers.jsonl OUTPUT
 */
#include <dama.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s SET.json ANSWERS.jsonl FOLDER\n", argv[0]);
        return 64;
    }
    char data[4096], output[4096];
    snprintf(data, sizeof data, "%s/pope", argv[3]);
    snprintf(output, sizeof output, "%s/results.jsonl", argv[3]);

    /* The benchmark's data, from files that were downloaded. */
    const char *const files[] = {argv[1]};
    dama_preparation *preparation = NULL;
    check(dama_evaluate_prepare(&preparation, "pope", files, 1, 0, data, NULL));
    for (size_t i = 0; i < dama_preparation_count(preparation); i++) {
        dama_missing_file file;
        dama_missing_file_init(&file);
        check(dama_preparation_at(preparation, i, &file));
        printf("not there: %s, %s\n", file.name, file.purpose);
    }
    dama_preparation_free(preparation);

    dama_evaluate_options options;
    dama_evaluate_options_init(&options);
    options.benchmark = "pope";
    options.data = data;
    options.responses = argv[2];
    options.output = output;
    dama_evaluate_result result;
    dama_evaluate_result_init(&result);
    dama_metrics *metrics = NULL;
    check(dama_evaluate(&metrics, &options, &result, NULL));
    printf("%llu of %llu questions answered\n", (unsigned long long)result.answered,
           (unsigned long long)result.questions);
    for (size_t i = 0; i < dama_metrics_count(metrics); i++) {
        dama_metric metric;
        dama_metric_init(&metric);
        check(dama_metrics_at(metrics, i, &metric));
        if (!isnan(metric.value)) printf("%-10s %.3f\n", metric.name, metric.value);
    }
    dama_metrics_free(metrics);
    return 0;
}
