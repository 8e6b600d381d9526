#define _DEFAULT_SOURCE
#include <dama.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static int calls = 0;

static dama_status count(const dama_progress *progress, void *user) {
    CHECK(progress->struct_size == sizeof *progress && *(int *)user == 7);
    calls++;
    return DAMA_OK;
}

static dama_status stop(const dama_progress *progress, void *user) {
    return progress->phase == DAMA_PHASE_COMPUTING && progress->rows_done >= 2 ? *(dama_status *)user : DAMA_OK;
}

static char image_path[4096];
static const dama_image image = {image_path, NULL, 0, NULL, 0, 0};
static const dama_preference_pair pairs[] = {
    {&image, "What is in the image?", "A red square.", "Two dogs and a cat."},
    {&image, "Where is the circle?", "At the top.", "There is none, but a large star."},
    {&image, "How many are there?", "One.", "Seven."},
};

static void write_rows(const char *path) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (!file) return;
    for (int i = 0; i < 3; i++)
        fprintf(file, "{\"image\":\"image.png\",\"asked\":\"%s\",\"chosen\":\"%s\",\"rejected\":\"%s\"}\n",
                pairs[i].prompt, pairs[i].chosen, pairs[i].rejected);
    fputs("{\"image\":\"none.png\",\"asked\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n", file);
    fclose(file);
}

/* Compares the policy's log-probabilities with those of the cache, token by token. */
static void compare(const dama_logps *computed, const dama_logps *stored, size_t pair, dama_response response) {
    dama_response_logp a, b;
    float tokens[2][64];
    size_t n = 0, m = 0;
    CHECK(dama_logps_at(computed, pair, response, &a) == DAMA_OK);
    CHECK(dama_logps_at(stored, pair, response, &b) == DAMA_OK);
    CHECK(a.count == b.count && a.was_cut == b.was_cut);
    /* The same arithmetic in batches of other shapes. */
    CHECK(fabs(a.sum - b.sum) < 1e-4);
    CHECK(dama_logps_tokens(computed, pair, response, tokens[0], 64, &n) == DAMA_OK);
    CHECK(dama_logps_tokens(stored, pair, response, tokens[1], 64, &m) == DAMA_OK && n == m);
    for (size_t i = 0; i < n && i < m; i++) CHECK(fabsf(tokens[0][i] - tokens[1][i]) < 1e-5f);
}

static void bad_options(const dama_policy *policy, const dama_reference_dataset_options *good) {
    dama_reference_dataset_result wrong;
    dama_reference_dataset_result_init(&wrong);
    CHECK_FAILS(dama_reference_dataset(NULL, good, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_reference_dataset(policy, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    wrong.struct_size = 1;
    CHECK_FAILS(dama_reference_dataset(policy, good, &wrong, NULL), DAMA_INVALID_ARGUMENT, "struct_size");
    dama_reference_dataset_options bad = *good;
    bad.struct_size = 3;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "struct_size");
    bad = *good;
    bad.data = NULL;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "data is NULL");
    bad = *good;
    bad.output = NULL;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "output is NULL");
    bad = *good;
    bad.fields = NULL;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "fields is NULL");
    bad = *good;
    bad.format = (dama_reference_format)9;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "format 9");
    bad = *good;
    bad.block_rows = 0;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "block");
    bad = *good;
    bad.max_rejected = -2;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "max_rejected");
    bad = *good;
    bad.image_limit = (size_t)-1;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "image_limit is 18446744073709551615");
    bad = *good;
    bad.data = "/nowhere/pairs.jsonl";
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_IO, "/nowhere/pairs.jsonl");
    bad = *good;
    bad.max_rejected = 0;
    CHECK_FAILS(dama_reference_dataset(policy, &bad, NULL, NULL), DAMA_MODEL, "rejected");
}

