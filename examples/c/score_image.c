/*
 * CLIP scores of an image with sentences, and the hardness of the pair of sentences, from C.
 *
 *     cc -std=c99 score_image.c $(pkg-config --cflags --libs dama) -lm -o score_image
 *     ./score_image MODEL_DIR IMAGE [CHOSEN REJECTED]
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
    if (count != 3 && count != 5) {
        fprintf(stderr, "usage: %s MODEL_DIR IMAGE [CHOSEN REJECTED]\n", arguments[0]);
        return 2;
    }
    const char *sentences[] = {"There is a red circle.", "There is a dog."};
    if (count == 5) {
        sentences[0] = arguments[3];
        sentences[1] = arguments[4];
    }

    dama_scorer_options options;
    dama_scorer_options_init(&options);
    options.long_texts = DAMA_LONG_TEXTS_CUT;
    dama_scorer *scorer = NULL;
    check(dama_scorer_create(&scorer, arguments[1], &options));

    dama_image image = {NULL, NULL, 0, NULL, 0, 0};
    image.path = arguments[2];
    float scores[2];
    check(dama_scorer_score(scorer, &image, sentences, 2, scores, NULL));
    for (int i = 0; i < 2; i++) {
        printf("%8.3f  %s\n", scores[i], sentences[i]);
    }
    double delta = 0;
    check(dama_hardness(&scores[0], 1, &scores[1], 1, &delta));
    printf("delta %.4f\n", delta);
    dama_scorer_free(scorer);
    return 0;
}
