/*
 * Adaptive beta over the batches of a training run, from C.
 *
 *     cc -std=c99 adaptive_beta.c $(pkg-config --cflags --libs dama) -lm -o adaptive_beta && ./adaptive_beta
 *
 * In training a model computes the log-probabilities and receives the gradients. Here gradient descent on the loss
 * changes the log-probabilities directly.
 */
#include <dama.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAIRS = 16, STEPS = 30 };

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

int main(void) {
    double chosen[PAIRS], rejected[PAIRS], reference_chosen[PAIRS], reference_rejected[PAIRS];
    double delta[PAIRS], alpha_data[PAIRS], beta[PAIRS], grad_chosen[PAIRS], grad_rejected[PAIRS];
    uint8_t mask[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        reference_chosen[i] = -40 - i;
        reference_rejected[i] = -42 + 0.5 * i;
        chosen[i] = reference_chosen[i] + 2 * ((i * 7) % 11 - 4);
        rejected[i] = reference_rejected[i];
        delta[i] = 0.1 * ((i * 5) % 13 - 6);
    }
    /* Hard pairs, which have a small delta, get a smaller beta. */
    check(dama_alpha_data(delta, PAIRS, 0.0, alpha_data));

    dama_adaptive_beta_options options;
    dama_adaptive_beta_options_init(&options, DAMA_PRESET_PAPER);
    options.keep = 12;
    dama_adaptive_beta *controller = NULL;
    check(dama_adaptive_beta_create(&controller, &options));

    dama_preference_batch batch;
    dama_preference_batch_init(&batch);
    batch.count = PAIRS;
    batch.policy_chosen = chosen;
    batch.policy_rejected = rejected;
    batch.reference_chosen = reference_chosen;
    batch.reference_rejected = reference_rejected;
    batch.alpha_data = alpha_data;

    dama_preference_result result;
    dama_preference_result_init(&result);
    result.capacity = PAIRS;
    result.beta = beta;
    result.mask = mask;
    result.grad_chosen = grad_chosen;
    result.grad_rejected = grad_rejected;

    printf("step    loss  alpha_model  running_mean  accuracy  mask\n");
    for (int step = 0; step < STEPS; step++) {
        check(dama_adaptive_beta_step(controller, &batch, &result));
        if (step % 5 == 0 || step == STEPS - 1) {
            printf("%4d  %6.4f  %11.4f  %12.4f  %8.3f  ", step, result.loss, result.alpha_model, result.running_mean,
                   result.accuracy);
            for (int i = 0; i < PAIRS; i++) putchar(mask[i] ? '1' : '.');
            putchar('\n');
        }
        for (int i = 0; i < PAIRS; i++) {
            chosen[i] -= 100 * grad_chosen[i];
            rejected[i] -= 100 * grad_rejected[i];
        }
        /* The running mean changes only on commit, after the update. */
        check(dama_adaptive_beta_commit(controller));
    }
    dama_adaptive_beta_free(controller);
    return 0;
}
