#include <dama.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { N = 5 };

static const double policy_chosen[N] = {-10, -20, -30, -12, -9};
static const double policy_rejected[N] = {-14, -19, -38, -12, -30};
static const double reference_chosen[N] = {-11, -20, -31, -15, -10};
static const double reference_rejected[N] = {-12, -19, -33, -12, -15};
static const double alpha_data[N] = {1, 0.9, 1.1, 1.05, 0.8};

static dama_preference_batch good_batch(void) {
    dama_preference_batch batch;
    dama_preference_batch_init(&batch);
    batch.count = N;
    batch.policy_chosen = policy_chosen;
    batch.policy_rejected = policy_rejected;
    batch.reference_chosen = reference_chosen;
    batch.reference_rejected = reference_rejected;
    batch.alpha_data = alpha_data;
    return batch;
}

static dama_adaptive_beta *make(dama_preset preset, size_t keep) {
    dama_adaptive_beta_options options;
    dama_adaptive_beta *controller = NULL;
    dama_adaptive_beta_options_init(&options, preset);
    options.keep = keep;
    CHECK(dama_adaptive_beta_create(&controller, &options) == DAMA_OK);
    return controller;
}

/* The first step of the paper by hand: h = 3, 0, 6, 3, 16; the running mean is 0, so the gaps are not divided. */
static void first_step(void) {
    dama_adaptive_beta *controller = make(DAMA_PRESET_PAPER, 4);
    double beta[N], margins[N], losses[N], chosen[N], rejected[N];
    dama_adaptive_beta_facts facts;
    dama_adaptive_beta_facts_init(&facts);
    double reward_chosen[N], reward_rejected[N], plain_chosen[N], plain_rejected[N];
    uint8_t mask[N];
    dama_preference_batch batch = good_batch();
    dama_preference_result result;
    dama_preference_result_init(&result);
    result.capacity = N;
    result.beta = beta;
    result.mask = mask;
    result.margins = margins;
    result.losses = losses;
    result.grad_chosen = chosen;
    result.grad_rejected = rejected;
    result.reward_chosen = reward_chosen;
    result.reward_rejected = reward_rejected;
    result.plain_reward_chosen = plain_chosen;
    result.plain_reward_rejected = plain_rejected;
    CHECK(dama_adaptive_beta_step(controller, &batch, &result) == DAMA_OK);

    const double h[N] = {3, 0, 6, 3, 16};
    const int kept[N] = {1, 1, 1, 1, 0};
    double alpha = 2 / (1 + exp(-0.1 * 3)), loss = 0;
    CHECK(fabs(result.alpha_model - alpha) < 1e-14);
    for (int i = 0; i < N; i++) {
        double b = 0.1 * alpha_data[i] * alpha;
        CHECK(margins[i] == h[i]);
        CHECK(mask[i] == kept[i]);
        CHECK(fabs(beta[i] - b) < 1e-15);
        CHECK(fabs(losses[i] - log1p(exp(-b * h[i]))) < 1e-14);
        CHECK(fabs(chosen[i] + kept[i] * b / (1 + exp(b * h[i])) / 4) < 1e-15);
        CHECK(rejected[i] == -chosen[i]);
        CHECK(fabs(reward_chosen[i] - b * (policy_chosen[i] - reference_chosen[i])) < 1e-14);
        CHECK(fabs(reward_rejected[i] - b * (policy_rejected[i] - reference_rejected[i])) < 1e-14);
        CHECK(fabs(plain_chosen[i] - 0.1 * (policy_chosen[i] - reference_chosen[i])) < 1e-14);
        CHECK(fabs(plain_rejected[i] - 0.1 * (policy_rejected[i] - reference_rejected[i])) < 1e-14);
        loss += kept[i] * losses[i] / 4;
    }
    CHECK(fabs(result.loss - loss) < 1e-14);
    CHECK(result.slice_loss == result.loss);
    CHECK(result.kept == 4 && result.kept_in_slice == 4 && result.nonfinite == 0);
    CHECK(result.accuracy == 0.8);
    CHECK(!result.normalized && !result.sampled_uniformly);

    CHECK(dama_adaptive_beta_describe(controller, &facts) == DAMA_OK && facts.running_mean == 0);
    CHECK(dama_adaptive_beta_commit(controller) == DAMA_OK);
    CHECK(dama_adaptive_beta_describe(controller, &facts) == DAMA_OK);
    CHECK(fabs(facts.running_mean - 0.1 * 0.3) < 1e-15);
    CHECK_FAILS(dama_adaptive_beta_commit(controller), DAMA_INVALID_ARGUMENT, "nothing to commit");

    /* A slice: the same numbers, and nothing beyond them is written. */
    CHECK(dama_adaptive_beta_step(controller, &batch, &result) == DAMA_OK);
    double part[3] = {7, 7, 7}, whole[N];
    memcpy(whole, beta, sizeof whole);
    dama_preference_result slice;
    dama_preference_result_init(&slice);
    slice.capacity = 2;
    slice.beta = part;
    batch.slice_offset = 3;
    CHECK(dama_adaptive_beta_step(controller, &batch, &slice) == DAMA_OK);
    CHECK(part[0] == whole[3] && part[1] == whole[4] && part[2] == 7);
    CHECK(slice.loss == result.loss && slice.kept == 4 && slice.kept_in_slice < 3);
    batch.slice_offset = 1;
    batch.slice_count = 2;
    CHECK(dama_adaptive_beta_step(controller, &batch, &slice) == DAMA_OK);
    CHECK(part[0] == whole[1] && part[1] == whole[2] && part[2] == 7);
    dama_adaptive_beta_free(controller);
}

