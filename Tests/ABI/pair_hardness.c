/* Hardness of one pair: its numbers against those of transformers in expected.json, and its sub-sentences. */
#include <dama.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

static const char chosen[] = "A dog. There is", rejected[] = "x";
/* The values for tall.png in expected.json. */
static const double expected[] = {3.1307373046875, -3.0854315757751465, 4.133059501647949};

static void built_in(const dama_scorer *scorer, const dama_image *image) {
    const double sum = exp(expected[0]) + exp(expected[1]) + exp(expected[2]);
    const double hardness = (exp(expected[0]) + exp(expected[1]) - exp(expected[2])) / sum;
    dama_scored_pair *pair = NULL;
    double delta = NAN, again = NAN, alone = NAN;
    CHECK(dama_scorer_hardness(&pair, scorer, image, chosen, rejected, NULL, &delta, NULL) == DAMA_OK);
    /* Logits are within 2e-3 of transformers', as in scorer.c; δ changes at most half as much as one of them. */
    CHECK(fabs(delta - hardness) < 2e-3);
    CHECK(dama_scored_pair_count(pair, DAMA_CHOSEN) == 2 && dama_scored_pair_count(pair, DAMA_REJECTED) == 1);
    CHECK(dama_strings_count(dama_scored_pair_flags(pair, DAMA_CHOSEN)) == 0);
    static const char *const texts[] = {"A dog.", "There is", "x"};
    float scores[3];
    double total = 0;
    for (size_t i = 0; i < 3; i++) {
        dama_scored_sentence sentence;
        CHECK(dama_scored_pair_at(pair, i < 2 ? DAMA_CHOSEN : DAMA_REJECTED, i % 2, &sentence) == DAMA_OK);
        CHECK(strcmp(sentence.text, texts[i]) == 0 && fabs(sentence.score - expected[i]) < 2e-3);
        CHECK(fabs(sentence.probability - exp(expected[i]) / sum) < 2e-3);
        scores[i] = sentence.score;
        total += sentence.probability;
    }
    CHECK(fabs(total - 1) < 1e-12);
    CHECK(dama_hardness(scores, 2, scores + 2, 1, &again) == DAMA_OK && again == delta);
    CHECK(dama_scorer_hardness(NULL, scorer, image, chosen, rejected, NULL, &alone, NULL) == DAMA_OK && alone == delta);

    dama_hardness_options options;
    dama_hardness_options_init(NULL);
    dama_hardness_options_init(&options);
    CHECK(options.struct_size == sizeof options && options.splitter == NULL);
    options.delta_source = DAMA_DELTA_FROM_SCORES;
    CHECK(dama_scorer_hardness(NULL, scorer, image, chosen, rejected, &options, &delta, NULL) == DAMA_OK);
    CHECK(fabs(delta - (expected[0] + expected[1]) / expected[2]) < 2e-3);
    options.delta_source = (dama_delta_source)7;
    CHECK_FAILS(dama_scorer_hardness(NULL, scorer, image, chosen, rejected, &options, &delta, NULL),
                DAMA_INVALID_ARGUMENT, "delta_source 7");

    dama_scored_sentence sentence;
    CHECK_FAILS(dama_scored_pair_at(NULL, DAMA_CHOSEN, 0, &sentence), DAMA_INVALID_ARGUMENT, "pair is NULL");
    CHECK_FAILS(dama_scored_pair_at(pair, DAMA_CHOSEN, 0, NULL), DAMA_INVALID_ARGUMENT, "sentence is NULL");
    CHECK_FAILS(dama_scored_pair_at(pair, DAMA_CHOSEN, 2, &sentence), DAMA_INVALID_ARGUMENT, "sub-sentence 2 is beyond");
    CHECK_FAILS(dama_scored_pair_at(pair, (dama_response)2, 0, &sentence), DAMA_INVALID_ARGUMENT, "response 2");
    CHECK(dama_scored_pair_count(NULL, DAMA_CHOSEN) == 0 && dama_scored_pair_count(pair, (dama_response)2) == 0);
    CHECK(dama_scored_pair_flags(NULL, DAMA_CHOSEN) == NULL);
    dama_scored_pair_free(pair);
    dama_scored_pair_free(NULL);
}

