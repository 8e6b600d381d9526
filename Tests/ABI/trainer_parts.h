/* What the tests of the trainer have in common. */
#ifndef TRAINER_PARTS_H
#define TRAINER_PARTS_H

#include <dama.h>
#include <stdlib.h>

#include "check.h"

/* The small LLaVA of Tests/DamaModelsTests/Fixtures/make_llava.py; the run script names the folder. */
static char model[4096], png[4096];
static dama_image image;

enum { PAIRS = 5 };

static const char *const texts[PAIRS][3] = {
    {"What is in the image?", "A red circle is left of a blue star.", "There is a large green square at the top."},
    {"Describe it.", "Two dogs.", "A small green circle is at the top of the square."},
    {"What is in the image?", "A star.", "A circle."},
    {"Describe it.", "A large blue star is left of the green circle.", "Small dogs and a square."},
    {"What?", "A square is at the top.", "A red star is left of the two dogs."},
};

static inline void fill(dama_training_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        dama_training_pair_init(&pairs[i]);
        pairs[i].pair.image = &image;
        pairs[i].pair.prompt = texts[i % PAIRS][0];
        pairs[i].pair.chosen = texts[i % PAIRS][1];
        pairs[i].pair.rejected = texts[i % PAIRS][2];
        pairs[i].alpha_data = 0.8 + 0.1 * (double)(i % PAIRS);
    }
}

static inline dama_policy *open_policy(void) {
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    return policy;
}

static inline dama_adaptive_beta *make_controller(void) {
    dama_adaptive_beta_options options;
    dama_adaptive_beta *controller = NULL;
    dama_adaptive_beta_options_init(&options, DAMA_PRESET_PAPER);
    options.beta = 0.5;
    options.keep = 3;
    CHECK(dama_adaptive_beta_create(&controller, &options) == DAMA_OK);
    return controller;
}

/* A trainer with a large learning rate, whose batches need several runs. */
static inline dama_trainer *make_trainer(const dama_policy *policy) {
    dama_trainer_options options;
    dama_trainer *trainer = NULL;
    dama_adaptive_beta *controller = make_controller();
    dama_trainer_options_init(&options);
    options.learning_rate = 2e-3;
    options.weight_decay = 0.01;
    options.tokens_per_run = 200;
    CHECK(dama_trainer_create(&trainer, policy, policy, controller, &options) == DAMA_OK);
    dama_adaptive_beta_free(controller);
    return trainer;
}

/* All values of a trainer in one array. */
static inline float *values_of(const dama_trainer *trainer, size_t *bytes) {
    size_t count = 0;
    float *values = NULL;
    for (size_t i = 0; i < dama_trainer_parameter_count(trainer); i++) {
        dama_parameter parameter;
        dama_parameter_init(&parameter);
        CHECK(dama_trainer_parameter_at(trainer, i, &parameter) == DAMA_OK);
        float *longer = (float *)realloc(values, (count + parameter.count) * sizeof *values);
        if (!longer) {
            abort();
        }
        values = longer;
        memcpy(values + count, parameter.value, parameter.count * sizeof *values);
        count += parameter.count;
    }
    *bytes = count * sizeof *values;
    return values;
}

static inline int same_values(const dama_trainer *trainer, const float *values, size_t bytes) {
    size_t others = 0;
    float *found = values_of(trainer, &others);
    const int same = others == bytes && memcmp(found, values, bytes) == 0;
    free(found);
    return same;
}

static inline double running_mean(const dama_trainer *trainer) {
    dama_trainer_facts facts;
    dama_trainer_facts_init(&facts);
    CHECK(dama_trainer_describe(trainer, &facts) == DAMA_OK);
    return facts.running_mean;
}

/* Finds the model, opens it and runs the tests; the exit status. */
static inline int test_trainer(void (*tests)(const dama_policy *)) {
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "DAMA_LLAVA_FIXTURES is not set\n");
        return 1;
    }
    snprintf(model, sizeof model, "%s/default", fixtures);
    snprintf(png, sizeof png, "%s/image.png", fixtures);
    image.path = png;
    dama_policy *policy = open_policy();
    if (policy) {
        tests(policy);
    }
    dama_policy_free(policy);
    return check_failures != 0;
}

#endif
