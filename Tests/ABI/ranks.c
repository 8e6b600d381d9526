#define _POSIX_C_SOURCE 200809L
#include <dama.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "check.h"

/* Two ranks are two threads, and the sums between them. */
static char model[4096], png[4096];
static pthread_barrier_t barrier;

enum { RANKS = 2, PAIRS = 3 };

static const void *given[RANKS];

typedef struct rank {
    unsigned number;
    unsigned pairs;
    dama_status failing;
    dama_status status;
    char message[512];
    dama_step_metrics metrics;
    float value;
} rank;

/* The barrier stands before the sum, after it, and after its results are in place. */
static dama_status sum(void *numbers, size_t count, dama_sum_type type, int64_t device, void *user) {
    const rank *own = (const rank *)user;
    if (own->failing != DAMA_OK) return own->failing;
    CHECK(device == -1);
    given[own->number] = numbers;
    const size_t size = type == DAMA_SUM_FLOAT64 ? sizeof(double) : sizeof(float);
    void *sums = malloc(count * size + 1);
    if (!sums) abort();
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < count; i++) {
        if (type == DAMA_SUM_FLOAT64)
            ((double *)sums)[i] = ((const double *)given[0])[i] + ((const double *)given[1])[i];
        else
            ((float *)sums)[i] = ((const float *)given[0])[i] + ((const float *)given[1])[i];
    }
    pthread_barrier_wait(&barrier);
    memcpy(numbers, sums, count * size);
    pthread_barrier_wait(&barrier);
    free(sums);
    return DAMA_OK;
}

static void fill(dama_training_pair *pairs, const dama_image *image, size_t first, size_t step, size_t count) {
    static const char *const texts[PAIRS][2] = {
        {"A red circle is left of a blue star.", "There is a large green square at the top."},
        {"Two dogs.", "A small green circle is at the top of the square."},
        {"A star.", "A circle."},
    };
    for (size_t i = 0; i < count; i++) {
        dama_training_pair_init(&pairs[i]);
        pairs[i].pair.image = image;
        pairs[i].pair.prompt = "What is in the image?";
        pairs[i].pair.chosen = texts[(first + i * step) % PAIRS][0];
        pairs[i].pair.rejected = texts[(first + i * step) % PAIRS][1];
    }
}

/* A step over pairs first, first + step, … */
static void train(rank *own, const dama_ranks *ranks, size_t first, size_t step, size_t count) {
    dama_image image;
    memset(&image, 0, sizeof image);
    image.path = png;
    dama_policy *policy = NULL;
    dama_trainer *trainer = NULL;
    dama_adaptive_beta *controller = NULL;
    dama_adaptive_beta_options method;
    dama_adaptive_beta_options_init(&method, DAMA_PRESET_PAPER);
    method.keep = 2;
    dama_trainer_options options;
    dama_trainer_options_init(&options);
    options.trainable = DAMA_TRAINABLE_PROJECTOR;
    options.learning_rate = 1e-3;
    options.epsilon = 1e-4;
    options.ranks = ranks;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    CHECK(dama_adaptive_beta_create(&controller, &method) == DAMA_OK);
    CHECK(dama_trainer_create(&trainer, policy, policy, controller, &options) == DAMA_OK);
    dama_training_pair pairs[PAIRS];
    fill(pairs, &image, first, step, count);
    dama_step_metrics_init(&own->metrics);
    own->status = dama_trainer_step(trainer, pairs, count, &own->metrics, NULL);
    snprintf(own->message, sizeof own->message, "%s", dama_error_message());
    dama_parameter parameter;
    dama_parameter_init(&parameter);
    CHECK(dama_trainer_parameter_at(trainer, 0, &parameter) == DAMA_OK);
    own->value = parameter.value[0];
    dama_trainer_free(trainer);
    dama_adaptive_beta_free(controller);
    dama_policy_free(policy);
}

static void *run(void *argument) {
    rank *own = (rank *)argument;
    dama_ranks ranks;
    dama_ranks_init(&ranks);
    CHECK(ranks.count == 1 && ranks.rank == 0 && !ranks.sum);
    ranks.rank = own->number;
    ranks.count = RANKS;
    ranks.sum = sum;
    ranks.user = own;
    train(own, &ranks, own->number, RANKS, own->pairs);
    return NULL;
}

