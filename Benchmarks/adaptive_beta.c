/*
 * Microseconds per step of the controller through the C ABI: dama_adaptive_beta_step and commit, medians of rounds.
 * It measures the CPU time of the process, which has one thread, because other programs disturb it less.
 * Benchmarks/adaptive_beta.py builds and runs this; by hand:
 *
 *     cc -O2 -std=gnu11 Benchmarks/adaptive_beta.c -Iinclude -Lbuild/lib -ldama -Wl,-rpath,$PWD/build/lib -lm
 */
#include <dama.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 256, ROUNDS = 51, STEPS = 4000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

static double random_normal(void) {
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += rand() / (double)RAND_MAX;
    return sum - 6;
}

int main(void) {
    static const char *names[] = {"paper", "released", "beta_dpo"};
    static double in[5][MOST], out[9][MOST], times[ROUNDS];
    static uint8_t mask[MOST];
    srand(1);
    for (int n = 16; n <= MOST; n *= 4) {
        for (int preset = 0; preset < 3; preset++) {
            dama_adaptive_beta_options options;
            dama_adaptive_beta *controller;
            dama_adaptive_beta_options_init(&options, (dama_preset)preset);
            options.keep = 0;
            options.keep_ratio = 0.75;
            check(dama_adaptive_beta_create(&controller, &options));
            for (int i = 0; i < n; i++) {
                in[2][i] = -60 + 5 * random_normal();
                in[3][i] = -60 + 5 * random_normal();
                in[0][i] = in[2][i] + 1 + 2 * random_normal();
                in[1][i] = in[3][i] + 2 * random_normal();
                in[4][i] = 0.8 + 0.4 * rand() / (double)RAND_MAX;
            }
            dama_preference_batch batch;
            dama_preference_result result;
            dama_preference_batch_init(&batch);
            dama_preference_result_init(&result);
            batch.count = (size_t)n;
            batch.policy_chosen = in[0];
            batch.policy_rejected = in[1];
            batch.reference_chosen = in[2];
            batch.reference_rejected = in[3];
            batch.alpha_data = in[4];
            result.capacity = (size_t)n;
            result.mask = mask;
            double **rows[] = {&result.beta,          &result.margins,       &result.losses,
                               &result.grad_chosen,   &result.grad_rejected, &result.reward_chosen,
                               &result.reward_rejected, &result.plain_reward_chosen, &result.plain_reward_rejected};
            for (int i = 0; i < 9; i++) *rows[i] = out[i];
            for (int round = 0; round < ROUNDS; round++) {
                double start = now();
                for (int step = 0; step < STEPS; step++) {
                    /* The order of the gaps changes from step to step, as in training. */
                    in[0][(step * 7) % n] += step % 2 ? 0.5 : -0.5;
                    check(dama_adaptive_beta_step(controller, &batch, &result));
                    check(dama_adaptive_beta_commit(controller));
                }
                times[round] = (now() - start) / STEPS;
            }
            qsort(times, ROUNDS, sizeof *times, ascending);
            printf("native, %-8s N = %3d: %6.2f µs a step (fastest round %.2f)\n", names[preset], n, times[ROUNDS / 2],
                   times[0]);
            dama_adaptive_beta_free(controller);
        }
    }
    return 0;
}
