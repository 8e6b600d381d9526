#include <dama.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { ROWS = 3, VOCABULARY = 37 };

static void token_logprobs(void) {
    float logits[ROWS * VOCABULARY], gradient[ROWS * VOCABULARY], logprobs[ROWS] = {7, 7, 7}, normalizers[ROWS];
    const int64_t labels[ROWS] = {5, DAMA_IGNORED_LABEL, 36}, bad[ROWS] = {0, 0, 37};
    const float weights[ROWS] = {1, 1, -0.5f};
    for (int i = 0; i < ROWS * VOCABULARY; i++) logits[i] = (float)((i * 31) % 17) / 4;
    CHECK(dama_token_logprobs(logits, labels, ROWS, VOCABULARY, 0, logprobs, normalizers) == DAMA_OK);
    CHECK(dama_token_logprobs_backward(logits, labels, normalizers, weights, ROWS, VOCABULARY, 2, gradient) == DAMA_OK);
    for (int row = 0; row < ROWS; row++) {
        const float *x = logits + row * VOCABULARY;
        double sum = 0;
        for (int j = 0; j < VOCABULARY; j++) sum += exp(x[j]);
        /* A float32 sum of 37 exponentials. */
        if (labels[row] >= 0) CHECK(fabs(logprobs[row] - (x[labels[row]] - log(sum))) < 2e-6);
        for (int j = 0; j < VOCABULARY; j++) {
            double expected = labels[row] < 0 ? 0 : weights[row] * ((j == labels[row]) - exp(x[j]) / sum);
            CHECK(fabs(gradient[row * VOCABULARY + j] - expected) < 2e-6);
        }
    }
    CHECK(logprobs[1] == 0);
    /* In place: the same bits. */
    CHECK(dama_token_logprobs_backward(logits, labels, normalizers, weights, ROWS, VOCABULARY, 1, logits) == DAMA_OK);
    CHECK(memcmp(logits, gradient, sizeof logits) == 0);

    float kept = logprobs[0];
#define FAILS(status, text, logits, labels, rows, vocabulary, logprobs, normalizers) \
    CHECK_FAILS(dama_token_logprobs(logits, labels, rows, vocabulary, 1, logprobs, normalizers), status, text)
    FAILS(DAMA_INVALID_ARGUMENT, "logits is NULL", NULL, labels, ROWS, VOCABULARY, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "labels is NULL", logits, NULL, ROWS, VOCABULARY, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "logprobs is NULL", logits, labels, ROWS, VOCABULARY, NULL, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "normalizers is NULL", logits, labels, ROWS, VOCABULARY, logprobs, NULL);
    FAILS(DAMA_INVALID_ARGUMENT, "label 37 of row 2", logits, bad, ROWS, VOCABULARY, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "vocabulary", logits, labels, ROWS, 0, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "not a valid array size", logits, labels, (size_t)-1, 2, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "not a valid array size", logits, labels, (size_t)1 << 40, (size_t)1 << 40, logprobs,
          normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "size", logits, labels, (size_t)1 << 40, 1 << 10, logprobs, normalizers);
#undef FAILS
    CHECK(logprobs[0] == kept);
    CHECK(dama_token_logprobs(NULL, NULL, 0, VOCABULARY, 0, NULL, NULL) == DAMA_OK);
#define FAILS(text, logits, labels, normalizers, weights, gradient)                                                  \
    CHECK_FAILS(dama_token_logprobs_backward(logits, labels, normalizers, weights, ROWS, VOCABULARY, 1, gradient), \
                DAMA_INVALID_ARGUMENT, text)
    FAILS("logits is NULL", NULL, labels, normalizers, weights, gradient);
    FAILS("labels is NULL", logits, NULL, normalizers, weights, gradient);
    FAILS("normalizers is NULL", logits, labels, NULL, weights, gradient);
    FAILS("weights is NULL", logits, labels, normalizers, NULL, gradient);
    FAILS("gradient is NULL", logits, labels, normalizers, weights, NULL);
    FAILS("label 37", logits, bad, normalizers, weights, gradient);
#undef FAILS
}