static void bad_steps(void) {
    dama_adaptive_beta *controller = make(DAMA_PRESET_RELEASED, 0);
    double beta[N] = {7, 7, 7, 7, 7}, bad_alpha[N] = {1, 1, NAN, 1, 1}, nothing[N] = {NAN, NAN, NAN, NAN, NAN};
    int64_t lengths[N] = {3, 2, 1, 0, 4};
    dama_preference_batch batch = good_batch();
    dama_preference_result result;
    dama_preference_result_init(&result);
    result.capacity = N;
    result.beta = beta;
    CHECK_FAILS(dama_adaptive_beta_step(NULL, &batch, &result), DAMA_INVALID_ARGUMENT, "controller is NULL");
    CHECK_FAILS(dama_adaptive_beta_step(controller, NULL, &result), DAMA_INVALID_ARGUMENT, "batch is NULL");
    CHECK_FAILS(dama_adaptive_beta_step(controller, &batch, NULL), DAMA_INVALID_ARGUMENT, "result is NULL");
#define FAILS(change, status, text)                                           \
    batch = good_batch();                                                     \
    change;                                                                   \
    CHECK_FAILS(dama_adaptive_beta_step(controller, &batch, &result), status, text)
    FAILS(batch.struct_size = 3, DAMA_INVALID_ARGUMENT, "dama_preference_batch_init");
    FAILS(batch.struct_size = 5000, DAMA_INVALID_ARGUMENT, "struct_size 5000");
    FAILS(batch.count = 0, DAMA_INVALID_ARGUMENT, "empty");
    FAILS(batch.count = (size_t)-1, DAMA_INVALID_ARGUMENT, "size");
    FAILS(batch.count = (size_t)1 << 60, DAMA_INVALID_ARGUMENT, "size");
    FAILS(batch.policy_chosen = NULL, DAMA_INVALID_ARGUMENT, "policy_chosen is NULL");
    FAILS(batch.policy_rejected = NULL, DAMA_INVALID_ARGUMENT, "policy_rejected is NULL");
    FAILS(batch.reference_chosen = NULL, DAMA_INVALID_ARGUMENT, "reference");
    FAILS(batch.alpha_data = bad_alpha, DAMA_INVALID_ARGUMENT, "alpha_data of pair 2");
    FAILS(batch.policy_chosen = nothing, DAMA_INVALID_ARGUMENT, "finite");
    FAILS(batch.chosen_lengths = lengths, DAMA_INVALID_ARGUMENT, "lengths");
    FAILS(batch.chosen_lengths = batch.rejected_lengths = lengths, DAMA_INVALID_ARGUMENT, "at least one token");
    FAILS(batch.slice_offset = 6, DAMA_SHAPE_MISMATCH, "slice");
    FAILS(batch.slice_offset = (size_t)-2, DAMA_SHAPE_MISMATCH, "slice");
    FAILS(batch.slice_count = 6, DAMA_SHAPE_MISMATCH, "slice");
    FAILS((batch.slice_offset = 3, batch.slice_count = (size_t)-3), DAMA_SHAPE_MISMATCH, "slice");
    FAILS(result.capacity = 4, DAMA_SHAPE_MISMATCH, "room for 4 pairs");
    result.capacity = N;
    FAILS(result.struct_size = 8, DAMA_INVALID_ARGUMENT, "dama_preference_result_init");
    for (int i = 0; i < N; i++) CHECK(beta[i] == 7);
    CHECK_FAILS(dama_adaptive_beta_commit(controller), DAMA_INVALID_ARGUMENT, "nothing to commit");
    CHECK_FAILS(dama_adaptive_beta_commit(NULL), DAMA_INVALID_ARGUMENT, "controller is NULL");
    dama_adaptive_beta_free(controller);
    dama_adaptive_beta_free(NULL);
    dama_preference_batch_init(NULL);
    dama_preference_result_init(NULL);
    dama_adaptive_beta_facts_init(NULL);
}

