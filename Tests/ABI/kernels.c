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
    CHECK(dama_token_logprobs(logits, ROWS, VOCABULARY, labels, logprobs, normalizers, 0) == DAMA_OK);
    CHECK(dama_token_logprobs_backward(logits, ROWS, VOCABULARY, labels, normalizers, weights, gradient, 2) == DAMA_OK);
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
    CHECK(dama_token_logprobs_backward(logits, ROWS, VOCABULARY, labels, normalizers, weights, logits, 1) == DAMA_OK);
    CHECK(memcmp(logits, gradient, sizeof logits) == 0);

    float kept = logprobs[0];
#define FAILS(status, text, ...) CHECK_FAILS(dama_token_logprobs(__VA_ARGS__, 1), status, text)
    FAILS(DAMA_INVALID_ARGUMENT, "logits is NULL", NULL, ROWS, VOCABULARY, labels, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "labels is NULL", logits, ROWS, VOCABULARY, NULL, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "logprobs is NULL", logits, ROWS, VOCABULARY, labels, NULL, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "normalizers is NULL", logits, ROWS, VOCABULARY, labels, logprobs, NULL);
    FAILS(DAMA_INVALID_ARGUMENT, "label 37 of row 2", logits, ROWS, VOCABULARY, bad, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "vocabulary", logits, ROWS, 0, labels, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "no possible array", logits, (size_t)-1, 2, labels, logprobs, normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "no possible array", logits, (size_t)1 << 40, (size_t)1 << 40, labels, logprobs,
          normalizers);
    FAILS(DAMA_INVALID_ARGUMENT, "size", logits, (size_t)1 << 40, 1 << 10, labels, logprobs, normalizers);
#undef FAILS
    CHECK(logprobs[0] == kept);
    CHECK(dama_token_logprobs(NULL, 0, VOCABULARY, NULL, NULL, NULL, 0) == DAMA_OK);
#define FAILS(text, ...) CHECK_FAILS(dama_token_logprobs_backward(__VA_ARGS__, 1), DAMA_INVALID_ARGUMENT, text)
    FAILS("logits is NULL", NULL, ROWS, VOCABULARY, labels, normalizers, weights, gradient);
    FAILS("labels is NULL", logits, ROWS, VOCABULARY, NULL, normalizers, weights, gradient);
    FAILS("normalizers is NULL", logits, ROWS, VOCABULARY, labels, NULL, weights, gradient);
    FAILS("weights is NULL", logits, ROWS, VOCABULARY, labels, normalizers, NULL, gradient);
    FAILS("gradient is NULL", logits, ROWS, VOCABULARY, labels, normalizers, weights, NULL);
    FAILS("label 37", logits, ROWS, VOCABULARY, bad, normalizers, weights, gradient);
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
    CHECK(dama_adamw_step(&options, 1, parameters, gradients, first, second, 2) == DAMA_OK);
    CHECK(fabs(parameters[0] - 0.85) < 2e-6 && fabs(parameters[1] + 0.85) < 2e-6);
    CHECK(fabs(first[1] + 2) < 1e-6 && fabs(second[1] - 0.4) < 1e-6);

    float kept = parameters[0];
#define FAILS(text, ...) CHECK_FAILS(dama_adamw_step(__VA_ARGS__), DAMA_INVALID_ARGUMENT, text)
    FAILS("options is NULL", NULL, 1, parameters, gradients, first, second, 2);
    FAILS("step is 0", &options, 0, parameters, gradients, first, second, 2);
    FAILS("parameters is NULL", &options, 1, NULL, gradients, first, second, 2);
    FAILS("gradients is NULL", &options, 1, parameters, NULL, first, second, 2);
    FAILS("first_moment is NULL", &options, 1, parameters, gradients, NULL, second, 2);
    FAILS("second_moment is NULL", &options, 1, parameters, gradients, first, NULL, 2);
    FAILS("size", &options, 1, parameters, gradients, first, second, (size_t)-1);
    options.beta1 = 1;
    FAILS("beta1 is 1", &options, 1, parameters, gradients, first, second, 2);
    options.struct_size = 4;
    FAILS("dama_adamw_options_init", &options, 1, parameters, gradients, first, second, 2);
#undef FAILS
    CHECK(parameters[0] == kept);
    dama_adamw_options_init(NULL);
    dama_adamw_options_init(&options);
    CHECK(dama_adamw_step(&options, 1, NULL, NULL, NULL, NULL, 0) == DAMA_OK);

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
    CHECK_FAILS(dama_learning_rate(&options, 0, &rate), DAMA_INVALID_ARGUMENT, "at least one step");
    options.total_steps = 100;
    options.learning_rate = 2;
    CHECK_FAILS(dama_learning_rate(NULL, 0, &rate), DAMA_INVALID_ARGUMENT, "options is NULL");
    CHECK_FAILS(dama_learning_rate(&options, 0, NULL), DAMA_INVALID_ARGUMENT, "learning_rate is NULL");
    CHECK(rate == 7);
    CHECK(dama_learning_rate(&options, 5, &rate) == DAMA_OK && rate == 1);
    CHECK(dama_learning_rate(&options, 10, &rate) == DAMA_OK && rate == 2);
    CHECK(dama_learning_rate(&options, 55, &rate) == DAMA_OK && fabs(rate - 1) < 1e-15);
    options.schedule = DAMA_SCHEDULE_LINEAR;
    options.warmup_steps = 20;
    CHECK(dama_learning_rate(&options, 60, &rate) == DAMA_OK && rate == 1);
    options.schedule = DAMA_SCHEDULE_CONSTANT;
    CHECK(dama_learning_rate(&options, 100, &rate) == DAMA_OK && rate == 2);
    options.schedule = (dama_schedule)5;
    CHECK_FAILS(dama_learning_rate(&options, 0, &rate), DAMA_INVALID_ARGUMENT, "schedule 5");
    options.struct_size = 1;
    CHECK_FAILS(dama_learning_rate(&options, 0, &rate), DAMA_INVALID_ARGUMENT, "dama_schedule_options_init");
}

int main(void) {
    token_logprobs();
    adamw();
    schedules();
    return check_failures != 0;
}
