/*
 * A model's answers to the questions of a dataset: several samples of each, from a file to a file.
 *
 *     cc -std=c99 generate_dataset.c $(pkg-config --cflags --libs dama) -o generate_dataset
 *     ./generate_dataset MODEL_DIR QUESTIONS.jsonl IMAGE_ROOT RESPONSES.jsonl
 *
 * After a stop or a kill, the same command resumes.
 * example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/out.jsonl
 */
#include <dama.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

static dama_status show(const dama_progress *progress, void *user) {
    (void)user;
    if (progress->phase == DAMA_PHASE_COMPUTING)
        fprintf(stderr, "\r%llu/%llu rows", (unsigned long long)progress->rows_done,
                (unsigned long long)progress->rows_total);
    return DAMA_OK;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: %s MODEL_DIR QUESTIONS.jsonl IMAGE_ROOT RESPONSES.jsonl\n", argv[0]);
        return 64;
    }
    dama_policy *policy = NULL;
    check(dama_policy_create(&policy, argv[1], NULL));

    dama_generation_options generation;
    dama_generation_options_init(&generation);
    generation.max_tokens = 48;
    generation.temperature = 0.7;
    generation.top_p = 0.95;

    dama_generate_dataset_options options;
    dama_generate_dataset_options_init(&options);
    options.data = argv[2];
    options.image_root = argv[3];
    options.output = argv[4];
    options.samples = 2;
    options.generation = &generation;
    options.progress = show;
    dama_generate_dataset_result result;
    dama_generate_dataset_result_init(&result);
    /* Another thread could stop the call with a dama_cancellation. */
    check(dama_generate_dataset(policy, &options, &result, NULL));
    printf("\n%llu of %llu questions answered, %llu with an answer that ended by length\n",
           (unsigned long long)(result.rows - result.rows_rejected), (unsigned long long)result.rows,
           (unsigned long long)result.rows_cut);
    dama_policy_free(policy);
    return 0;
}
