/*
 * Hardness of a dataset of preference pairs, from C.
 *
 *     cc -std=c99 score_dataset.c $(pkg-config --cflags --libs dama) -o score_dataset
 *     ./score_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl
 *
 * After Ctrl-C, the same command resumes.
 * example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/scores.jsonl
 */
#include <dama.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t interrupted = 0;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

static dama_status show(const dama_progress *progress, void *user) {
    (void)user;
    if (progress->phase == DAMA_PHASE_COMPUTING)
        fprintf(stderr, "\r%llu/%llu rows, %llu rejected", (unsigned long long)progress->rows_done,
                (unsigned long long)progress->rows_total, (unsigned long long)progress->rows_rejected);
    return interrupted ? DAMA_CANCELLED : DAMA_OK;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl\n", argv[0]);
        return 64;
    }
    dama_scorer *scorer = NULL;
    check(dama_scorer_create(&scorer, argv[1], NULL));

    dama_score_dataset_options options;
    dama_score_dataset_options_init(&options);
    options.data = argv[2];
    options.image_root = argv[3];
    options.output = argv[4];
    options.progress = show;
    dama_score_dataset_result result;
    dama_score_dataset_result_init(&result);

    signal(SIGINT, on_interrupt);
    dama_status status = dama_score_dataset(scorer, &options, &result, NULL);
    fprintf(stderr, "\n");
    if (status == DAMA_CANCELLED) {
        fprintf(stderr, "stopped; the same command resumes\n");
    } else {
        check(status);
        printf("%llu of %llu rows scored, mean delta %.4f\n", (unsigned long long)result.rows_scored,
               (unsigned long long)result.rows, result.mean_delta);
    }
    dama_scorer_free(scorer);
    return status == DAMA_OK ? 0 : 1;
}
