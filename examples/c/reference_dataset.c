/*
 * The reference's log-probabilities of a dataset of preference pairs: computed once, then looked up.
 *
 *     cc -std=c99 reference_dataset.c $(pkg-config --cflags --libs dama) -o reference_dataset
 *     ./reference_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl
 *
 * After a stop or a kill, the same command resumes.
 * example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/ref.jsonl
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
        fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl\n", argv[0]);
        return 64;
    }
    dama_policy *policy = NULL;
    check(dama_policy_create(&policy, argv[1], NULL));

    dama_reference_dataset_options options;
    dama_reference_dataset_options_init(&options);
    options.data = argv[2];
    options.image_root = argv[3];
    options.output = argv[4];
    options.progress = show;
    dama_reference_dataset_result result;
    dama_reference_dataset_result_init(&result);
    check(dama_reference_dataset(policy, &options, &result, NULL));
    printf("\n%llu of %llu rows\n", (unsigned long long)(result.rows - result.rows_rejected),
           (unsigned long long)result.rows);

    /* With the policy, opening fails if another model computed the cache. */
    dama_reference_cache *cache = NULL;
    check(dama_reference_cache_open(&cache, argv[4], policy));
    printf("%zu different pairs in the cache\n", dama_reference_cache_count(cache));

    /* Pairs are looked up by their contents, so a changed pair is not found. */
    const dama_preference_pair pair = {NULL, "What is this?", "A circle.", "A square."};
    int32_t contains = 0;
    check(dama_reference_cache_contains(cache, &pair, &contains));
    printf("a pair that the dataset does not have: %s\n", contains ? "in the cache" : "not in the cache");

    dama_reference_cache_free(cache);
    dama_policy_free(policy);
    return 0;
}