static void options(void) {
    dama_adaptive_beta *controller = NULL;
    dama_adaptive_beta_options it, back;
    dama_adaptive_beta_options_init(NULL, DAMA_PRESET_PAPER);
    dama_adaptive_beta_options_init(&it, DAMA_PRESET_PAPER);
    dama_adaptive_beta_options_init(&it, (dama_preset)99);
    CHECK(it.struct_size == 0);
    CHECK_FAILS(dama_adaptive_beta_create(&controller, &it), DAMA_INVALID_ARGUMENT, "struct_size 0");
    for (int preset = DAMA_PRESET_PAPER; preset <= DAMA_PRESET_MDPO; preset++) {
        dama_adaptive_beta_options_init(&it, (dama_preset)preset);
        CHECK(it.struct_size == sizeof it && it.beta == 0.1 && it.momentum == 0.9);
        it.seed = 12;
        CHECK(dama_adaptive_beta_create(&controller, &it) == DAMA_OK);
        dama_adaptive_beta_options_init(&back, DAMA_PRESET_PAPER);
        CHECK(dama_adaptive_beta_get_options(controller, &back) == DAMA_OK);
        CHECK(memcmp(&it, &back, sizeof it) == 0);
        dama_adaptive_beta_free(controller);
        controller = NULL;
    }
    CHECK(dama_adaptive_beta_create(&controller, NULL) == DAMA_OK);
    CHECK_FAILS(dama_adaptive_beta_get_options(controller, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    back.struct_size = 5;
    CHECK_FAILS(dama_adaptive_beta_get_options(controller, &back), DAMA_INVALID_ARGUMENT, "struct_size 5");
    dama_adaptive_beta_free(controller);
    controller = NULL;

    CHECK_FAILS(dama_adaptive_beta_create(NULL, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
#define REFUSED(change, text)                                                                \
    dama_adaptive_beta_options_init(&it, DAMA_PRESET_PAPER);                                 \
    change;                                                                                  \
    CHECK_FAILS(dama_adaptive_beta_create(&controller, &it), DAMA_INVALID_ARGUMENT, text);   \
    CHECK(controller == NULL)
    REFUSED(it.struct_size = 0, "dama_adaptive_beta_options_init");
    REFUSED(it.struct_size = 5000, "struct_size");
    REFUSED(it.gap = (dama_gap)9, "gap 9");
    REFUSED(it.filter = (dama_filter)9, "filter 9");
    REFUSED(it.loss = (dama_loss)9, "loss 9");
    REFUSED(it.combination = (dama_combination)9, "combination 9");
    REFUSED(it.beta = -1, "beta is -1");
    REFUSED(it.keep = (size_t)-1, "keep");
    REFUSED((it.keep = 0, it.keep_ratio = 2), "keep ratio");
    REFUSED((it.loss = DAMA_LOSS_ROBUST, it.loss_parameter = 0.5), "smoothing");
    REFUSED((it.mean_time = DAMA_MEAN_BEFORE_USE), "before use");
}

/* Ten steps, save, load: the next ten steps give the same bits. */
static void state(void) {
    dama_adaptive_beta *whole = make(DAMA_PRESET_RELEASED, 3), *resumed = NULL;
    dama_preference_batch batch = good_batch();
    dama_preference_result a, b;
    dama_adaptive_beta_facts facts;
    double moving[N];
    uint8_t mask_a[N], mask_b[N];
    size_t size = 0;
    dama_preference_result_init(&a);
    dama_preference_result_init(&b);
    a.capacity = b.capacity = N;
    a.mask = mask_a;
    b.mask = mask_b;
    batch.policy_chosen = moving;
    for (int step = 0; step < 20; step++) {
        for (int i = 0; i < N; i++) moving[i] = policy_chosen[i] + 0.1 * step * i;
        if (step == 10) {
            CHECK(dama_adaptive_beta_save(whole, NULL, 0, &size) == DAMA_OK);
            uint8_t *bytes = (uint8_t *)malloc(size);
            size_t again = 0;
            CHECK_FAILS(dama_adaptive_beta_save(whole, bytes, size - 1, &again), DAMA_SHAPE_MISMATCH, "room");
            CHECK(again == 0);
            CHECK(dama_adaptive_beta_save(whole, bytes, size, &again) == DAMA_OK && again == size);
            CHECK(dama_adaptive_beta_load(&resumed, bytes, size) == DAMA_OK);
            dama_adaptive_beta *none = NULL;
            CHECK_FAILS(dama_adaptive_beta_load(&none, bytes, size - 1), DAMA_INVALID_ARGUMENT, "damaged");
            CHECK_FAILS(dama_adaptive_beta_load(&none, bytes, 3), DAMA_INVALID_ARGUMENT, "something else");
            bytes[20] ^= 1;
            CHECK_FAILS(dama_adaptive_beta_load(&none, bytes, size), DAMA_INVALID_ARGUMENT, "damaged");
            CHECK_FAILS(dama_adaptive_beta_load(NULL, bytes, size), DAMA_INVALID_ARGUMENT, "out is NULL");
            CHECK_FAILS(dama_adaptive_beta_load(&none, NULL, size), DAMA_INVALID_ARGUMENT, "bytes is NULL");
            CHECK_FAILS(dama_adaptive_beta_load(&none, bytes, (size_t)-1), DAMA_INVALID_ARGUMENT, "size");
            CHECK(none == NULL);
            free(bytes);
        }
        CHECK(dama_adaptive_beta_step(whole, &batch, &a) == DAMA_OK);
        CHECK(dama_adaptive_beta_commit(whole) == DAMA_OK);
        if (resumed) {
            CHECK(dama_adaptive_beta_step(resumed, &batch, &b) == DAMA_OK);
            CHECK(dama_adaptive_beta_commit(resumed) == DAMA_OK);
            CHECK(memcmp(mask_a, mask_b, sizeof mask_a) == 0);
            CHECK(memcmp(&a.loss, &b.loss, sizeof a.loss) == 0);
        }
    }
    dama_adaptive_beta_facts_init(&facts);
    CHECK(dama_adaptive_beta_describe(resumed, &facts) == DAMA_OK);
    CHECK(facts.steps == 20 && facts.nonfinite_pairs == 0);
    CHECK_FAILS(dama_adaptive_beta_describe(resumed, NULL), DAMA_INVALID_ARGUMENT, "facts is NULL");
    CHECK_FAILS(dama_adaptive_beta_describe(NULL, &facts), DAMA_INVALID_ARGUMENT, "controller is NULL");
    facts.struct_size = 1;
    CHECK_FAILS(dama_adaptive_beta_describe(resumed, &facts), DAMA_INVALID_ARGUMENT, "struct_size 1");
    CHECK_FAILS(dama_adaptive_beta_save(whole, NULL, 0, NULL), DAMA_INVALID_ARGUMENT, "size is NULL");
    CHECK_FAILS(dama_adaptive_beta_save(NULL, NULL, 0, &size), DAMA_INVALID_ARGUMENT, "controller is NULL");
    uint8_t byte;
    CHECK_FAILS(dama_adaptive_beta_save(whole, NULL, 1, &size), DAMA_INVALID_ARGUMENT, "bytes is NULL");
    CHECK_FAILS(dama_adaptive_beta_save(whole, &byte, 1, &size), DAMA_SHAPE_MISMATCH, "room for 1");
    dama_adaptive_beta_free(whole);
    dama_adaptive_beta_free(resumed);
}

static void losses(void) {
    const double margins[2] = {3, -1e4}, beta[2] = {0.5, 1}, zero[2] = {1, 0}, bad[2] = {1, INFINITY};
    double values[2] = {7, 7}, slopes[2] = {7, 7};
    CHECK_FAILS(dama_loss_evaluate((dama_loss)9, 0, margins, beta, 2, values, slopes), DAMA_INVALID_ARGUMENT, "loss 9");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_CDPO, 0.5, margins, beta, 2, values, slopes), DAMA_INVALID_ARGUMENT,
                "0.5");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_IPO, 0, NULL, beta, 2, values, slopes), DAMA_INVALID_ARGUMENT, "margins");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_IPO, 0, margins, NULL, 2, values, slopes), DAMA_INVALID_ARGUMENT, "beta");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_IPO, 0, margins, zero, 2, values, slopes), DAMA_INVALID_ARGUMENT,
                "beta 1");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_IPO, 0, bad, beta, 2, values, slopes), DAMA_INVALID_ARGUMENT, "margin 1");
    CHECK_FAILS(dama_loss_evaluate(DAMA_LOSS_IPO, 0, bad, beta, (size_t)-1, values, slopes), DAMA_INVALID_ARGUMENT,
                "size");
    CHECK(values[0] == 7 && slopes[1] == 7);
    CHECK(dama_loss_evaluate(DAMA_LOSS_SIGMOID, 0, margins, beta, 2, values, slopes) == DAMA_OK);
    CHECK(fabs(values[0] - log1p(exp(-1.5))) < 1e-15 && values[1] == 1e4);
    CHECK(fabs(slopes[0] + 0.5 / (1 + exp(1.5))) < 1e-15 && slopes[1] == -1);
    CHECK(dama_loss_evaluate(DAMA_LOSS_IPO, NAN, margins, beta, 2, values, NULL) == DAMA_OK);
    CHECK(values[0] == 4);
    CHECK(dama_loss_evaluate(DAMA_LOSS_HINGE, 0, margins, beta, 2, NULL, slopes) == DAMA_OK);
    CHECK(slopes[0] == 0 && slopes[1] == -1);
    CHECK(dama_loss_evaluate(DAMA_LOSS_HINGE, 0, NULL, NULL, 0, NULL, NULL) == DAMA_OK);
}

