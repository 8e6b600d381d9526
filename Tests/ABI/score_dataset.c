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
    CHECK(progress->struct_size == sizeof *progress);
    CHECK(progress->rows_done <= progress->rows_total || progress->phase == DAMA_PHASE_SCANNING);
    CHECK(*(int *)user == 7);
    calls++;
    return DAMA_OK;
}

static dama_status stop(const dama_progress *progress, void *user) {
    return progress->phase == DAMA_PHASE_COMPUTING && progress->rows_done >= 2 ? *(dama_status *)user : DAMA_OK;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (!file) return;
    fputs(text, file);
    fclose(file);
}

static long size_of(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

int main(void) {
    /* A small model with random weights, and two images in the same folder. */
    const char *images = getenv("DAMA_CLIP_FIXTURES");
    if (!images) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    char folder[] = "/tmp/dama-abi-XXXXXX", data[64], output[64], rejects[64], page[64], command[160], model[4096];
    snprintf(model, sizeof model, "%s/legacy", images);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s/pairs.jsonl", folder);
    snprintf(output, sizeof output, "%s/scores.jsonl", folder);
    snprintf(rejects, sizeof rejects, "%s/scores.rejects.jsonl", folder);
    snprintf(page, sizeof page, "%s/page.html", folder);
    write_text(data,
               "{\"idx\": 1, \"image\": \"wide.jpg\", \"good\": \"A red circle. A blue square.\", \"rejected\": \"A dog.\"}\n"
               "{\"idx\": 2, \"image\": \"tall.png\", \"good\": \"A red circle.\", \"rejected\": \"Two dogs. A cat.\"}\n"
               "{\"idx\": 3, \"image\": \"none.jpg\", \"good\": \"A red circle.\", \"rejected\": \"Two dogs. A cat.\"}\n"
               "{\"idx\": 4, \"image\": \"wide.jpg\", \"good\": \"A blue square.\", \"rejected\": \"Two dogs.\"}\n");

    dama_score_dataset_options options;
    dama_score_dataset_options_init(NULL);
    dama_score_dataset_options_init(&options);
    CHECK(options.block_rows == 32 && isnan(options.mean_delta) && options.max_rejected == -1);
    const char *fields[] = {"chosen=good"};
    options.data = data;
    options.output = output;
    options.image_root = images;
    options.fields = fields;
    options.field_count = 1;
    options.block_rows = 2;

    dama_score_dataset_result result;
    dama_score_dataset_result_init(NULL);
    dama_score_dataset_result_init(&result);
    CHECK_FAILS(dama_score_dataset(NULL, &options, &result, NULL), DAMA_INVALID_ARGUMENT, "scorer is NULL");

    dama_scorer *scorer = NULL;
    CHECK(dama_scorer_create(&scorer, model, NULL) == DAMA_OK);
    if (!scorer) return 1;
    CHECK_FAILS(dama_score_dataset(scorer, NULL, &result, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    dama_score_dataset_options bad = options;
    bad.struct_size = 3;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "struct_size");
    dama_score_dataset_result wrong = result;
    wrong.struct_size = 1;
    CHECK_FAILS(dama_score_dataset(scorer, &options, &wrong, NULL), DAMA_INVALID_ARGUMENT, "struct_size");
    bad = options;
    bad.data = NULL;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "data is NULL");
    bad = options;
    bad.output = NULL;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "output is NULL");
    bad = options;
    bad.fields = NULL;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "fields is NULL");
    bad = options;
    bad.field_count = (size_t)-1;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "size of fields");
    bad = options;
    bad.delta_source = (dama_delta_source)9;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "delta_source");
    bad = options;
    bad.mean_delta = INFINITY;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "mean_delta is inf");
    bad = options;
    bad.block_rows = 0;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "block");
    bad = options;
    bad.max_rejected = -2;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "max_rejected");
    bad = options;
    bad.row_limit = (size_t)-1;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "row");
    bad = options;
    bad.data = "/nowhere/pairs.jsonl";
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_IO, "/nowhere/pairs.jsonl");
    bad = options;
    bad.max_rejected = 0;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_MODEL, "rejected");

    bad = options;
    bad.report = output;
    CHECK_FAILS(dama_score_dataset(scorer, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "one of the job's results");

    /* Stopped by the callback with its own status, and resumed. */
    dama_status wanted = DAMA_CANCELLED;
    options.progress = stop;
    options.user = &wanted;
    options.restart = 1;
    CHECK_FAILS(dama_score_dataset(scorer, &options, &result, NULL), DAMA_CANCELLED, "callback");
    wanted = DAMA_IO;
    options.restart = 0;
    CHECK_FAILS(dama_score_dataset(scorer, &options, &result, NULL), DAMA_IO, "callback");
    CHECK(result.rows == 0 && size_of(output) < 0);

    int user = 7;
    options.progress = count;
    options.user = &user;
    CHECK(dama_score_dataset(scorer, &options, &result, NULL) == DAMA_OK);
    CHECK(calls >= 3);
    CHECK(result.rows == 4 && result.rows_scored == 3 && result.rows_rejected == 1 && !result.was_complete);
    CHECK(result.mean_delta >= -1 && result.mean_delta <= 1 && result.mean_delta == result.mean_delta_used);
    CHECK(size_of(output) > 0 && size_of(rejects) > 0);
    CHECK(dama_score_dataset(scorer, &options, &result, NULL) == DAMA_OK && result.was_complete);
    CHECK(options.report == NULL && size_of(page) < 0);
    options.report = page;
    CHECK(dama_score_dataset(scorer, &options, &result, NULL) == DAMA_OK && result.was_complete && size_of(page) > 1000);
    options.mean_delta = 0.25;
    CHECK_FAILS(dama_score_dataset(scorer, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "mean_delta");

    /* Two shards and their merge are the run above. */
    char whole[64], merged[64];
    snprintf(whole, sizeof whole, "%s/whole.jsonl", folder);
    snprintf(merged, sizeof merged, "%s/merged.jsonl", folder);
    options.mean_delta = NAN;
    options.cache_rows = 2;
    options.output = whole;
    CHECK(dama_score_dataset(scorer, &options, &result, NULL) == DAMA_OK);
    options.output = merged;
    options.shards = 2;
    dama_merge_scores_options merge;
    dama_merge_scores_options_init(NULL);
    dama_merge_scores_options_init(&merge);
    CHECK(merge.restart == 0 && merge.shard_count == 0);
    CHECK_FAILS(dama_merge_scores(NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    CHECK_FAILS(dama_merge_scores(&merge, NULL, NULL), DAMA_INVALID_ARGUMENT, "output is NULL");
    merge.output = merged;
    CHECK_FAILS(dama_merge_scores(&merge, NULL, NULL), DAMA_INVALID_ARGUMENT, "no shards");
    options.shard = 2;
    CHECK_FAILS(dama_score_dataset(scorer, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "shard is 2 of 2");
    options.shard = 1;
    CHECK(dama_score_dataset(scorer, &options, NULL, NULL) == DAMA_OK);
    CHECK_FAILS(dama_merge_scores(&merge, NULL, NULL), DAMA_INVALID_ARGUMENT, "missing: 0");
    options.shard = 0;
    CHECK(dama_score_dataset(scorer, &options, NULL, NULL) == DAMA_OK);
    dama_score_dataset_result joined;
    dama_score_dataset_result_init(&joined);
    merge.progress = count;
    merge.user = &user;
    calls = 0;
    CHECK(dama_merge_scores(&merge, &joined, NULL) == DAMA_OK && calls >= 3);
    CHECK(memcmp(&joined, &result, sizeof result) == 0);
    CHECK(size_of(merged) > 0 && size_of(merged) == size_of(whole));
    snprintf(command, sizeof command, "cmp %s %s", whole, merged);
    CHECK(system(command) == 0);
    CHECK(dama_merge_scores(&merge, &joined, NULL) == DAMA_OK && joined.was_complete);

    dama_scorer_free(scorer);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