static void run_all(rank *all) {
    pthread_t threads[RANKS];
    for (unsigned i = 0; i < RANKS; i++) {
        all[i].number = i;
        CHECK(pthread_create(&threads[i], NULL, run, &all[i]) == 0);
    }
    for (unsigned i = 0; i < RANKS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

static void bad(const dama_policy *policy) {
    dama_ranks ranks;
    dama_trainer *trainer = NULL;
    dama_trainer_options options;
    dama_trainer_options_init(&options);
    options.ranks = &ranks;
    dama_ranks_init(NULL);
    dama_ranks_init(&ranks);
    ranks.count = 2;
    CHECK_FAILS(dama_trainer_create(&trainer, policy, policy, NULL, &options), DAMA_INVALID_ARGUMENT, "sum is NULL");
    ranks.sum = sum;
    ranks.rank = 2;
    CHECK_FAILS(dama_trainer_create(&trainer, policy, policy, NULL, &options), DAMA_INVALID_ARGUMENT,
                "the rank is 2 of 2");
    ranks.rank = 0;
    ranks.count = 0;
    CHECK_FAILS(dama_trainer_create(&trainer, policy, policy, NULL, &options), DAMA_INVALID_ARGUMENT,
                "there are 0 ranks");
    ranks.struct_size = 3;
    CHECK_FAILS(dama_trainer_create(&trainer, policy, policy, NULL, &options), DAMA_INVALID_ARGUMENT,
                "dama_ranks_init()");
    dama_train_yaml_options yaml;
    dama_train_yaml_options_init(&yaml);
    yaml.ranks = &ranks;
    CHECK_FAILS(dama_train_yaml("model: none\ndata: none\nout: none\n", NULL, 0, &yaml, NULL, NULL),
                DAMA_INVALID_ARGUMENT, "dama_ranks_init()");
}

int main(void) {
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "set DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    snprintf(model, sizeof model, "%s/default", fixtures);
    snprintf(png, sizeof png, "%s/image.png", fixtures);
    CHECK(pthread_barrier_init(&barrier, NULL, RANKS) == 0);

    rank one, ranks[RANKS];
    memset(&one, 0, sizeof one);
    train(&one, NULL, 0, 1, PAIRS);
    CHECK(one.status == DAMA_OK && one.metrics.updated && one.metrics.kept == 2);

    /* Three pairs: two on the first rank, one on the second. */
    memset(ranks, 0, sizeof ranks);
    ranks[0].pairs = 2;
    ranks[1].pairs = 1;
    run_all(ranks);
    for (int i = 0; i < RANKS; i++) {
        CHECK(ranks[i].status == DAMA_OK && ranks[i].metrics.updated);
        CHECK(ranks[i].metrics.pairs == PAIRS && ranks[i].metrics.kept == 2);
        CHECK(ranks[i].metrics.tokens == one.metrics.tokens);
        /* Sums of single precision in another order. */
        CHECK(fabs(ranks[i].metrics.loss - one.metrics.loss) < 1e-6);
        CHECK(fabs(ranks[i].metrics.gradient_norm - one.metrics.gradient_norm) < 1e-5 * one.metrics.gradient_norm);
        CHECK(fabsf(ranks[i].value - one.value) < 1e-6f);
    }

    /* Another share is an error on both ranks. */
    memset(ranks, 0, sizeof ranks);
    ranks[0].pairs = ranks[1].pairs = 1;
    ranks[0].pairs = 3;
    run_all(ranks);
    for (int i = 0; i < RANKS; i++) {
        CHECK(ranks[i].status == DAMA_SHAPE_MISMATCH);
        CHECK(strstr(ranks[i].message, "rank 0 brings 3 of the 4 pairs of the batch; its share of them is 2"));
    }

    /* A sum that fails stops the step with its status. */
    memset(ranks, 0, sizeof ranks);
    for (int i = 0; i < RANKS; i++) {
        ranks[i].pairs = 1;
        ranks[i].failing = DAMA_IO;
    }
    run_all(ranks);
    for (int i = 0; i < RANKS; i++) CHECK(ranks[i].status == DAMA_IO && !ranks[i].metrics.updated);

    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    bad(policy);
    dama_policy_free(policy);
    pthread_barrier_destroy(&barrier);
    return check_failures != 0;
}
