/* Structs that may grow, in every size: the size that was first published, as in a program built with that header, and a
   size larger than the library knows, as in a program built with a later header. Each ends where memory ends. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dama.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
/* FIRST_SIZE_NAME, from first_sizes.txt. */
#include "first_sizes.h"

enum { MORE = 64 };

static size_t page;

/* A struct of `size` bytes before an inaccessible page; bytes that are not initialised are garbage. */
static void *at_the_end(size_t size) {
    unsigned char *memory = (unsigned char *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) != 0) abort();
    memset(memory, 0xA5, page);
    return memory + page - size;
}

static void discard(void *object, size_t size) {
    munmap((unsigned char *)object + size - page, 2 * page);
}

static int is_zero(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (((const unsigned char *)bytes)[i]) return 0;
    return 1;
}

/* The checks of one struct that a function takes: `init` initialises `it` of `size` bytes, `fill` sets fields. The run
   script reads the names of the function and the struct, which come first, to check that none is missing. */
#define COVERED_INPUT(function, kind, init, fill, call) COVER(function, kind, init, fill, call, 1)
#define COVERED_OUTPUT(function, kind, init, fill, call) COVER(function, kind, init, fill, call, 0)
#define COVER(function, kind, init, fill, call, is_input)                                                       \
    do {                                                                                                        \
        const size_t first = FIRST_SIZE_##kind, whole = sizeof(kind), longer = sizeof(kind) + MORE;             \
        const size_t good[] = {first, whole, longer}, bad[] = {0, 3, first - 1, 4097, 0xFFFFFFFF};              \
        for (size_t i = 0; i < 3; i++) {                                                                        \
            const size_t size = good[i];                                                                        \
            kind *it = (kind *)at_the_end(size);                                                                \
            init;                                                                                               \
            CHECK(it->struct_size == size);                                                                     \
            fill;                                                                                               \
            CHECK((call) == DAMA_OK);                                                                           \
            CHECK(it->struct_size == size);                                                                     \
            if (size == longer) {                                                                               \
                CHECK(is_zero(it + 1, MORE));                                                                   \
                ((unsigned char *)it)[longer - 1] = 1;                                                          \
                if (is_input) {                                                                                 \
                    CHECK_FAILS(call, DAMA_UNSUPPORTED, "does not have");                                       \
                } else {                                                                                        \
                    CHECK((call) == DAMA_OK);                                                                   \
                    CHECK(is_zero(it + 1, MORE));                                                               \
                }                                                                                               \
            }                                                                                                   \
            discard(it, size);                                                                                  \
        }                                                                                                       \
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {                                                 \
            const size_t size = whole;                                                                          \
            kind *it = (kind *)at_the_end(size);                                                                \
            init;                                                                                               \
            fill;                                                                                               \
            it->struct_size = (uint32_t)bad[i];                                                                 \
            CHECK_FAILS(call, DAMA_INVALID_ARGUMENT, #kind "_init()");                                          \
            CHECK(it->struct_size == (uint32_t)bad[i]);                                                         \
            discard(it, size);                                                                                  \
        }                                                                                                       \
    } while (0)
#define INIT(kind) kind##_init_sized(it, size)
#define INIT_BETA dama_adaptive_beta_options_init_sized(it, size, DAMA_PRESET_PAPER)

/* Creates a handle and frees it. */
#define MADE(type, create, destroy) \
    made_##type = NULL, made_status = (create), destroy(made_##type), made_status
static dama_status made_status;
static dama_adaptive_beta *made_adaptive_beta;
static dama_policy *made_policy;
static dama_scorer *made_scorer;
static dama_trainer *made_trainer;
static dama_strings *made_strings;
static dama_scored_pairs *made_scored_pairs;
static dama_splitter *made_splitter;
static dama_texts *made_texts;
static dama_judge *made_judge;
static dama_metrics *made_metrics;
static dama_comparison *made_comparison;
static dama_memory_plan *made_memory_plan;

static char folder[] = "/tmp/dama-abi-XXXXXX";
static char clip[4096], llava[4096], png[4096];
static const char *text_model;

static const char *below(const char *name) {
    static char paths[8][64];
    static int next = 0;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void controllers(void) {
    COVERED_INPUT(dama_adaptive_beta_create, dama_adaptive_beta_options, INIT_BETA, it->beta = 0.2,
                  (MADE(adaptive_beta, dama_adaptive_beta_create(&made_adaptive_beta, it), dama_adaptive_beta_free)));
    dama_adaptive_beta *controller = NULL;
    CHECK(dama_adaptive_beta_create(&controller, NULL) == DAMA_OK);
    COVERED_OUTPUT(dama_adaptive_beta_get_options, dama_adaptive_beta_options, INIT_BETA, (void)0,
                   dama_adaptive_beta_get_options(controller, it));
    COVERED_OUTPUT(dama_adaptive_beta_describe, dama_adaptive_beta_facts, INIT(dama_adaptive_beta_facts),
                   (void)0, dama_adaptive_beta_describe(controller, it));
    const double chosen[] = {-1, -2}, rejected[] = {-2, -1}, reference[] = {-1.5, -1.5};
    double beta[2];
    dama_preference_batch batch;
    dama_preference_result result;
    dama_preference_batch_init(&batch);
    dama_preference_result_init(&result);
    batch.count = 2;
    batch.policy_chosen = chosen;
    batch.policy_rejected = rejected;
    batch.reference_chosen = batch.reference_rejected = reference;
    COVERED_INPUT(dama_adaptive_beta_step, dama_preference_batch, INIT(dama_preference_batch),
                  (it->count = 2, it->policy_chosen = chosen, it->policy_rejected = rejected,
                   it->reference_chosen = reference, it->reference_rejected = reference),
                  dama_adaptive_beta_step(controller, it, &result));
    COVERED_INPUT(dama_adaptive_beta_step, dama_preference_result, INIT(dama_preference_result),
                  (it->capacity = 2, it->beta = beta), dama_adaptive_beta_step(controller, &batch, it));
    dama_adaptive_beta_free(controller);

    dama_adaptive_beta_options options;
    /* No room for struct_size itself, a size that no struct has, and an unknown preset. */
    memset(&options, 0xA5, sizeof options);
    dama_adaptive_beta_options_init_sized(&options, 3, DAMA_PRESET_PAPER);
    CHECK(options.struct_size == 0xA5A5A5A5);
    dama_adaptive_beta_options_init_sized(&options, 5000, DAMA_PRESET_PAPER);
    CHECK(options.struct_size == 0);
    dama_adaptive_beta_options_init_sized(&options, sizeof options, (dama_preset)99);
    CHECK(options.struct_size == 0);
}

static void kernels(void) {
    float value = 1, gradient = 1, first_moment = 0, second_moment = 0;
    COVERED_INPUT(dama_adamw_step, dama_adamw_options, INIT(dama_adamw_options), (void)0,
                  dama_adamw_step(&gradient, 1, 1, it, &value, &first_moment, &second_moment));
    double rate = 0;
    COVERED_INPUT(dama_learning_rate, dama_schedule_options, INIT(dama_schedule_options), it->total_steps = 10,
                  dama_learning_rate(3, it, &rate));
}

static void text(void) {
    dama_tokenizer *tokenizer = NULL;
    CHECK(dama_tokenizer_create(&tokenizer, clip) == DAMA_OK);
    COVERED_OUTPUT(dama_tokenizer_describe, dama_tokenizer_facts, INIT(dama_tokenizer_facts), (void)0,
                   dama_tokenizer_describe(tokenizer, it));
    COVERED_INPUT(dama_split, dama_split_options, INIT(dama_split_options),
                  (it->token_limit = 20, it->tokenizer = tokenizer),
                  (MADE(strings, dama_split(&made_strings, "A dog. A cat.", it), dama_strings_free)));
    COVERED_INPUT(dama_splitter_create_command, dama_splitter_options, INIT(dama_splitter_options), it->timeout = 5,
                  (MADE(splitter, dama_splitter_create_command(&made_splitter, "cat", it), dama_splitter_free)));
    COVERED_INPUT(dama_splitter_create_endpoint, dama_splitter_options, INIT(dama_splitter_options), it->retries = 0,
                  (MADE(splitter, dama_splitter_create_endpoint(&made_splitter, "http://[::1]:9", "m", it),
                        dama_splitter_free)));
    dama_splitter *splitter = NULL;
    CHECK(dama_splitter_create_built_in(&splitter) == DAMA_OK);
    COVERED_INPUT(dama_splitter_split, dama_split_options, INIT(dama_split_options),
                  (it->token_limit = 20, it->tokenizer = tokenizer),
                  (MADE(strings, dama_splitter_split(&made_strings, NULL, splitter, "A dog. A cat.", it, NULL),
                        dama_strings_free)));
    dama_splitter_free(splitter);
    dama_tokenizer_free(tokenizer);
}

static void scorer(void) {
    COVERED_INPUT(dama_scorer_create, dama_scorer_options, INIT(dama_scorer_options), it->threads = 1,
                  (MADE(scorer, dama_scorer_create(&made_scorer, clip, it), dama_scorer_free)));
    dama_scorer *scorer = NULL;
    CHECK(dama_scorer_create(&scorer, clip, NULL) == DAMA_OK);
    COVERED_OUTPUT(dama_scorer_describe, dama_scorer_facts, INIT(dama_scorer_facts), (void)0,
                   dama_scorer_describe(scorer, it));
    dama_image image;
    double delta;
    memset(&image, 0, sizeof image);
    image.path = png;
    COVERED_INPUT(dama_scorer_hardness, dama_hardness_options, INIT(dama_hardness_options),
                  it->delta_source = DAMA_DELTA_FROM_SCORES,
                  dama_scorer_hardness(NULL, scorer, &image, "A red circle.", "Two dogs.", it, &delta, NULL));
    const dama_response_pair pair = {&image, "A red circle.", "Two dogs."};
    COVERED_INPUT(dama_scorer_hardness_batch, dama_hardness_options, INIT(dama_hardness_options),
                  it->delta_source = DAMA_DELTA_FROM_SCORES,
                  (MADE(scored_pairs, dama_scorer_hardness_batch(&made_scored_pairs, scorer, &pair, 1, it, NULL),
                        dama_scored_pairs_free)));
    dama_score_dataset_options options;
    dama_score_dataset_options_init(&options);
    options.data = below("pairs.jsonl");
    options.output = below("scores.jsonl");
    options.image_root = getenv("DAMA_LLAVA_FIXTURES");
    COVERED_INPUT(dama_score_dataset, dama_score_dataset_options, INIT(dama_score_dataset_options),
                  (it->data = options.data, it->output = options.output, it->image_root = options.image_root),
                  dama_score_dataset(scorer, it, NULL, NULL));
    COVERED_OUTPUT(dama_score_dataset, dama_score_dataset_result, INIT(dama_score_dataset_result), (void)0,
                   dama_score_dataset(scorer, &options, it, NULL));
    options.output = below("merged.jsonl");
    options.shards = 1;
    CHECK(dama_score_dataset(scorer, &options, NULL, NULL) == DAMA_OK);
    COVERED_INPUT(dama_merge_scores, dama_merge_scores_options, INIT(dama_merge_scores_options),
                  it->output = options.output, dama_merge_scores(it, NULL, NULL));
    dama_merge_scores_options merge;
    dama_merge_scores_options_init(&merge);
    merge.output = options.output;
    COVERED_OUTPUT(dama_merge_scores, dama_score_dataset_result, INIT(dama_score_dataset_result), (void)0,
                   dama_merge_scores(&merge, it, NULL));
    dama_scorer_free(scorer);
}

static void policy(dama_policy *policy) {
    COVERED_INPUT(dama_policy_create, dama_policy_options, INIT(dama_policy_options), it->threads = 1,
                  (MADE(policy, dama_policy_create(&made_policy, llava, it), dama_policy_free)));
    COVERED_OUTPUT(dama_policy_describe, dama_policy_facts, INIT(dama_policy_facts), (void)0,
                   dama_policy_describe(policy, it));
    dama_policy *text_policy = NULL;
    CHECK(dama_policy_create(&text_policy, text_model, NULL) == DAMA_OK);
    COVERED_INPUT(dama_splitter_create_policy, dama_splitter_options, INIT(dama_splitter_options), (void)0,
                  (MADE(splitter, dama_splitter_create_policy(&made_splitter, text_policy, it), dama_splitter_free)));
    dama_policy_free(text_policy);
    dama_image image;
    memset(&image, 0, sizeof image);
    image.path = png;
    dama_prompt prompt = {&image, "What is it?"};
    COVERED_INPUT(dama_policy_generate, dama_generation_options, INIT(dama_generation_options), it->max_tokens = 2,
                  (MADE(texts, dama_policy_generate(&made_texts, policy, &prompt, 1, it, NULL), dama_texts_free)));
    dama_conversation chat = {"[{\"role\": \"user\", \"content\": \"What?\"}]", &image, 1, NULL, NULL};
    COVERED_INPUT(dama_policy_chat, dama_generation_options, INIT(dama_generation_options), it->max_tokens = 2,
                  (MADE(texts, dama_policy_chat(&made_texts, policy, &chat, 1, it, NULL), dama_texts_free)));
    dama_reference_dataset_options options;
    dama_reference_dataset_options_init(&options);
    options.data = below("pairs.jsonl");
    options.output = below("reference.jsonl");
    options.image_root = getenv("DAMA_LLAVA_FIXTURES");
    COVERED_INPUT(dama_reference_dataset, dama_reference_dataset_options, INIT(dama_reference_dataset_options),
                  (it->data = options.data, it->output = options.output, it->image_root = options.image_root),
                  dama_reference_dataset(policy, it, NULL, NULL));
    COVERED_OUTPUT(dama_reference_dataset, dama_reference_dataset_result, INIT(dama_reference_dataset_result), (void)0,
                   dama_reference_dataset(policy, &options, it, NULL));
}

static void generate_job(dama_policy *policy) {
    dama_generation_options generation;
    dama_generation_options_init(&generation);
    generation.max_tokens = 2;
    dama_generate_dataset_options options;
    dama_generate_dataset_options_init(&options);
    options.data = below("pairs.jsonl");
    options.output = below("responses.jsonl");
    options.image_root = getenv("DAMA_LLAVA_FIXTURES");
    options.generation = &generation;
    COVERED_INPUT(dama_generate_dataset, dama_generate_dataset_options, INIT(dama_generate_dataset_options),
                  (it->data = options.data, it->output = options.output, it->image_root = options.image_root,
                   it->generation = &generation),
                  dama_generate_dataset(policy, it, NULL, NULL));
    COVERED_OUTPUT(dama_generate_dataset, dama_generate_dataset_result, INIT(dama_generate_dataset_result), (void)0,
                   dama_generate_dataset(policy, &options, it, NULL));
    /* A struct inside another. */
    COVERED_INPUT(dama_generate_dataset, dama_generation_options, INIT(dama_generation_options),
                  (it->max_tokens = 2, options.generation = it), dama_generate_dataset(policy, &options, NULL, NULL));
}

static dama_status answer(const dama_judge_request *request, dama_judge_reply *reply, void *user) {
    (void)request;
    (void)user;
    return dama_judge_reply_set(reply, "Yes", NULL);
}

static void evaluation(void) {
    COVERED_INPUT(dama_judge_create_callback, dama_judge_options, INIT(dama_judge_options), it->concurrency = 1,
                  (MADE(judge, dama_judge_create_callback(&made_judge, "yes", answer, it, NULL), dama_judge_free)));
    COVERED_INPUT(dama_judge_create_command, dama_judge_options, INIT(dama_judge_options), it->timeout = 5,
                  (MADE(judge, dama_judge_create_command(&made_judge, "cat", it), dama_judge_free)));
    COVERED_INPUT(dama_judge_create_endpoint, dama_judge_options, INIT(dama_judge_options), it->retries = 0,
                  (MADE(judge, dama_judge_create_endpoint(&made_judge, "http://[::1]:9", "m", it), dama_judge_free)));
    dama_policy *writer = NULL;
    CHECK(dama_policy_create(&writer, text_model, NULL) == DAMA_OK);
    COVERED_INPUT(dama_judge_create_policy, dama_judge_options, INIT(dama_judge_options), (void)0,
                  (MADE(judge, dama_judge_create_policy(&made_judge, writer, it), dama_judge_free)));
    dama_policy_free(writer);

    char set[64];
    snprintf(set, sizeof set, "%s", below("coco_pope_random.json"));
    FILE *file = fopen(set, "w");
    if (!file) return;
    fputs("{\"question_id\": 1, \"image\": \"a.jpg\", \"text\": \"Is it red?\", \"label\": \"yes\", "
          "\"response\": \"Yes\"}\n", file);
    fclose(file);
    const char *files[] = {set};
    char data[64], output[64];
    snprintf(data, sizeof data, "%s", below("pope"));
    snprintf(output, sizeof output, "%s", below("pope.jsonl"));
    dama_preparation *preparation = NULL;
    CHECK(dama_evaluate_prepare(&preparation, "pope", files, 1, 0, data, NULL) == DAMA_OK);
    COVERED_OUTPUT(dama_preparation_at, dama_missing_file, INIT(dama_missing_file), (void)0,
                   dama_preparation_at(preparation, 0, it));
    dama_preparation_free(preparation);
    dama_evaluate_options options;
    dama_evaluate_options_init(&options);
    options.benchmark = "pope";
    options.data = data;
    /* A question of POPE with an answer is an answer too. */
    options.responses = set;
    options.output = output;
    COVERED_INPUT(dama_evaluate, dama_evaluate_options, INIT(dama_evaluate_options),
                  (it->benchmark = "pope", it->data = data, it->responses = set, it->output = output),
                  dama_evaluate(NULL, it, NULL, NULL));
    COVERED_OUTPUT(dama_evaluate, dama_evaluate_result, INIT(dama_evaluate_result), (void)0,
                   dama_evaluate(NULL, &options, it, NULL));
    CHECK(dama_evaluate(&made_metrics, &options, NULL, NULL) == DAMA_OK);
    COVERED_OUTPUT(dama_metrics_at, dama_metric, INIT(dama_metric), (void)0, dama_metrics_at(made_metrics, 0, it));
    dama_metrics_free(made_metrics);

    options.output = below("pope2.jsonl");
    CHECK(dama_evaluate(NULL, &options, NULL, NULL) == DAMA_OK);
    const char *summaries[] = {below("pope.summary.json"), below("pope2.summary.json")};
    COVERED_INPUT(dama_evaluate_compare, dama_comparison_options, INIT(dama_comparison_options), it->resamples = 10,
                  (MADE(comparison, dama_evaluate_compare(&made_comparison, summaries, 2, it, NULL),
                        dama_comparison_free)));
}

static void train_job(dama_policy *policy) {
    dama_trainer_options trainer;
    dama_trainer_options_init(&trainer);
    trainer.trainable = DAMA_TRAINABLE_PROJECTOR;
    dama_adaptive_beta_options method;
    dama_adaptive_beta_options_init(&method, DAMA_PRESET_DPO);
    dama_train_dataset_options options;
    dama_train_dataset_options_init(&options);
    options.data = below("pairs.jsonl");
    options.output = below("trained");
    options.image_root = getenv("DAMA_LLAVA_FIXTURES");
    options.batch_size = 1;
    options.epochs = 1;
    options.trainer = &trainer;
    options.method = &method;
    COVERED_INPUT(dama_train_dataset, dama_train_dataset_options, INIT(dama_train_dataset_options),
                  (it->data = options.data, it->output = options.output, it->image_root = options.image_root,
                   it->batch_size = 1, it->epochs = 1, it->trainer = &trainer, it->method = &method),
                  dama_train_dataset(policy, it, NULL, NULL));
    COVERED_OUTPUT(dama_train_dataset, dama_train_dataset_result, INIT(dama_train_dataset_result), (void)0,
                   dama_train_dataset(policy, &options, it, NULL));
    /* Structs inside another: the job is the same and already finished. */
    COVERED_INPUT(dama_train_dataset, dama_trainer_options, INIT(dama_trainer_options),
                  (it->trainable = DAMA_TRAINABLE_PROJECTOR, options.trainer = it),
                  dama_train_dataset(policy, &options, NULL, NULL));
    options.trainer = &trainer;
    COVERED_INPUT(dama_train_dataset, dama_schedule_options, INIT(dama_schedule_options), options.schedule = it,
                  dama_train_dataset(policy, &options, NULL, NULL));
    options.schedule = NULL;
    COVERED_INPUT(dama_train_dataset, dama_export_options, INIT(dama_export_options), options.exported = it,
                  dama_train_dataset(policy, &options, NULL, NULL));
    options.exported = NULL;
    COVERED_INPUT(dama_train_dataset, dama_adaptive_beta_options,
                  dama_adaptive_beta_options_init_sized(it, size, DAMA_PRESET_DPO), options.method = it, dama_train_dataset(policy, &options, NULL, NULL));

    char yaml[8192];
    snprintf(yaml, sizeof yaml,
             "model: %s\ndata: %s\nout: %s\nimage_root: %s\nbatch_size: 1\nepochs: 1\ntrainable: projector\n"
             "method: {preset: dpo}\n",
             llava, options.data, options.output, options.image_root);
    COVERED_INPUT(dama_train_yaml, dama_train_yaml_options, INIT(dama_train_yaml_options), it->restart = 1,
                  dama_train_yaml(yaml, NULL, 0, it, NULL, NULL));
    COVERED_INPUT(dama_train_plan, dama_memory_plan_options, INIT(dama_memory_plan_options), it->prompt_tokens = 32,
                  (MADE(memory_plan, dama_train_plan(&made_memory_plan, yaml, NULL, 0, it), dama_memory_plan_free)));
    dama_train_yaml_options alone;
    dama_train_yaml_options_init(&alone);
    COVERED_INPUT(dama_train_yaml, dama_ranks, INIT(dama_ranks), alone.ranks = it,
                  dama_train_yaml(yaml, NULL, 0, &alone, NULL, NULL));
    COVERED_OUTPUT(dama_train_yaml, dama_train_dataset_result, INIT(dama_train_dataset_result), (void)0,
                   dama_train_yaml(yaml, NULL, 0, NULL, it, NULL));
}

static void trainer(dama_policy *policy) {
    COVERED_INPUT(dama_trainer_create, dama_trainer_options, INIT(dama_trainer_options),
                  it->trainable = DAMA_TRAINABLE_PROJECTOR,
                  (MADE(trainer, dama_trainer_create(&made_trainer, policy, policy, NULL, it), dama_trainer_free)));
    dama_trainer_options options;
    dama_trainer_options_init(&options);
    options.trainable = DAMA_TRAINABLE_PROJECTOR;
    /* A struct inside another. */
    COVERED_INPUT(dama_trainer_create, dama_schedule_options, INIT(dama_schedule_options),
                  (it->total_steps = 10, options.schedule = it),
                  (MADE(trainer, dama_trainer_create(&made_trainer, policy, policy, NULL, &options), dama_trainer_free)));
    options.schedule = NULL;
    COVERED_INPUT(dama_trainer_create, dama_ranks, INIT(dama_ranks), options.ranks = it,
                  (MADE(trainer, dama_trainer_create(&made_trainer, policy, policy, NULL, &options), dama_trainer_free)));
    options.ranks = NULL;
    dama_trainer *trainer = NULL;
    CHECK(dama_trainer_create(&trainer, policy, policy, NULL, &options) == DAMA_OK);
    dama_image image;
    memset(&image, 0, sizeof image);
    image.path = png;
    dama_training_pair pair;
    dama_training_pair_init(&pair);
    pair.pair.image = &image;
    pair.pair.prompt = "What is it?";
    pair.pair.chosen = "A red circle.";
    pair.pair.rejected = "Two dogs.";
    COVERED_OUTPUT(dama_trainer_step, dama_step_metrics, INIT(dama_step_metrics), (void)0,
                   dama_trainer_step(trainer, &pair, 1, it, NULL));
    COVERED_OUTPUT(dama_trainer_parameter_at, dama_parameter, INIT(dama_parameter), (void)0,
                   dama_trainer_parameter_at(trainer, 0, it));
    COVERED_OUTPUT(dama_trainer_describe, dama_trainer_facts, INIT(dama_trainer_facts), (void)0,
                   dama_trainer_describe(trainer, it));
    COVERED_INPUT(dama_trainer_export, dama_export_options, INIT(dama_export_options), (void)0,
                  dama_trainer_export(trainer, below("exported"), it));
    dama_trainer_free(trainer);
}

int main(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    const char *clips = getenv("DAMA_CLIP_FIXTURES"), *llavas = getenv("DAMA_LLAVA_FIXTURES");
    text_model = getenv("DAMA_TEXT_MODEL");
    if (!clips || !llavas || !text_model) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES, DAMA_LLAVA_FIXTURES and DAMA_TEXT_MODEL, as Tests/ABI/run does\n");
        return 1;
    }
    snprintf(clip, sizeof clip, "%s/legacy", clips);
    snprintf(llava, sizeof llava, "%s/default", llavas);
    snprintf(png, sizeof png, "%s/image.png", llavas);
    CHECK(mkdtemp(folder) != NULL);
    FILE *file = fopen(below("pairs.jsonl"), "w");
    if (!file) return 1;
    fputs("{\"idx\": 1, \"image\": \"image.png\", \"question\": \"What is it?\", \"chosen\": \"A red circle.\", "
          "\"rejected\": \"Two dogs.\"}\n", file);
    fclose(file);

    controllers();
    kernels();
    text();
    scorer();
    dama_policy *opened = NULL;
    CHECK(dama_policy_create(&opened, llava, NULL) == DAMA_OK);
    policy(opened);
    generate_job(opened);
    evaluation();
    train_job(opened);
    trainer(opened);
    dama_policy_free(opened);

    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
