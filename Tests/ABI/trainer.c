#define _POSIX_C_SOURCE 200809L
#include <dama.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

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

static void fill(dama_training_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        dama_training_pair_init(&pairs[i]);
        pairs[i].pair.image = &image;
        pairs[i].pair.prompt = texts[i % PAIRS][0];
        pairs[i].pair.chosen = texts[i % PAIRS][1];
        pairs[i].pair.rejected = texts[i % PAIRS][2];
        pairs[i].alpha_data = 0.8 + 0.1 * (double)(i % PAIRS);
    }
}

static dama_policy *open_policy(void) {
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    return policy;
}

static dama_adaptive_beta *make_controller(void) {
    dama_adaptive_beta_options options;
    dama_adaptive_beta *controller = NULL;
    dama_adaptive_beta_options_init(&options, DAMA_PRESET_PAPER);
    options.beta = 0.5;
    options.keep = 3;
    CHECK(dama_adaptive_beta_create(&controller, &options) == DAMA_OK);
    return controller;
}

/* A trainer with a large learning rate, whose batches need several runs. */
static dama_trainer *make_trainer(const dama_policy *policy) {
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
static float *values_of(const dama_trainer *trainer, size_t *bytes) {
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

static int same_values(const dama_trainer *trainer, const float *values, size_t bytes) {
    size_t others = 0;
    float *found = values_of(trainer, &others);
    const int same = others == bytes && memcmp(found, values, bytes) == 0;
    free(found);
    return same;
}

static double running_mean(const dama_trainer *trainer) {
    dama_trainer_facts facts;
    dama_trainer_facts_init(&facts);
    CHECK(dama_trainer_describe(trainer, &facts) == DAMA_OK);
    return facts.running_mean;
}

/* One step from its parts, with the caller's controller; returns loss and gradient norm. */
static void step_by_parts(dama_trainer *trainer, const dama_policy *reference, dama_adaptive_beta *controller,
                          double *loss, double *norm) {
    dama_training_pair training[PAIRS];
    dama_preference_pair pairs[PAIRS];
    double sums[4][PAIRS], alpha[PAIRS], grad_chosen[PAIRS], grad_rejected[PAIRS], before = 0;
    fill(training, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = training[i].pair;
        alpha[i] = training[i].alpha_data;
    }
    dama_logps *found = NULL;
    CHECK(dama_policy_logps(&found, reference, pairs, PAIRS, NULL) == DAMA_OK);
    CHECK(dama_logps_sums(found, DAMA_CHOSEN, sums[0], PAIRS) == DAMA_OK);
    CHECK(dama_logps_sums(found, DAMA_REJECTED, sums[1], PAIRS) == DAMA_OK);
    dama_logps_free(found);
    found = NULL;
    CHECK(dama_trainer_forward(&found, trainer, pairs, PAIRS, NULL) == DAMA_OK);
    CHECK(dama_logps_sums(found, DAMA_CHOSEN, sums[2], PAIRS) == DAMA_OK);
    CHECK(dama_logps_sums(found, DAMA_REJECTED, sums[3], PAIRS) == DAMA_OK);
    dama_logps_free(found);

    dama_preference_batch batch;
    dama_preference_batch_init(&batch);
    batch.count = PAIRS;
    batch.reference_chosen = sums[0];
    batch.reference_rejected = sums[1];
    batch.policy_chosen = sums[2];
    batch.policy_rejected = sums[3];
    batch.alpha_data = alpha;
    dama_preference_result result;
    dama_preference_result_init(&result);
    result.capacity = PAIRS;
    result.grad_chosen = grad_chosen;
    result.grad_rejected = grad_rejected;
    CHECK(dama_adaptive_beta_step(controller, &batch, &result) == DAMA_OK);
    *loss = result.loss;
    CHECK(dama_trainer_zero_grad(trainer) == DAMA_OK);
    CHECK(dama_trainer_backward(trainer, grad_chosen, grad_rejected, PAIRS, NULL) == DAMA_OK);
    CHECK(dama_trainer_gradient_norm(trainer, &before) == DAMA_OK);
    CHECK(dama_trainer_update(trainer, norm) == DAMA_OK && *norm == before && before > 0);
    CHECK(dama_adaptive_beta_commit(controller) == DAMA_OK);
}

/* The parts give the same result as the step, bit for bit. */
static void parts(const dama_policy *policy) {
    dama_trainer *whole = make_trainer(policy), *by_parts = make_trainer(policy);
    dama_adaptive_beta *controller = make_controller();
    dama_training_pair pairs[PAIRS];
    fill(pairs, PAIRS);
    size_t bytes = 0;
    float *start = values_of(whole, &bytes);
    for (int step = 1; step <= 3; step++) {
        dama_step_metrics metrics;
        double loss = 0, norm = 0;
        dama_step_metrics_init(&metrics);
        CHECK(dama_trainer_step(whole, pairs, PAIRS, &metrics, NULL) == DAMA_OK);
        step_by_parts(by_parts, policy, controller, &loss, &norm);
        CHECK(metrics.updated == 1 && metrics.step == (uint64_t)step && metrics.skipped == 0);
        CHECK(metrics.pairs == PAIRS && metrics.kept == 3 && metrics.tokens > 5 * 20);
        CHECK(metrics.loss == loss && metrics.gradient_norm == norm && metrics.learning_rate == 2e-3);
        CHECK(metrics.beta_min <= metrics.beta_mean && metrics.beta_mean <= metrics.beta_max && metrics.beta_min > 0);
        CHECK(metrics.running_mean == running_mean(whole));
        CHECK(isnan(metrics.gap_by_third[0]) && isnan(metrics.gap_by_third[2]));
        CHECK(metrics.seconds_prepare > 0 && metrics.seconds_reference > 0 && metrics.seconds_forward > 0);
        CHECK(metrics.seconds_backward > 0 && metrics.seconds_update > 0);
        /* In the first step the policy equals its reference: all losses are log 2. */
        CHECK(step > 1 || fabs(metrics.loss - log(2)) < 1e-3);
        float *values = values_of(whole, &bytes);
        CHECK(same_values(by_parts, values, bytes) && memcmp(values, start, bytes) != 0);
        free(values);
    }
    dama_adaptive_beta_facts facts;
    dama_adaptive_beta_facts_init(&facts);
    CHECK(dama_adaptive_beta_describe(controller, &facts) == DAMA_OK);
    const double mean = facts.running_mean;
    CHECK(mean != 0 && mean == running_mean(whole));
    /* The second trainer's own controller has not changed. */
    CHECK(running_mean(by_parts) == 0);

    dama_adaptive_beta *copy = NULL;
    CHECK(dama_trainer_controller(&copy, whole) == DAMA_OK);
    CHECK(dama_adaptive_beta_describe(copy, &facts) == DAMA_OK);
    CHECK(facts.steps == 3 && facts.running_mean == mean && facts.nonfinite_pairs == 0);
    /* A trainer continues from the given controller. */
    dama_trainer *next = NULL;
    CHECK(dama_trainer_create(&next, policy, policy, copy, NULL) == DAMA_OK && running_mean(next) == mean);
    dama_trainer_free(next);
    dama_adaptive_beta_free(copy);
    dama_adaptive_beta_free(controller);
    dama_trainer_free(whole);
    dama_trainer_free(by_parts);
    free(start);
}

/* Rounds add up; a pair with weight 0 adds nothing. */
static void rounds(const dama_policy *policy) {
    dama_trainer *trainer = make_trainer(policy);
    dama_training_pair training[PAIRS];
    dama_preference_pair pairs[PAIRS];
    const double chosen[PAIRS] = {-0.5, 0.25, 0, 1, -2}, rejected[PAIRS] = {0.5, 1, 0, -1, 0.125};
    dama_logps *logps = NULL;
    dama_parameter parameter;
    fill(training, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = training[i].pair;
    }
    CHECK_FAILS(dama_trainer_backward(trainer, chosen, rejected, PAIRS, NULL), DAMA_INVALID_ARGUMENT,
                "no forward run");
    CHECK(dama_trainer_forward(&logps, trainer, pairs, PAIRS, NULL) == DAMA_OK);
    dama_logps_free(logps);
    CHECK_FAILS(dama_trainer_backward(trainer, chosen, rejected, 2, NULL), DAMA_SHAPE_MISMATCH, "5 pairs");
    CHECK(dama_trainer_backward(trainer, chosen, rejected, PAIRS, NULL) == DAMA_OK);
    dama_parameter_init(&parameter);
    CHECK(dama_trainer_parameter_at(trainer, 0, &parameter) == DAMA_OK);
    float *once = (float *)malloc(parameter.count * sizeof *once);
    float largest = 0;
    for (size_t i = 0; i < parameter.count; i++) {
        once[i] = parameter.gradient[i];
        largest = fmaxf(largest, fabsf(once[i]));
    }
    CHECK(largest > 0);
    CHECK(parameter.device == -1 && parameter.device_gradient == NULL);
    float *copy = (float *)malloc(parameter.count * sizeof *copy);
    CHECK(dama_trainer_read_parameter(trainer, 0, DAMA_PARAMETER_GRADIENT, copy, parameter.count) == DAMA_OK);
    CHECK(memcmp(copy, once, parameter.count * sizeof *copy) == 0);
    CHECK(dama_trainer_read_parameter(trainer, 0, DAMA_PARAMETER_VALUE, copy, parameter.count) == DAMA_OK);
    CHECK(memcmp(copy, parameter.value, parameter.count * sizeof *copy) == 0);
    CHECK(dama_trainer_write_parameter(trainer, 0, DAMA_PARAMETER_VALUE, copy, parameter.count) == DAMA_OK);
    CHECK(memcmp(copy, parameter.value, parameter.count * sizeof *copy) == 0);
    CHECK_FAILS(dama_trainer_read_parameter(trainer, 0, DAMA_PARAMETER_VALUE, copy, 1), DAMA_SHAPE_MISMATCH, "1 were");
    CHECK_FAILS(dama_trainer_write_parameter(trainer, 0, (dama_parameter_part)9, copy, parameter.count),
                DAMA_INVALID_ARGUMENT, "part 9");
    free(copy);

    /* In rounds, without the pair with weight 0. */
    CHECK(dama_trainer_zero_grad(trainer) == DAMA_OK);
    for (int i = 0; i < PAIRS; i++) {
        if (chosen[i] == 0) {
            continue;
        }
        logps = NULL;
        CHECK(dama_trainer_forward(&logps, trainer, &pairs[i], 1, NULL) == DAMA_OK && dama_logps_count(logps) == 1);
        dama_logps_free(logps);
        CHECK(dama_trainer_backward(trainer, &chosen[i], &rejected[i], 1, NULL) == DAMA_OK);
    }
    for (size_t i = 0; i < parameter.count; i++) {
        /* fp32 sums in another order. */
        CHECK(fabsf(parameter.gradient[i] - once[i]) <= 1e-5f * largest);
    }
    /* A second backward run over the same forward run doubles the last pair's part. */
    CHECK(dama_trainer_zero_grad(trainer) == DAMA_OK);
    CHECK(dama_trainer_backward(trainer, &chosen[4], &rejected[4], 1, NULL) == DAMA_OK);
    memcpy(once, parameter.gradient, parameter.count * sizeof *once);
    CHECK(dama_trainer_backward(trainer, &chosen[4], &rejected[4], 1, NULL) == DAMA_OK);
    for (size_t i = 0; i < parameter.count; i++) {
        CHECK(parameter.gradient[i] == 2 * once[i]);
    }

    /* A gradient that is not finite changes nothing. */
    size_t bytes = 0;
    float *before = values_of(trainer, &bytes);
    double norm = 77;
    parameter.gradient[0] = INFINITY;
    CHECK_FAILS(dama_trainer_update(trainer, &norm), DAMA_INVALID_ARGUMENT, "the norm of the gradients is inf");
    parameter.gradient[0] = NAN;
    CHECK_FAILS(dama_trainer_update(trainer, &norm), DAMA_INVALID_ARGUMENT, "nothing was updated");
    CHECK(norm == 77 && same_values(trainer, before, bytes));
    CHECK(dama_trainer_gradient_norm(trainer, &norm) == DAMA_OK && isnan(norm));
    parameter.gradient[0] = 0;
    CHECK(dama_trainer_update(trainer, NULL) == DAMA_OK && !same_values(trainer, before, bytes));
    CHECK_FAILS(dama_trainer_backward(trainer, chosen, rejected, 1, NULL), DAMA_INVALID_ARGUMENT,
                "no forward run since the last update");
    dama_trainer_facts facts;
    dama_trainer_facts_init(&facts);
    CHECK(dama_trainer_describe(trainer, &facts) == DAMA_OK && facts.steps == 1 && facts.skipped == 0);
    free(once);
    free(before);
    dama_trainer_free(trainer);
}

/* Pairs have reference log-probabilities; a non-finite pair is masked; the policy's handle is freed first. */
static void references(void) {
    dama_policy *policy = open_policy();
    dama_training_pair training[PAIRS];
    dama_preference_pair pairs[PAIRS];
    dama_logps *logps = NULL;
    dama_response_logp logp;
    dama_step_metrics with_reference, with_numbers;
    dama_trainer *asking = NULL, *told = NULL;
    fill(training, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = training[i].pair;
        training[i].hardness_third = i % 2;
    }
    CHECK(dama_trainer_create(&asking, policy, policy, NULL, NULL) == DAMA_OK);
    CHECK(dama_trainer_create(&told, policy, NULL, NULL, NULL) == DAMA_OK);
    CHECK(dama_policy_logps(&logps, policy, pairs, PAIRS, NULL) == DAMA_OK);
    dama_policy_free(policy);

    dama_step_metrics_init(&with_reference);
    dama_step_metrics_init(&with_numbers);
    CHECK_FAILS(dama_trainer_step(told, training, PAIRS, &with_numbers, NULL), DAMA_INVALID_ARGUMENT,
                "pair 0 has no reference log-probabilities");
    CHECK(dama_trainer_step(asking, training, PAIRS, &with_reference, NULL) == DAMA_OK);
    for (size_t i = 0; i < PAIRS; i++) {
        CHECK(dama_logps_at(logps, i, DAMA_CHOSEN, &logp) == DAMA_OK);
        training[i].reference_chosen = logp.sum;
        CHECK(dama_logps_at(logps, i, DAMA_REJECTED, &logp) == DAMA_OK);
        training[i].reference_rejected = logp.sum;
    }
    CHECK(dama_trainer_step(told, training, PAIRS, &with_numbers, NULL) == DAMA_OK);
    CHECK(with_reference.loss == with_numbers.loss && with_reference.kept == with_numbers.kept);
    CHECK(with_reference.gradient_norm == with_numbers.gradient_norm && with_numbers.updated);
    CHECK(isfinite(with_numbers.gap_by_third[0]) && isfinite(with_numbers.gap_by_third[1]));
    CHECK(isnan(with_numbers.gap_by_third[2]));

    /* The paper keeps up to 12 pairs; a non-finite pair never takes part. */
    CHECK(with_numbers.kept == PAIRS);
    training[1].reference_chosen = training[3].reference_rejected = -INFINITY;
    CHECK(dama_trainer_step(told, training, PAIRS, &with_numbers, NULL) == DAMA_OK);
    CHECK(with_numbers.kept == 3 && with_numbers.updated && isfinite(with_numbers.loss));
    for (int i = 0; i < PAIRS; i++) {
        training[i].reference_chosen = -INFINITY;
    }
    size_t bytes = 0;
    float *before = values_of(told, &bytes);
    CHECK_FAILS(dama_trainer_step(told, training, PAIRS, NULL, NULL), DAMA_INVALID_ARGUMENT, "finite gap");
    CHECK(same_values(told, before, bytes));
    free(before);
    dama_logps_free(logps);
    dama_trainer_free(asking);
    dama_trainer_free(told);
}

static void *cancel_soon(void *cancellation) {
    const struct timespec moment = {0, 30000000};
    nanosleep(&moment, NULL);
    dama_cancellation_cancel((dama_cancellation *)cancellation);
    return NULL;
}

/* Another thread stops a call that would take seconds; nothing changes. */
static void cancellation(const dama_policy *policy) {
    enum { MANY = 4000 };
    dama_trainer *trainer = make_trainer(policy), *other = make_trainer(policy);
    dama_training_pair *pairs = (dama_training_pair *)calloc(MANY, sizeof *pairs);
    dama_preference_pair *plain = (dama_preference_pair *)calloc(MANY, sizeof *plain);
    double *ones = (double *)calloc(MANY, sizeof *ones);
    if (!pairs || !plain || !ones) {
        abort();
    }
    fill(pairs, MANY);
    for (size_t i = 0; i < MANY; i++) {
        plain[i] = pairs[i].pair;
        ones[i] = 1;
    }
    CHECK(dama_trainer_step(trainer, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    CHECK(dama_trainer_step(other, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    size_t bytes = 0;
    float *before = values_of(trainer, &bytes);
    const double mean = running_mean(trainer);
    dama_logps *logps = NULL;
    for (int what = 0; what < 3; what++) {
        dama_cancellation *token = NULL;
        pthread_t thread;
        dama_status status = DAMA_OK;
        CHECK(dama_cancellation_create(&token) == DAMA_OK && dama_cancellation_is_cancelled(token) == 0);
        CHECK(pthread_create(&thread, NULL, cancel_soon, token) == 0);
        switch (what) {
        case 0: status = dama_policy_logps(&logps, policy, plain, MANY, token); break;
        case 1: status = dama_trainer_step(trainer, pairs, MANY, NULL, token); break;
        default: status = dama_trainer_forward(&logps, trainer, plain, MANY, token); break;
        }
        CHECK(status == DAMA_CANCELLED && strstr(dama_error_message(), "another thread") && logps == NULL);
        CHECK(pthread_join(thread, NULL) == 0 && dama_cancellation_is_cancelled(token) == 1);
        /* It stays cancelled. */
        CHECK_FAILS(dama_policy_logps(&logps, policy, plain, 1, token), DAMA_CANCELLED, "stopped");
        CHECK_FAILS(dama_trainer_step(trainer, pairs, 1, NULL, token), DAMA_CANCELLED, "stopped");
        CHECK_FAILS(dama_trainer_forward(&logps, trainer, plain, 1, token), DAMA_CANCELLED, "stopped");
        CHECK(dama_trainer_forward(&logps, trainer, plain, 1, NULL) == DAMA_OK);
        CHECK_FAILS(dama_trainer_backward(trainer, ones, ones, 1, token), DAMA_CANCELLED, "stopped");
        dama_logps_free(logps);
        logps = NULL;
        dama_cancellation_free(token);
        CHECK(same_values(trainer, before, bytes) && running_mean(trainer) == mean);
    }
    /* An unused cancellation stops nothing, and the next step is the same as in a trainer that was never stopped. */
    dama_cancellation *unused = NULL;
    CHECK(dama_cancellation_create(&unused) == DAMA_OK);
    CHECK(dama_trainer_step(trainer, pairs, PAIRS, NULL, unused) == DAMA_OK);
    CHECK(dama_trainer_step(other, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    free(before);
    before = values_of(other, &bytes);
    CHECK(same_values(trainer, before, bytes) && running_mean(trainer) == running_mean(other));
    dama_cancellation_free(unused);
    dama_cancellation_free(NULL);
    dama_cancellation_cancel(NULL);
    CHECK(dama_cancellation_is_cancelled(NULL) == 0);
    CHECK_FAILS(dama_cancellation_create(NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    free(before);
    free(pairs);
    free(plain);
    free(ones);
    dama_trainer_free(trainer);
    dama_trainer_free(other);
}

/* The trainable tensors and their names. */
static void parameters(const dama_policy *policy) {
    static const char *const targets[] = {"q_proj", "down_proj"};
    static const char *const patterns[] = {"*.lm_head.weight", "language_model.*.layers.0.mlp.*"};
    dama_trainer_options options;
    dama_parameter it;
    dama_trainer *trainer = NULL;
    dama_trainer_options_init(&options);
    options.trainable = DAMA_TRAINABLE_LORA;
    options.lora_targets = targets;
    options.lora_target_count = 2;
    options.lora_rank = 4;
    options.activations = DAMA_ACTIVATIONS_RECOMPUTE;
    options.seed = 5;
    CHECK(dama_trainer_create(&trainer, policy, policy, NULL, &options) == DAMA_OK);
    /* A and B for two modules of two layers. */
    CHECK(dama_trainer_parameter_count(trainer) == 8);
    for (size_t i = 0; i < 8; i++) {
        int zeros = 1;
        dama_parameter_init(&it);
        CHECK(dama_trainer_parameter_at(trainer, i, &it) == DAMA_OK && it.dimensions == 2 && it.decays == 1);
        CHECK(it.count == (size_t)(it.shape[0] * it.shape[1]) && it.value && it.gradient);
        const int is_a = strstr(it.name, "lora_A") != NULL;
        CHECK(it.shape[is_a ? 0 : 1] == 4);
        for (size_t j = 0; j < it.count; j++) {
            zeros = zeros && it.value[j] == 0;
        }
        CHECK(zeros == !is_a);
    }
    dama_training_pair pairs[PAIRS];
    fill(pairs, PAIRS);
    CHECK(dama_trainer_step(trainer, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    CHECK_FAILS(dama_trainer_parameter_at(trainer, 8, &it), DAMA_INVALID_ARGUMENT, "parameter 8 is beyond the end");
    CHECK_FAILS(dama_trainer_parameter_at(trainer, (size_t)-1, &it), DAMA_INVALID_ARGUMENT, "beyond the end");
    CHECK_FAILS(dama_trainer_parameter_at(trainer, 0, NULL), DAMA_INVALID_ARGUMENT, "parameter is NULL");
    it.struct_size = 3;
    CHECK_FAILS(dama_trainer_parameter_at(trainer, 0, &it), DAMA_INVALID_ARGUMENT, "dama_parameter_init()");
    CHECK(dama_trainer_parameter_count(NULL) == 0);
    dama_parameter_init(NULL);
    dama_trainer_free(trainer);

    trainer = NULL;
    dama_trainer_options_init(&options);
    options.trainable = DAMA_TRAINABLE_PATTERNS;
    options.patterns = patterns;
    options.pattern_count = 2;
    CHECK(dama_trainer_create(&trainer, policy, policy, NULL, &options) == DAMA_OK);
    CHECK(dama_trainer_parameter_count(trainer) == 4);
    for (size_t i = 0; i < dama_trainer_parameter_count(trainer); i++) {
        dama_parameter_init(&it);
        CHECK(dama_trainer_parameter_at(trainer, i, &it) == DAMA_OK);
        CHECK(strstr(it.name, ".lm_head.weight") || strstr(it.name, ".layers.0.mlp."));
    }
    dama_trainer_free(trainer);

    trainer = NULL;
    options.trainable = DAMA_TRAINABLE_PROJECTOR;
    CHECK(dama_trainer_create(&trainer, policy, policy, NULL, &options) == DAMA_OK);
    CHECK(dama_trainer_parameter_count(trainer) == 4);
    dama_trainer_free(trainer);
}

/* Rates of the schedule; the options are not used after the call. */
static void schedules(const dama_policy *policy) {
    dama_schedule_options schedule;
    dama_trainer_options options;
    dama_trainer_facts facts;
    dama_step_metrics metrics;
    dama_training_pair pairs[PAIRS];
    dama_trainer *trainer = NULL;
    double rate = 0;
    fill(pairs, PAIRS);
    dama_schedule_options_init(&schedule);
    schedule.learning_rate = 1e-3;
    schedule.total_steps = 4;
    schedule.warmup_steps = 2;
    dama_trainer_options_init(&options);
    options.schedule = &schedule;
    CHECK(dama_trainer_create(&trainer, policy, policy, NULL, &options) == DAMA_OK);
    const dama_schedule_options kept = schedule;
    memset(&schedule, 0, sizeof schedule);
    memset(&options, 0, sizeof options);
    for (uint64_t step = 0; step < 3; step++) {
        dama_step_metrics_init(&metrics);
        dama_trainer_facts_init(&facts);
        CHECK(dama_learning_rate(step, &kept, &rate) == DAMA_OK);
        CHECK(dama_trainer_describe(trainer, &facts) == DAMA_OK && facts.learning_rate == rate);
        CHECK(dama_trainer_step(trainer, pairs, PAIRS, &metrics, NULL) == DAMA_OK && metrics.learning_rate == rate);
    }
    CHECK_FAILS(dama_trainer_describe(NULL, &facts), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_describe(trainer, NULL), DAMA_INVALID_ARGUMENT, "facts is NULL");
    facts.struct_size = 3;
    CHECK_FAILS(dama_trainer_describe(trainer, &facts), DAMA_INVALID_ARGUMENT, "dama_trainer_facts_init()");
    dama_trainer_facts_init(NULL);
    dama_trainer_free(trainer);
}

/* A new trainer that loads a checkpoint continues bit for bit; pointers to its memory stay valid. */
static void checkpoints(const dama_policy *policy) {
    char folder[] = "/tmp/dama-trainer-XXXXXX", path[64], directory[64];
    dama_trainer *trainer = make_trainer(policy), *again = make_trainer(policy), *other = NULL;
    dama_training_pair pairs[PAIRS];
    dama_parameter parameter;
    dama_strings *note = NULL;
    dama_logps *logps = NULL;
    const double one = 1;
    fill(pairs, PAIRS);
    if (!mkdtemp(folder)) {
        abort();
    }
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    snprintf(directory, sizeof directory, "%s/model", folder);
    for (int step = 0; step < 2; step++) {
        CHECK(dama_trainer_step(trainer, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    }
    CHECK(dama_trainer_save(trainer, path, "batch 2") == DAMA_OK);
    dama_parameter_init(&parameter);
    CHECK(dama_trainer_parameter_at(again, 0, &parameter) == DAMA_OK);
    CHECK(dama_trainer_forward(&logps, again, &pairs[0].pair, 1, NULL) == DAMA_OK);
    dama_logps_free(logps);
    CHECK(dama_trainer_load(&note, again, path) == DAMA_OK && dama_strings_count(note) == 1);
    CHECK(strcmp(dama_strings_at(note, 0), "batch 2") == 0);
    dama_strings_free(note);
    CHECK_FAILS(dama_trainer_backward(again, &one, &one, 1, NULL), DAMA_INVALID_ARGUMENT, "no forward run");
    CHECK(dama_trainer_step(trainer, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    CHECK(dama_trainer_step(again, pairs, PAIRS, NULL, NULL) == DAMA_OK);
    size_t bytes = 0;
    float *values = values_of(trainer, &bytes);
    CHECK(same_values(again, values, bytes) && running_mean(again) == running_mean(trainer));
    CHECK(memcmp(parameter.value, values, parameter.count * sizeof *values) == 0);

    CHECK(dama_trainer_save(trainer, path, NULL) == DAMA_OK);
    CHECK(dama_trainer_load(NULL, again, path) == DAMA_OK);
    note = NULL;
    CHECK(dama_trainer_load(&note, again, path) == DAMA_OK && note && dama_strings_count(note) == 0);
    dama_strings_free(note);
    CHECK(dama_trainer_create(&other, policy, policy, NULL, NULL) == DAMA_OK);
    CHECK_FAILS(dama_trainer_load(NULL, other, path), DAMA_INVALID_ARGUMENT, "another configuration");
    CHECK_FAILS(dama_trainer_load(NULL, again, "/nowhere"), DAMA_IO, "/nowhere");
    CHECK_FAILS(dama_trainer_load(NULL, again, png), DAMA_MODEL, png);
    CHECK_FAILS(dama_trainer_load(NULL, NULL, path), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_load(NULL, again, NULL), DAMA_INVALID_ARGUMENT, "path is NULL");
    CHECK_FAILS(dama_trainer_save(NULL, path, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_save(trainer, NULL, NULL), DAMA_INVALID_ARGUMENT, "path is NULL");
    CHECK_FAILS(dama_trainer_save(trainer, "/nowhere/checkpoint", NULL), DAMA_IO, "/nowhere/checkpoint");
    CHECK(same_values(again, values, bytes));

    /* The exported model gives the same results as the trainer. */
    dama_export_options options;
    dama_policy *exported = NULL;
    double trained = 0, loaded = 1;
    dama_export_options_init(NULL);
    dama_export_options_init(&options);
    CHECK(options.kind == DAMA_EXPORT_MODEL && options.type == DAMA_WEIGHT_FLOAT32 && options.replace == 0);
    CHECK(options.shard_bytes == 5000000000u);
    CHECK(dama_trainer_export(trainer, directory, NULL) == DAMA_OK);
    CHECK(dama_policy_create(&exported, directory, NULL) == DAMA_OK);
    logps = NULL;
    CHECK(dama_policy_logps(&logps, exported, &pairs[0].pair, 1, NULL) == DAMA_OK);
    CHECK(dama_logps_sums(logps, DAMA_CHOSEN, &loaded, 1) == DAMA_OK);
    dama_logps_free(logps);
    CHECK(dama_trainer_forward(&logps, trainer, &pairs[0].pair, 1, NULL) == DAMA_OK);
    CHECK(dama_logps_sums(logps, DAMA_CHOSEN, &trained, 1) == DAMA_OK);
    dama_logps_free(logps);
    /* fp32 through two graphs, summed over 20 tokens. */
    CHECK(fabs(trained - loaded) < 1e-3 && trained < -1);
    dama_policy_free(exported);
    options.kind = DAMA_EXPORT_ADAPTERS;
    CHECK_FAILS(dama_trainer_export(trainer, directory, &options), DAMA_INVALID_ARGUMENT, "no adapters");
    options.kind = (dama_export_kind)9;
    CHECK_FAILS(dama_trainer_export(trainer, directory, &options), DAMA_INVALID_ARGUMENT, "kind 9");
    dama_export_options_init(&options);
    options.type = (dama_weight_type)9;
    CHECK_FAILS(dama_trainer_export(trainer, directory, &options), DAMA_INVALID_ARGUMENT, "type 9");
    dama_export_options_init(&options);
    options.shard_bytes = 0;
    CHECK_FAILS(dama_trainer_export(trainer, directory, &options), DAMA_INVALID_ARGUMENT, "0 bytes");
    options.struct_size = 0;
    CHECK_FAILS(dama_trainer_export(trainer, directory, &options), DAMA_INVALID_ARGUMENT, "dama_export_options_init()");
    CHECK_FAILS(dama_trainer_export(trainer, folder, NULL), DAMA_INVALID_ARGUMENT, "which no export wrote");
    CHECK_FAILS(dama_trainer_export(trainer, model, NULL), DAMA_INVALID_ARGUMENT, "the trained base model");
    CHECK_FAILS(dama_trainer_export(NULL, directory, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_export(trainer, NULL, NULL), DAMA_INVALID_ARGUMENT, "directory is NULL");
    /* Replaced last by a rounded export. */
    dama_export_options_init(&options);
    options.type = DAMA_WEIGHT_BFLOAT16;
    options.replace = 1;
    CHECK(dama_trainer_export(trainer, folder, &options) == DAMA_OK);
    free(values);
    dama_trainer_free(trainer);
    dama_trainer_free(again);
    dama_trainer_free(other);
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK(system(command) == 0);
}

static void bad_options(const dama_policy *policy) {
    static const char *const unknown[] = {"q_proj", "head"}, *const nothing[] = {"*.layer.*"};
    dama_schedule_options schedule;
    dama_trainer_options options;
    dama_trainer *trainer = NULL;
    dama_trainer_options_init(NULL);
    dama_trainer_options_init(&options);
    CHECK(options.trainable == DAMA_TRAINABLE_FULL && options.activations == DAMA_ACTIVATIONS_KEEP);
    CHECK(options.lora_rank == 16 && options.lora_alpha == 32 && options.lora_targets == NULL && options.seed == 0);
    CHECK(options.learning_rate == 5e-7 && options.beta1 == 0.9 && options.beta2 == 0.999);
    CHECK(options.epsilon == 1e-8 && options.weight_decay == 0 && options.schedule == NULL);
    CHECK(options.max_gradient_norm == 1 && options.tokens_per_run == 4096 && options.threads == 0);

#define BAD(change, text)                                                                                            \
    do {                                                                                                             \
        dama_trainer_options_init(&options);                                                                         \
        change;                                                                                                      \
        CHECK_FAILS(dama_trainer_create(&trainer, policy, NULL, NULL, &options), DAMA_INVALID_ARGUMENT, text);       \
    } while (0)
    BAD(options.struct_size = 3, "dama_trainer_options_init()");
    BAD(options.trainable = (dama_trainable)9, "trainable 9");
    BAD(options.activations = (dama_activations)9, "activations 9");
    BAD(options.trainable = DAMA_TRAINABLE_PATTERNS, "patterns is empty");
    BAD((options.trainable = DAMA_TRAINABLE_PATTERNS, options.pattern_count = 1), "patterns is NULL");
    BAD((options.trainable = DAMA_TRAINABLE_PATTERNS, options.pattern_count = (size_t)-1), "size of patterns");
    BAD((options.trainable = DAMA_TRAINABLE_PATTERNS, options.patterns = nothing, options.pattern_count = 1),
        "no weight matches *.layer.*");
    BAD((options.trainable = DAMA_TRAINABLE_LORA, options.lora_rank = 0), "rank is 0");
    BAD((options.trainable = DAMA_TRAINABLE_LORA, options.lora_dropout = 1), "LoRA dropout is 1.0");
    BAD((options.trainable = DAMA_TRAINABLE_LORA, options.lora_alpha = NAN), "alpha is nan");
    BAD((options.trainable = DAMA_TRAINABLE_LORA, options.lora_target_count = 2), "lora_targets is NULL");
    BAD((options.trainable = DAMA_TRAINABLE_LORA, options.lora_targets = unknown, options.lora_target_count = 2),
        "\"head\"");
    BAD(options.learning_rate = -1, "learning rate is -1");
    BAD(options.beta1 = 1, "beta1 is 1");
    BAD(options.beta2 = NAN, "beta2 is nan");
    BAD(options.epsilon = -1, "epsilon is -1");
    BAD(options.weight_decay = INFINITY, "weight decay is inf");
    BAD(options.max_gradient_norm = -1, "maximum gradient norm is -1");
    BAD(options.tokens_per_run = 0, "the number of tokens per run is 0");
    dama_schedule_options_init(&schedule);
    BAD(options.schedule = &schedule, "at least one step");
    schedule.struct_size = 1;
    BAD(options.schedule = &schedule, "dama_schedule_options_init()");
    CHECK_FAILS(dama_trainer_create(NULL, policy, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_trainer_create(&trainer, NULL, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK(trainer == NULL);
    dama_trainer_free(NULL);
}

static void bad_input(const dama_policy *policy) {
    dama_trainer *trainer = make_trainer(policy);
    dama_training_pair pairs[2];
    dama_step_metrics metrics;
    dama_logps *logps = NULL;
    double number = 0;
    dama_adaptive_beta *controller = NULL;
    size_t bytes = 0;
    float *before = values_of(trainer, &bytes);
    dama_training_pair_init(NULL);
    dama_step_metrics_init(NULL);
    fill(pairs, 2);
    CHECK(pairs[0].hardness_third == -1 && isnan(pairs[0].reference_chosen) && isnan(pairs[0].reference_rejected));

#define BAD_PAIR(change, text)                                                                           \
    do {                                                                                                 \
        fill(pairs, 2);                                                                                  \
        change;                                                                                          \
        CHECK_FAILS(dama_trainer_step(trainer, pairs, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, text);      \
    } while (0)
    BAD_PAIR(pairs[1].alpha_data = 0, "pairs[1].alpha_data is 0");
    BAD_PAIR(pairs[1].alpha_data = NAN, "pairs[1].alpha_data is nan");
    BAD_PAIR(pairs[1].hardness_third = 3, "pairs[1].hardness_third is 3");
    BAD_PAIR(pairs[1].reference_chosen = -1, "pairs[1] has the reference log-probability of one response");
    BAD_PAIR(pairs[1].reference_chosen = pairs[1].reference_rejected = 4, "the reference log-probability 4");
    BAD_PAIR(pairs[1].pair.prompt = NULL, "pairs[1].pair.prompt is NULL");
    BAD_PAIR(pairs[1].pair.chosen = "", "pair 1: a response is empty");
    BAD_PAIR(pairs[1].pair.image = NULL, "pair 1: the pair has no image");
    fill(pairs, 2);
    CHECK_FAILS(dama_trainer_step(NULL, pairs, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_step(trainer, NULL, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "pairs is NULL");
    CHECK_FAILS(dama_trainer_step(trainer, pairs, 0, NULL, NULL), DAMA_INVALID_ARGUMENT, "batch is empty");
    CHECK_FAILS(dama_trainer_step(trainer, pairs, (size_t)-1, NULL, NULL), DAMA_INVALID_ARGUMENT, "size of pairs");
    dama_step_metrics_init(&metrics);
    metrics.struct_size = 8;
    CHECK_FAILS(dama_trainer_step(trainer, pairs, 2, &metrics, NULL), DAMA_INVALID_ARGUMENT, "dama_step_metrics_init");

    CHECK_FAILS(dama_trainer_forward(NULL, trainer, &pairs[0].pair, 1, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_trainer_forward(&logps, NULL, &pairs[0].pair, 1, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_forward(&logps, trainer, NULL, 1, NULL), DAMA_INVALID_ARGUMENT, "pairs is NULL");
    CHECK_FAILS(dama_trainer_forward(&logps, trainer, &pairs[0].pair, 0, NULL), DAMA_INVALID_ARGUMENT, "empty");
    CHECK(logps == NULL);
    CHECK(dama_trainer_forward(&logps, trainer, &pairs[0].pair, 1, NULL) == DAMA_OK);
    dama_logps_free(logps);
    CHECK_FAILS(dama_trainer_backward(NULL, &number, &number, 1, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_backward(trainer, NULL, &number, 1, NULL), DAMA_INVALID_ARGUMENT, "grad_chosen is NULL");
    CHECK_FAILS(dama_trainer_backward(trainer, &number, NULL, 1, NULL), DAMA_INVALID_ARGUMENT, "grad_rejected is NULL");
    CHECK_FAILS(dama_trainer_zero_grad(NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_gradient_norm(NULL, &number), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_gradient_norm(trainer, NULL), DAMA_INVALID_ARGUMENT, "norm is NULL");
    CHECK_FAILS(dama_trainer_update(NULL, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_FAILS(dama_trainer_controller(NULL, trainer), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_trainer_controller(&controller, NULL), DAMA_INVALID_ARGUMENT, "trainer is NULL");
    CHECK(same_values(trainer, before, bytes));
    free(before);
    dama_trainer_free(trainer);
}

int main(void) {
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
        parts(policy);
        rounds(policy);
        references();
        cancellation(policy);
        parameters(policy);
        schedules(policy);
        checkpoints(policy);
        bad_options(policy);
        bad_input(policy);
    }
    dama_policy_free(policy);
    return check_failures != 0;
}
