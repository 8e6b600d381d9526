/* Steps of a trainer: their parts, rounds, references and cancellation. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "trainer_parts.h"

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

/* All tests of this file. */
static void tests(const dama_policy *policy) {
    parts(policy);
    rounds(policy);
    references();
    cancellation(policy);
}

int main(void) { return test_trainer(tests); }