static void refused(const dama_scorer *scorer, const dama_image *image) {
    dama_scored_pair *pair = NULL;
    double delta = 7;
    dama_image nowhere = {NULL, NULL, 0, NULL, 0, 0};
    nowhere.path = "/nowhere.png";
#define FAILS(status, text, scorer, image, chosen, rejected, delta) \
    CHECK_FAILS(dama_scorer_hardness(&pair, scorer, image, chosen, rejected, NULL, delta, NULL), status, text)
    FAILS(DAMA_INVALID_ARGUMENT, "scorer is NULL", NULL, image, chosen, rejected, &delta);
    FAILS(DAMA_INVALID_ARGUMENT, "image is NULL", scorer, NULL, chosen, rejected, &delta);
    FAILS(DAMA_INVALID_ARGUMENT, "chosen is NULL", scorer, image, NULL, rejected, &delta);
    FAILS(DAMA_INVALID_ARGUMENT, "rejected is NULL", scorer, image, chosen, NULL, &delta);
    FAILS(DAMA_INVALID_ARGUMENT, "delta is NULL", scorer, image, chosen, rejected, NULL);
    FAILS(DAMA_INVALID_ARGUMENT, "the rejected response has no words", scorer, image, chosen, " ", &delta);
    FAILS(DAMA_IO, "/nowhere.png", scorer, &nowhere, chosen, rejected, &delta);
#undef FAILS
    CHECK(pair == NULL && delta == 7);
}

static void other_splitters(const dama_scorer *scorer, const dama_image *image) {
    dama_hardness_options options;
    dama_hardness_options_init(&options);
    dama_splitter *splitter = NULL;
    dama_scored_pair *pair = NULL;
    double delta = 0;
    /* It returns each response unchanged, which is a valid answer for one of them. */
    CHECK(dama_splitter_create_command(&splitter, "cat", NULL) == DAMA_OK);
    options.splitter = splitter;
    CHECK(dama_scorer_hardness(&pair, scorer, image, "Two dogs sleep. A cat sits.", "Three birds sing.", &options, &delta,
                               NULL) == DAMA_OK);
    CHECK(dama_scored_pair_count(pair, DAMA_CHOSEN) == 2 && dama_scored_pair_count(pair, DAMA_REJECTED) == 1);
    const dama_strings *flags = dama_scored_pair_flags(pair, DAMA_CHOSEN);
    CHECK(dama_strings_count(flags) == 2 && strcmp(dama_strings_at(flags, 0), "splitter_fallback") == 0);
    CHECK(strcmp(dama_strings_at(flags, 1), "splitter_undivided") == 0);
    CHECK(dama_strings_count(dama_scored_pair_flags(pair, DAMA_REJECTED)) == 0);
    dama_scored_pair_free(pair);
    dama_splitter_free(splitter);

    CHECK(dama_splitter_create_command(&splitter, "exit 3", NULL) == DAMA_OK);
    options.splitter = splitter;
    CHECK_FAILS(dama_scorer_hardness(NULL, scorer, image, chosen, rejected, &options, &delta, NULL), DAMA_IO, "status 3");
    dama_splitter_free(splitter);
}