static void hardness(void) {
    const float chosen[2] = {20, 22}, rejected[1] = {21}, opposite[2] = {1, -1};
    const double delta[2] = {0.5, -0.5}, bad[2] = {0, NAN};
    double ratio = 7, alpha[2] = {7, 7};
    CHECK(dama_hardness_from_scores(chosen, 2, rejected, 1, &ratio) == DAMA_OK && ratio == 2);
    ratio = 7;
    CHECK_FAILS(dama_hardness_from_scores(NULL, 2, rejected, 1, &ratio), DAMA_INVALID_ARGUMENT, "chosen_scores");
    CHECK_FAILS(dama_hardness_from_scores(chosen, 2, NULL, 1, &ratio), DAMA_INVALID_ARGUMENT, "rejected_scores");
    CHECK_FAILS(dama_hardness_from_scores(chosen, 0, rejected, 1, &ratio), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_FAILS(dama_hardness_from_scores(chosen, 2, opposite, 2, &ratio), DAMA_INVALID_ARGUMENT, "0");
    CHECK_FAILS(dama_hardness_from_scores(chosen, 2, rejected, 1, NULL), DAMA_INVALID_ARGUMENT, "delta is NULL");
    CHECK(ratio == 7);
    CHECK_FAILS(dama_alpha_data(NULL, 2, 0, alpha), DAMA_INVALID_ARGUMENT, "delta is NULL");
    CHECK_FAILS(dama_alpha_data(delta, 2, 0, NULL), DAMA_INVALID_ARGUMENT, "alpha_data is NULL");
    CHECK_FAILS(dama_alpha_data(delta, 0, 0, alpha), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_FAILS(dama_alpha_data(bad, 2, 0, alpha), DAMA_INVALID_ARGUMENT, "delta 1");
    CHECK_FAILS(dama_alpha_data(delta, 2, INFINITY, alpha), DAMA_INVALID_ARGUMENT, "mean_delta");
    CHECK(alpha[0] == 7);
    CHECK(dama_alpha_data(delta, 2, NAN, alpha) == DAMA_OK);
    CHECK(fabs(alpha[0] - 2 / (1 + exp(-0.5))) < 1e-15 && fabs(alpha[1] - 2 / (1 + exp(0.5))) < 1e-15);
    CHECK(dama_alpha_data(delta, 2, 0.5, alpha) == DAMA_OK && alpha[0] == 1);
}

int main(void) {
    first_step();
    bad_steps();
    options();
    state();
    losses();
    hardness();
    return check_failures != 0;
}
