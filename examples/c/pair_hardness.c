/*
 * The hardness of one pair, and its sub-sentences, from C.
 *
 *     cc -std=c99 pair_hardness.c $(pkg-config --cflags --libs dama) -o pair_hardness
 *     ./pair_hardness MODEL_DIR IMAGE
 *
 * example arguments: Tests/DamaModelsTests/Fixtures/clip/legacy Tests/DamaModelsTests/Fixtures/clip/wide.jpg
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

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s MODEL_DIR IMAGE\n", arguments[0]);
        return 2;
    }
    dama_scorer *scorer = NULL;
    check(dama_scorer_create(&scorer, arguments[1], NULL));
    dama_image image = {0};
    image.path = arguments[2];

    /* The image is encoded once. With NULL as the first argument, the call returns only delta. */
    dama_scored_pair *pair = NULL;
    double delta = 0;
    check(dama_scorer_hardness(&pair, scorer, &image, "There is a red circle at the top. A square is below it.",
                               "There is a red circle at the top. A dog sits beside it.", NULL, &delta, NULL));
    printf("delta %.4f\n", delta);
    const dama_response responses[] = {DAMA_CHOSEN, DAMA_REJECTED};
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < dama_scored_pair_count(pair, responses[i]); j++) {
            dama_scored_sentence it;
            check(dama_scored_pair_at(pair, responses[i], j, &it));
            printf("%s %8.3f %.4f  %s\n", i == 0 ? "chosen  " : "rejected", it.score, it.probability, it.text);
        }
    }
    dama_scored_pair_free(pair);
    dama_scorer_free(scorer);
    return 0;
}