static void batch(const dama_scorer *scorer, const dama_image *image) {
    dama_image nowhere = {NULL, NULL, 0, NULL, 0, 0};
    nowhere.path = "/nowhere.png";
    const dama_response_pair pairs[] = {{image, chosen, rejected}, {&nowhere, chosen, rejected}, {image, " ", rejected}};
    dama_scored_pairs *found = NULL;
    dama_pair_outcome outcome;
    double delta = NAN;
    CHECK(dama_scorer_hardness(NULL, scorer, image, chosen, rejected, NULL, &delta, NULL) == DAMA_OK);
    CHECK(dama_scorer_hardness_batch(&found, scorer, pairs, 3, NULL, NULL) == DAMA_OK);
    CHECK(dama_scored_pairs_count(found) == 3);
    CHECK(dama_scored_pairs_at(found, 0, &outcome) == DAMA_OK);
    /* Alone in its batch, as the pair by itself: the others have no sub-sentences or no image. */
    CHECK(outcome.status == DAMA_OK && outcome.delta == delta && outcome.message == NULL && outcome.reserved == 0);
    CHECK(dama_scored_pair_count(outcome.pair, DAMA_CHOSEN) == 2);
    CHECK(dama_strings_count(dama_scored_pair_flags(outcome.pair, DAMA_REJECTED)) == 0);
    CHECK(dama_scored_pairs_at(found, 1, &outcome) == DAMA_OK);
    CHECK(outcome.status == DAMA_IO && isnan(outcome.delta) && outcome.pair == NULL);
    CHECK(strstr(outcome.message, "/nowhere.png") != NULL);
    CHECK(dama_scored_pairs_at(found, 2, &outcome) == DAMA_OK);
    CHECK(outcome.status == DAMA_INVALID_ARGUMENT && strstr(outcome.message, "has no words") != NULL);
    CHECK_FAILS(dama_scored_pairs_at(found, 3, &outcome), DAMA_INVALID_ARGUMENT, "pair 3 is beyond");
    CHECK_FAILS(dama_scored_pairs_at(found, 0, NULL), DAMA_INVALID_ARGUMENT, "outcome is NULL");
    CHECK_FAILS(dama_scored_pairs_at(NULL, 0, &outcome), DAMA_INVALID_ARGUMENT, "pairs is NULL");
    dama_scored_pairs_free(found);
    dama_scored_pairs_free(NULL);
    CHECK(dama_scored_pairs_count(NULL) == 0);
    found = NULL;
    CHECK(dama_scorer_hardness_batch(&found, scorer, NULL, 0, NULL, NULL) == DAMA_OK);
    CHECK(dama_scored_pairs_count(found) == 0);
    dama_scored_pairs_free(found);
    found = NULL;
    CHECK_FAILS(dama_scorer_hardness_batch(NULL, scorer, pairs, 3, NULL, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_scorer_hardness_batch(&found, scorer, NULL, 1, NULL, NULL), DAMA_INVALID_ARGUMENT, "pairs is NULL");
    const dama_response_pair bad[] = {{image, chosen, rejected}, {image, chosen, NULL}};
    CHECK_FAILS(dama_scorer_hardness_batch(&found, scorer, bad, 2, NULL, NULL), DAMA_INVALID_ARGUMENT,
                "pair 1: rejected is NULL");
    dama_cancellation *cancellation = NULL;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    dama_cancellation_cancel(cancellation);
    CHECK_FAILS(dama_scorer_hardness_batch(&found, scorer, pairs, 3, NULL, cancellation), DAMA_CANCELLED, "stopped");
    dama_cancellation_free(cancellation);
    CHECK(found == NULL);
}

int main(void) {
    const char *fixtures = getenv("DAMA_CLIP_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "DAMA_CLIP_FIXTURES is not set\n");
        return 1;
    }
    char path[4096];
    dama_scorer *scorer = NULL;
    snprintf(path, sizeof path, "%s/legacy", fixtures);
    CHECK(dama_scorer_create(&scorer, path, NULL) == DAMA_OK);
    if (!scorer) {
        return 1;
    }
    dama_image image = {NULL, NULL, 0, NULL, 0, 0};
    snprintf(path, sizeof path, "%s/tall.png", fixtures);
    image.path = path;
    built_in(scorer, &image);
    refused(scorer, &image);
    other_splitters(scorer, &image);
    batch(scorer, &image);
    dama_scorer_free(scorer);
    return check_failures != 0;
}