static void use_cache(const dama_policy *policy, const char *path, size_t expected) {
    dama_reference_cache *cache = NULL;
    CHECK_FAILS(dama_reference_cache_open(NULL, path, policy), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_reference_cache_open(&cache, NULL, policy), DAMA_INVALID_ARGUMENT, "path is NULL");
    CHECK_FAILS(dama_reference_cache_open(&cache, "/nowhere.jsonl", NULL), DAMA_IO, "/nowhere.jsonl");
    CHECK_FAILS(dama_reference_cache_open(&cache, image_path, NULL), DAMA_MODEL, "line 1");
    CHECK(cache == NULL);
    CHECK(dama_reference_cache_open(&cache, path, policy) == DAMA_OK);
    CHECK(dama_reference_cache_count(cache) == expected && dama_reference_cache_count(NULL) == 0);

    dama_logps *computed = NULL, *stored = NULL;
    CHECK(dama_policy_logps(&computed, policy, pairs, 3, NULL) == DAMA_OK);
    CHECK(dama_reference_cache_logps(&stored, cache, pairs, 3) == DAMA_OK);
    CHECK(dama_logps_count(stored) == 3);
    for (size_t i = 0; i < 3; i++) {
        compare(computed, stored, i, DAMA_CHOSEN);
        compare(computed, stored, i, DAMA_REJECTED);
    }
    dama_logps_free(computed);
    dama_logps_free(stored);

    int32_t contains = 9;
    dama_preference_pair other = pairs[1];
    CHECK(dama_reference_cache_contains(cache, &other, &contains) == DAMA_OK && contains == 1);
    other.rejected = "Seven!";
    CHECK(dama_reference_cache_contains(cache, &other, &contains) == DAMA_OK && contains == 0);
    other.image = NULL;
    CHECK(dama_reference_cache_contains(cache, &other, &contains) == DAMA_OK && contains == 0);
    dama_preference_pair two[2] = {pairs[0], other};
    stored = NULL;
    CHECK_FAILS(dama_reference_cache_logps(&stored, cache, two, 2), DAMA_INVALID_ARGUMENT, "pair 1: ");
    CHECK_FAILS(dama_reference_cache_logps(&stored, cache, two, 0), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_FAILS(dama_reference_cache_logps(&stored, NULL, two, 1), DAMA_INVALID_ARGUMENT, "cache is NULL");
    CHECK_FAILS(dama_reference_cache_logps(NULL, cache, two, 1), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_reference_cache_contains(cache, NULL, &contains), DAMA_INVALID_ARGUMENT, "pair is NULL");
    CHECK_FAILS(dama_reference_cache_contains(cache, two, NULL), DAMA_INVALID_ARGUMENT, "contains is NULL");
    const uint8_t rgb[3] = {1, 2, 3};
    const dama_image pixels = {NULL, NULL, 0, rgb, 1, 1}, nowhere = {"/nowhere.png", NULL, 0, NULL, 0, 0};
    other.image = &pixels;
    CHECK_FAILS(dama_reference_cache_contains(cache, &other, &contains), DAMA_INVALID_ARGUMENT, "pixels");
    other.image = &nowhere;
    CHECK_FAILS(dama_reference_cache_contains(cache, &other, &contains), DAMA_IO, "/nowhere.png");
    CHECK(stored == NULL);
    dama_reference_cache_free(cache);
    dama_reference_cache_free(NULL);
}

int main(void) {
    /* A small model with random weights, and an image in the same folder. */
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "set DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    char folder[] = "/tmp/dama-abi-XXXXXX", data[64], output[64], command[64], model[4096];
    snprintf(model, sizeof model, "%s/default", fixtures);
    snprintf(image_path, sizeof image_path, "%s/image.png", fixtures);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s/pairs.jsonl", folder);
    snprintf(output, sizeof output, "%s/reference.jsonl", folder);
    write_rows(data);
    dama_policy *policy = NULL, *padding = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    if (!policy) return 1;

    dama_reference_dataset_options options;
    dama_reference_dataset_options_init(NULL);
    dama_reference_dataset_options_init(&options);
    CHECK(options.block_rows == 8 && options.max_rejected == -1 && options.format == DAMA_REFERENCE_FULL);
    const char *fields[] = {"question=asked"};
    options.data = data;
    options.output = output;
    options.image_root = fixtures;
    options.fields = fields;
    options.field_count = 1;
    options.block_rows = 2;
    bad_options(policy, &options);

    /* Stopped by the callback with its own status, and resumed. */
    dama_reference_dataset_result result;
    dama_reference_dataset_result_init(NULL);
    dama_reference_dataset_result_init(&result);
    dama_status wanted = DAMA_CANCELLED;
    options.progress = stop;
    options.user = &wanted;
    options.restart = 1;
    CHECK_FAILS(dama_reference_dataset(policy, &options, &result, NULL), DAMA_CANCELLED, "callback");
    wanted = DAMA_IO;
    options.restart = 0;
    CHECK_FAILS(dama_reference_dataset(policy, &options, &result, NULL), DAMA_IO, "callback");
    CHECK(result.rows == 0);
    int user = 7;
    options.progress = count;
    options.user = &user;
    CHECK(dama_reference_dataset(policy, &options, &result, NULL) == DAMA_OK);
    CHECK(calls >= 3 && !result.was_complete);
    CHECK(result.rows == 4 && result.rows_rejected == 1 && result.rows_cut == 0);
    CHECK(dama_reference_dataset(policy, &options, &result, NULL) == DAMA_OK && result.was_complete);
    use_cache(policy, output, 3);

    /* The other format of the same numbers; then a policy with other image processing, which the message names. */
    options.format = DAMA_REFERENCE_LOGPS;
    CHECK_FAILS(dama_reference_dataset(policy, &options, NULL, NULL), DAMA_INVALID_ARGUMENT,
                "line \"full\" instead of \"logps\"");
    options.restart = 1;
    CHECK(dama_reference_dataset(policy, &options, NULL, NULL) == DAMA_OK);
    use_cache(policy, output, 3);
    dama_policy_options pad;
    dama_policy_options_init(&pad);
    pad.image_mode = DAMA_IMAGE_MODE_PAD;
    CHECK(dama_policy_create(&padding, model, &pad) == DAMA_OK);
    dama_reference_cache *cache = NULL;
    CHECK_FAILS(dama_reference_cache_open(&cache, output, padding), DAMA_INVALID_ARGUMENT, "image_processing");
    CHECK(dama_reference_cache_open(&cache, output, NULL) == DAMA_OK);
    dama_reference_cache_free(cache);

    dama_policy_free(padding);
    dama_policy_free(policy);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
