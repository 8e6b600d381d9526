/*
 * Training a LLaVA on preference pairs from C: low-rank matrices, adaptive beta, a few steps.
 *
 *     cc -std=c99 train.c $(pkg-config --cflags --libs dama) -lm -o train
 *     ./train MODEL_DIR IMAGE_FOLDER EXPORT_DIR
 *
 * example arguments: models/shapes-llava examples/data/shapes/images OUTPUT/trained
 */
#include <dama.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAIRS = 3, STEPS = 4 };

/* Image, question, chosen and rejected response; dama_score_dataset() computes α_D for a dataset. */
static const struct {
    const char *image, *question, *chosen, *rejected;
    double alpha_data;
} rows[PAIRS] = {
    {"00000.jpg", "What is in this image?",
     "A yellow ring is below a black star. There is a large green square at the centre.",
     "I see a small blue circle at the top left. At the centre there is a large purple square.", 1.1},
    {"00001.jpg", "Please describe this picture.",
     "A large black triangle is at the top right. The top middle shows a large white ring.",
     "There is a large white ring at the middle right. The top left shows a large green ring.", 0.9},
    {"00003.jpg", "Please describe this picture.",
     "I see a large red triangle at the bottom middle. There is a large red ring at the bottom left.",
     "I see a large red triangle at the bottom right. The top middle shows a large red ring.", 1.0},
};

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s MODEL_DIR IMAGE_FOLDER EXPORT_DIR\n", arguments[0]);
        return 2;
    }
    dama_image images[PAIRS] = {{NULL, NULL, 0, NULL, 0, 0}};
    char paths[PAIRS][4096];
    dama_training_pair pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", arguments[2], rows[i].image);
        images[i].path = paths[i];
        dama_training_pair_init(&pairs[i]);
        pairs[i].pair.image = &images[i];
        pairs[i].pair.prompt = rows[i].question;
        pairs[i].pair.chosen = rows[i].chosen;
        pairs[i].pair.rejected = rows[i].rejected;
        pairs[i].alpha_data = rows[i].alpha_data;
    }

    dama_policy *policy = NULL;
    check(dama_policy_create(&policy, arguments[1], NULL));
    dama_trainer_options options;
    dama_trainer_options_init(&options);
    options.trainable = DAMA_TRAINABLE_LORA;
    options.learning_rate = 1e-3;
    dama_trainer *trainer = NULL;
    /* The policy is its own reference, because its weights do not change. NULL: the paper's adaptive beta. */
    check(dama_trainer_create(&trainer, policy, policy, NULL, &options));
    dama_policy_free(policy);

    printf("step    loss  beta from    to  kept  accuracy  gradient norm  seconds\n");
    for (int step = 0; step < STEPS; step++) {
        dama_step_metrics it;
        dama_step_metrics_init(&it);
        check(dama_trainer_step(trainer, pairs, PAIRS, &it, NULL));
        printf("%4d  %6.4f  %9.4f  %.4f  %2zu/%zu  %8.2f  %13.4f  %7.2f\n", (int)it.step, it.loss, it.beta_min,
               it.beta_max, it.kept, it.pairs, it.accuracy, it.gradient_norm,
               it.seconds_prepare + it.seconds_reference + it.seconds_forward + it.seconds_backward + it.seconds_update);
    }
    check(dama_trainer_export(trainer, arguments[3], NULL));
    printf("%s is a Hugging Face directory\n", arguments[3]);
    dama_trainer_free(trainer);
    return 0;
}