static void adamw(void) {
    float parameters[2] = {1, -1}, first[2] = {0, 0}, second[2] = {0, 0};
    const float gradients[2] = {1e-3f, -20};
    dama_adamw_options options;
    dama_adamw_options_init(&options);
    CHECK(options.learning_rate == 5e-7 && options.beta2 == 0.999 && options.gradient_scale == 1);
    options.learning_rate = 0.1;
    options.weight_decay = 0.5;
    /* The first step of Adam is the learning rate times the gradient's sign. */
    CHECK(dama_adamw_step(gradients, 2, 1, &options, parameters, first, second) == DAMA_OK);
    CHECK(fabs(parameters[0] - 0.85) < 2e-6 && fabs(parameters[1] + 0.85) < 2e-6);
    CHECK(fabs(first[1] + 2) < 1e-6 && fabs(second[1] - 0.4) < 1e-6);

    float kept = parameters[0];
#define FAILS(text, ...) CHECK_FAILS(dama_adamw_step(__VA_ARGS__), DAMA_INVALID_ARGUMENT, text)
    FAILS("step is 0", gradients, 2, 0, &options, parameters, first, second);
    FAILS("parameters is NULL", gradients, 2, 1, &options, NULL, first, second);
    FAILS("gradients is NULL", NULL, 2, 1, &options, parameters, first, second);
    FAILS("first_moment is NULL", gradients, 2, 1, &options, parameters, NULL, second);
    FAILS("second_moment is NULL", gradients, 2, 1, &options, parameters, first, NULL);
    FAILS("size", gradients, (size_t)-1, 1, &options, parameters, first, second);
    options.beta1 = 1;
    FAILS("beta1 is 1", gradients, 2, 1, &options, parameters, first, second);
    options.struct_size = 4;
    FAILS("dama_adamw_options_init", gradients, 2, 1, &options, parameters, first, second);
#undef FAILS
    CHECK(parameters[0] == kept);
    dama_adamw_options_init(NULL);
    dama_adamw_options_init(&options);
    CHECK(dama_adamw_step(NULL, 0, 1, &options, NULL, NULL, NULL) == DAMA_OK);
    /* Without options, the paper's learning rate. */
    float alone = 0, moments[2] = {0, 0};
    CHECK(dama_adamw_step(gradients, 1, 1, NULL, &alone, moments, moments + 1) == DAMA_OK);
    CHECK(fabs(alone + 5e-7) < 1e-10);

    double sum = 7;
    const float values[3] = {3, 4, 12};
    CHECK(dama_sum_of_squares(values, 3, 0, &sum) == DAMA_OK && sum == 169);
    CHECK(dama_sum_of_squares(NULL, 0, 0, &sum) == DAMA_OK && sum == 0);
    CHECK_FAILS(dama_sum_of_squares(NULL, 3, 0, &sum), DAMA_INVALID_ARGUMENT, "values is NULL");
    CHECK_FAILS(dama_sum_of_squares(values, 3, 0, NULL), DAMA_INVALID_ARGUMENT, "sum is NULL");
    CHECK_FAILS(dama_sum_of_squares(values, (size_t)-1, 0, &sum), DAMA_INVALID_ARGUMENT, "size");
}

static void schedules(void) {
    dama_schedule_options options;
    double rate = 7;
    dama_schedule_options_init(NULL);
    dama_schedule_options_init(&options);
    CHECK_FAILS(dama_learning_rate(0, &options, &rate), DAMA_INVALID_ARGUMENT, "at least one step");
    options.total_steps = 100;
    options.learning_rate = 2;
    CHECK_FAILS(dama_learning_rate(0, NULL, &rate), DAMA_INVALID_ARGUMENT, "options is NULL");
    CHECK_FAILS(dama_learning_rate(0, &options, NULL), DAMA_INVALID_ARGUMENT, "learning_rate is NULL");
    CHECK(rate == 7);
    CHECK(dama_learning_rate(5, &options, &rate) == DAMA_OK && rate == 1);
    CHECK(dama_learning_rate(10, &options, &rate) == DAMA_OK && rate == 2);
    CHECK(dama_learning_rate(55, &options, &rate) == DAMA_OK && fabs(rate - 1) < 1e-15);
    options.schedule = DAMA_SCHEDULE_LINEAR;
    options.warmup_steps = 20;
    CHECK(dama_learning_rate(60, &options, &rate) == DAMA_OK && rate == 1);
    options.schedule = DAMA_SCHEDULE_CONSTANT;
    CHECK(dama_learning_rate(100, &options, &rate) == DAMA_OK && rate == 2);
    options.schedule = (dama_schedule)5;
    CHECK_FAILS(dama_learning_rate(0, &options, &rate), DAMA_INVALID_ARGUMENT, "schedule 5");
    options.struct_size = 1;
    CHECK_FAILS(dama_learning_rate(0, &options, &rate), DAMA_INVALID_ARGUMENT, "dama_schedule_options_init");
}

int main(void) {
    token_logprobs();
    adamw();
    schedules();
    return check_failures != 0;
}
