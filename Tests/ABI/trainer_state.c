/* What a trainer holds, its checkpoints, and what it refuses. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>

#include "trainer_parts.h"

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

/* All tests of this file. */
static void tests(const dama_policy *policy) {
    parameters(policy);
    schedules(policy);
    checkpoints(policy);
    bad_options(policy);
    bad_input(policy);
}

int main(void) { return test_trainer(tests); }
