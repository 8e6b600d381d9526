#include <dama.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

/* The small LLaVA of Tests/DamaModelsTests/Fixtures/make_llava.py; the run script names the folder. */
static char model[4096], png[4096];

/* The first pair of default/expected.json and the results of transformers. */
static const char prompt[] = "What is in the image?";
static const char chosen[] = "A red circle is left of a blue star.";
static const char rejected[] = "There is a large green square at the top.";

static void options(void) {
    dama_policy_options options;
    dama_policy_options_init(NULL);
    dama_policy_options_init(&options);
    CHECK(options.struct_size == sizeof options && options.threads == 0 && options.prompt_template == NULL);
    CHECK(options.token_budget == 8192 && options.share_prefix == 1 && options.max_length == 0);

    dama_policy *policy = (dama_policy *)&options;
    CHECK_FAILS(dama_policy_create(NULL, model, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_policy_create(&policy, NULL, NULL), DAMA_INVALID_ARGUMENT, "model_dir is NULL");
    CHECK_FAILS(dama_policy_create(&policy, "/nowhere", NULL), DAMA_IO, "/nowhere/config.json");
    options.struct_size = 3;
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "struct_size 3");
    dama_policy_options_init(&options);
    options.max_image_pixels = 0;
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "max_image_pixels");
    dama_policy_options_init(&options);
    options.provider = "quantum";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "'quantum'");
    dama_policy_options_init(&options);
    options.prompt_template = "vicuna_v9";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "unknown template");
    options.prompt_template = "llava-1.5";
    options.system = "Be brief.";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "no place for a system prompt");
    dama_policy_options_init(&options);
    options.image_mode = (dama_image_mode)7;
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "image_mode 7");
    dama_policy_options_init(&options);
    options.template_date = "tomorrow";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "such as 2026-01-31");
    options.template_date = "2026-01-31";
    options.vision_tower = "ignored by this model";
    dama_policy *other = NULL;
    CHECK(dama_policy_create(&other, model, &options) == DAMA_OK);
    dama_policy_free(other);
    dama_policy_options_init(&options);
    CHECK(options.precision == NULL);
    options.precision = "half";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "unknown precision 'half'");
    options.precision = "bfloat16";
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_UNSUPPORTED, "use float32 or float16");
    options.precision = "float16";
    CHECK(dama_policy_create(&other, model, &options) == DAMA_OK);
    dama_policy_free(other);
    dama_policy_options_init(&options);
    options.overlong = (dama_overlong)7;
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "overlong 7");
    dama_policy_options_init(&options);
    options.token_budget = 0;
    CHECK_FAILS(dama_policy_create(&policy, model, &options), DAMA_INVALID_ARGUMENT, "token_budget");
    CHECK(policy == (dama_policy *)&options);
    dama_policy_free(NULL);
}

static void facts(const dama_policy *policy) {
    dama_policy_facts facts;
    dama_policy_facts_init(NULL);
    dama_policy_facts_init(&facts);
    CHECK(facts.struct_size == sizeof facts);
    CHECK(dama_policy_describe(policy, &facts) == DAMA_OK);
    CHECK(facts.hidden_size == 32 && facts.max_length == 512 && facts.image_tokens == 16);
    CHECK(facts.vocabulary_size > 256 && strstr(facts.prompt_template, "chat_template.jinja") != NULL);
    CHECK_FAILS(dama_policy_describe(NULL, &facts), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_policy_describe(policy, NULL), DAMA_INVALID_ARGUMENT, "facts is NULL");
    facts.struct_size = 3;
    CHECK_FAILS(dama_policy_describe(policy, &facts), DAMA_INVALID_ARGUMENT, "struct_size 3");

    dama_strings *names = NULL;
    int found = 0;
    CHECK(dama_prompt_templates(&names) == DAMA_OK && dama_strings_count(names) > 4);
    for (size_t i = 0; i < dama_strings_count(names); i++) {
        found += strcmp(dama_strings_at(names, i), "vicuna_v1") == 0;
    }
    CHECK(found == 1);
    dama_strings_free(names);
    CHECK_FAILS(dama_prompt_templates(NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
}

static void logps(const dama_policy *policy, const dama_image *image) {
    dama_preference_pair pairs[2];
    pairs[0].image = image;
    pairs[0].prompt = prompt;
    pairs[0].chosen = chosen;
    pairs[0].rejected = rejected;
    pairs[1] = pairs[0];
    pairs[1].chosen = rejected;
    pairs[1].rejected = chosen;

    dama_logps *found = NULL;
    dama_response_logp logp, other;
    float tokens[64];
    double sums[2], sum = 0;
    size_t count = 0;
    CHECK(dama_policy_logps(&found, policy, pairs, 2, NULL) == DAMA_OK && dama_logps_count(found) == 2);
    if (!found) {
        return;
    }
    CHECK(dama_logps_at(found, 0, DAMA_CHOSEN, &logp) == DAMA_OK);
    CHECK(logp.count == 20 && !logp.was_cut && fabs(logp.mean - logp.sum / 20) < 1e-9);
    /* fp32 on both sides, summed over the tokens. */
    CHECK(fabs(logp.sum + 139.1931) < 1e-3);
    CHECK(dama_logps_tokens(found, 0, DAMA_CHOSEN, NULL, 0, &count) == DAMA_OK && count == 20);
    count = 0;
    CHECK(dama_logps_tokens(found, 0, DAMA_CHOSEN, tokens, 64, &count) == DAMA_OK && count == 20);
    for (size_t i = 0; i < count; i++) {
        sum += tokens[i];
    }
    CHECK(fabs(sum - logp.sum) < 1e-5 && fabsf(tokens[0] + 9.23180f) < 1e-4f);
    CHECK(dama_logps_at(found, 0, DAMA_REJECTED, &logp) == DAMA_OK);
    CHECK(logp.count == 25 && fabs(logp.sum + 160.9098) < 1e-3);
    CHECK(dama_logps_at(found, 1, DAMA_CHOSEN, &other) == DAMA_OK && fabs(logp.sum - other.sum) < 1e-3);
    CHECK(dama_logps_sums(found, DAMA_REJECTED, sums, 2) == DAMA_OK && sums[0] == logp.sum);
    CHECK(fabs(sums[1] + 139.1931) < 1e-3);

    CHECK_FAILS(dama_logps_at(NULL, 0, DAMA_CHOSEN, &logp), DAMA_INVALID_ARGUMENT, "logps is NULL");
    CHECK_FAILS(dama_logps_at(found, 0, DAMA_CHOSEN, NULL), DAMA_INVALID_ARGUMENT, "logp is NULL");
    CHECK_FAILS(dama_logps_at(found, 2, DAMA_CHOSEN, &logp), DAMA_INVALID_ARGUMENT, "pair 2 is beyond");
    CHECK_FAILS(dama_logps_at(found, (size_t)-1, DAMA_CHOSEN, &logp), DAMA_INVALID_ARGUMENT, "is beyond");
    CHECK_FAILS(dama_logps_at(found, 0, (dama_response)2, &logp), DAMA_INVALID_ARGUMENT, "response 2");
    count = 99;
    CHECK_FAILS(dama_logps_tokens(NULL, 0, DAMA_CHOSEN, tokens, 64, &count), DAMA_INVALID_ARGUMENT, "logps is NULL");
    CHECK_FAILS(dama_logps_tokens(found, 0, DAMA_CHOSEN, NULL, 64, &count), DAMA_INVALID_ARGUMENT, "tokens is NULL");
    CHECK_FAILS(dama_logps_tokens(found, 0, DAMA_CHOSEN, tokens, 64, NULL), DAMA_INVALID_ARGUMENT, "count is NULL");
    CHECK_FAILS(dama_logps_tokens(found, 0, DAMA_CHOSEN, tokens, 3, &count), DAMA_SHAPE_MISMATCH, "room for 3");
    CHECK_FAILS(dama_logps_tokens(found, 0, DAMA_CHOSEN, tokens, (size_t)-1, &count), DAMA_INVALID_ARGUMENT, "size");
    CHECK(count == 99);
    CHECK_FAILS(dama_logps_sums(NULL, DAMA_CHOSEN, sums, 2), DAMA_INVALID_ARGUMENT, "logps is NULL");
    CHECK_FAILS(dama_logps_sums(found, DAMA_CHOSEN, NULL, 2), DAMA_INVALID_ARGUMENT, "sums is NULL");
    CHECK_FAILS(dama_logps_sums(found, DAMA_CHOSEN, sums, 1), DAMA_SHAPE_MISMATCH, "room for 1");
    CHECK_FAILS(dama_logps_sums(found, (dama_response)2, sums, 2), DAMA_INVALID_ARGUMENT, "response 2");
    dama_logps_free(found);
    dama_logps_free(NULL);
    CHECK(dama_logps_count(NULL) == 0);

    found = NULL;
    CHECK_FAILS(dama_policy_logps(NULL, policy, pairs, 2, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_policy_logps(&found, NULL, pairs, 2, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_policy_logps(&found, policy, NULL, 2, NULL), DAMA_INVALID_ARGUMENT, "pairs is NULL");
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 0, NULL), DAMA_INVALID_ARGUMENT, "batch is empty");
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, (size_t)-1, NULL), DAMA_INVALID_ARGUMENT, "size of pairs");
    pairs[1].rejected = NULL;
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 2, NULL), DAMA_INVALID_ARGUMENT, "pairs[1].rejected is NULL");
    pairs[1].rejected = "";
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 2, NULL), DAMA_INVALID_ARGUMENT,
                "pair 1: a response is empty");
    pairs[1].rejected = "b";
    pairs[1].image = NULL;
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 2, NULL), DAMA_INVALID_ARGUMENT, "pair 1: the pair has no image");
    dama_image empty = {NULL, NULL, 0, NULL, 0, 0};
    pairs[1].image = &empty;
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 2, NULL), DAMA_INVALID_ARGUMENT, "pairs[1].image must have");
    empty.path = "/nowhere.png";
    CHECK_FAILS(dama_policy_logps(&found, policy, pairs, 2, NULL), DAMA_IO, "/nowhere.png");
    CHECK(found == NULL);
}

/* The texts that the callback of a batch of two received. */
typedef struct heard {
    char text[2][512];
    int left;
} heard;

static dama_status hear(size_t index, const char *text, void *user) {
    heard *all = (heard *)user;
    if (index > 1 || all->left-- <= 0) {
        return DAMA_CANCELLED;
    }
    strncat(all->text[index], text, sizeof all->text[index] - strlen(all->text[index]) - 1);
    return DAMA_OK;
}

static dama_status refuse(size_t index, const char *text, void *user) {
    (void)index;
    (void)text;
    return *(dama_status *)user;
}

static dama_status count_steps(size_t index, const char *text, void *user) {
    *(int *)user += index == 0 && !*text;
    return DAMA_OK;
}

/* transformers' tokens (Fixtures/make_beams.py, llava/default, the first case), and a call back before each step. */
static void search(const dama_policy *policy, const dama_image *image) {
    static const int32_t expected[] = {65,  326, 301, 28,  275, 28, 317, 165, 180, 411, 180, 268,
                                       264, 107, 275, 66,  378, 141, 411, 408, 407, 217, 411, 161};
    int32_t ids[64];
    size_t count = 0;
    int steps = 0;
    dama_texts *texts = NULL;
    dama_prompt prompts[1] = {{image, "What is in the image?"}};
    dama_generation_options options;
    dama_generation_options_init(&options);
    options.max_tokens = 24;
    options.num_beams = 2;
    options.on_text = count_steps;
    options.user = &steps;
    CHECK(dama_policy_generate(&texts, policy, prompts, 1, &options, NULL) == DAMA_OK);
    CHECK(dama_texts_tokens(texts, 0, ids, 64, &count, NULL) == DAMA_OK);
    CHECK(count == sizeof expected / sizeof *expected && memcmp(ids, expected, sizeof expected) == 0);
    CHECK(steps == 23);
    dama_texts_free(texts);
    dama_status told = DAMA_IO;
    options.on_text = refuse;
    options.user = &told;
    texts = NULL;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 1, &options, NULL), DAMA_IO, "callback");
}

static void generate(const dama_policy *policy, const dama_image *image) {
    dama_prompt prompts[2];
    prompts[0].image = image;
    prompts[0].text = prompt;
    prompts[1].image = image;
    prompts[1].text = "Describe the picture.\nBe short.";

    dama_generation_options options;
    dama_generation_options_init(NULL);
    dama_generation_options_init(&options);
    CHECK(options.struct_size == sizeof options && options.max_tokens == 256 && options.temperature == 0);
    CHECK(options.top_p == 1 && options.top_k == 0 && options.stop == NULL && options.on_text == NULL);
    CHECK(options.num_beams == 1 && options.length_penalty == 1 && options.early_stopping == DAMA_EARLY_STOPPING_NO);

    heard all = {{"", ""}, 1000};
    dama_texts *texts = NULL;
    int32_t ids[64];
    size_t count = 0;
    dama_finish finish = DAMA_FINISH_STOP;
    options.max_tokens = 12;
    options.on_text = hear;
    options.user = &all;
    CHECK(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL) == DAMA_OK && dama_texts_count(texts) == 2);
    if (!texts) {
        return;
    }
    CHECK(strcmp(dama_texts_at(texts, 0), all.text[0]) == 0 && strcmp(dama_texts_at(texts, 1), all.text[1]) == 0);
    CHECK(dama_texts_at(texts, 2) == NULL && dama_texts_at(texts, (size_t)-1) == NULL);
    CHECK(dama_texts_tokens(texts, 0, NULL, 0, &count, NULL) == DAMA_OK && count == 12);
    CHECK(dama_texts_tokens(texts, 0, ids, 64, &count, &finish) == DAMA_OK && finish == DAMA_FINISH_LENGTH);
    static const int32_t expected[] = {165, 180, 58, 148, 351, 313, 399, 275, 66, 34, 274, 299};
    CHECK(memcmp(ids, expected, sizeof expected) == 0);
    CHECK_FAILS(dama_texts_tokens(NULL, 0, ids, 64, &count, NULL), DAMA_INVALID_ARGUMENT, "texts is NULL");
    CHECK_FAILS(dama_texts_tokens(texts, 2, ids, 64, &count, NULL), DAMA_INVALID_ARGUMENT, "text 2 is beyond");
    CHECK_FAILS(dama_texts_tokens(texts, 0, NULL, 64, &count, NULL), DAMA_INVALID_ARGUMENT, "ids is NULL");
    CHECK_FAILS(dama_texts_tokens(texts, 0, ids, 64, NULL, NULL), DAMA_INVALID_ARGUMENT, "count is NULL");
    CHECK_FAILS(dama_texts_tokens(texts, 0, ids, 3, &count, NULL), DAMA_SHAPE_MISMATCH, "room for 3");

    /* A stop string: the part of the text from its fourth character on. */
    char stop_text[8] = "";
    strncpy(stop_text, dama_texts_at(texts, 0) + 3, 2);
    const char *const stop[] = {stop_text};
    dama_texts *stopped = NULL;
    options.on_text = NULL;
    options.stop = stop;
    options.stop_count = 1;
    CHECK(dama_policy_generate(&stopped, policy, prompts, 1, &options, NULL) == DAMA_OK);
    CHECK(dama_texts_tokens(stopped, 0, ids, 64, &count, &finish) == DAMA_OK && finish == DAMA_FINISH_STOP);
    CHECK(strstr(dama_texts_at(stopped, 0), stop_text) == NULL);
    CHECK(strncmp(dama_texts_at(stopped, 0), dama_texts_at(texts, 0), strlen(dama_texts_at(stopped, 0))) == 0);
    dama_texts_free(stopped);
    dama_texts_free(texts);
    dama_texts_free(NULL);
    CHECK(dama_texts_count(NULL) == 0 && dama_texts_at(NULL, 0) == NULL);

    texts = NULL;
    options.on_text = hear;
    options.stop_count = 0;
    all.left = 3;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_CANCELLED, "callback");
    CHECK(all.left == -1);
    /* The call returns the callback's status; a number that is no status counts as DAMA_CANCELLED. */
    dama_status told = DAMA_IO;
    options.on_text = refuse;
    options.user = &told;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_IO, "callback");
    told = (dama_status)77;
    CHECK(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL) == DAMA_CANCELLED);
    options.on_text = NULL;
    CHECK_FAILS(dama_policy_generate(NULL, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_policy_generate(&texts, NULL, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_policy_generate(&texts, policy, NULL, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "prompts is NULL");
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 0, &options, NULL), DAMA_INVALID_ARGUMENT, "batch is empty");
    options.stop = NULL;
    options.stop_count = 2;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "stop is NULL");
    const char *const nothing[] = {""};
    options.stop = nothing;
    options.stop_count = 1;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "stop string");
    options.stop_count = 0;
    options.max_tokens = 0;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "max_tokens is 0");
    options.max_tokens = 4;
    options.temperature = NAN;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "temperature");
    options.temperature = 0.5;
    options.num_beams = 3;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT,
                "num_beams is 3 and the temperature is 0.5");
    options.temperature = 0;
    options.early_stopping = (dama_early_stopping)3;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT,
                "early_stopping 3");
    options.early_stopping = DAMA_EARLY_STOPPING_NO;
    options.num_beams = 1;
    options.temperature = 1;
    options.top_p = 0;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "top_p");
    options.top_p = 1;
    options.struct_size = 0;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, &options, NULL), DAMA_INVALID_ARGUMENT, "struct_size 0");
    prompts[1].text = NULL;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "prompts[1].text");
    prompts[1].text = "Hm?";
    prompts[1].image = NULL;
    CHECK_FAILS(dama_policy_generate(&texts, policy, prompts, 2, NULL, NULL), DAMA_INVALID_ARGUMENT, "prompt 1: the prompt has no image");
    CHECK(texts == NULL);
}

/* A response that is too long is an error, or is cut and flagged. */
static void overlong(const dama_image *image) {
    dama_policy_options options;
    dama_policy *policy = NULL;
    dama_logps *found = NULL;
    dama_response_logp logp;
    dama_preference_pair pair;
    pair.image = image;
    pair.prompt = prompt;
    pair.chosen = "A";
    pair.rejected = rejected;
    for (int cut = 0; cut < 2; cut++) {
        dama_policy_options_init(&options);
        options.prompt_template = "{image}Q {question} {response}{end}";
        options.max_length = 40;
        options.overlong = cut ? DAMA_OVERLONG_CUT : DAMA_OVERLONG_ERROR;
        options.share_prefix = 0;
        CHECK(dama_policy_create(&policy, model, &options) == DAMA_OK);
        if (!cut) {
            CHECK_FAILS(dama_policy_logps(&found, policy, &pair, 1, NULL), DAMA_INVALID_ARGUMENT, "maximum of 40");
        } else {
            CHECK(dama_policy_logps(&found, policy, &pair, 1, NULL) == DAMA_OK);
            CHECK(dama_logps_at(found, 0, DAMA_CHOSEN, &logp) == DAMA_OK && !logp.was_cut);
            CHECK(dama_logps_at(found, 0, DAMA_REJECTED, &logp) == DAMA_OK && logp.was_cut);
        }
        dama_logps_free(found);
        dama_policy_free(policy);
    }
}

/* One question about one image is the same as a conversation; other messages are covered in Python. */
static void conversations(const dama_policy *policy, const dama_image *image) {
    const dama_preference_pair pair = {image, "What is in the image?", "A star.", "A cat."};
    dama_conversation chat = {"[{\"role\": \"user\", \"content\": \"<image>\\nWhat is in the image?\"}]", image, 1, "A star.",
                              "A cat."};
    dama_logps *one = NULL, *other = NULL;
    CHECK(dama_policy_logps(&one, policy, &pair, 1, NULL) == DAMA_OK);
    CHECK(dama_policy_chat_logps(&other, policy, &chat, 1, NULL) == DAMA_OK);
    double a = 0, b = 1;
    CHECK(dama_logps_sums(one, DAMA_CHOSEN, &a, 1) == DAMA_OK && dama_logps_sums(other, DAMA_CHOSEN, &b, 1) == DAMA_OK);
    CHECK(a == b && a < 0);
    dama_logps_free(one);
    dama_logps_free(other);

    other = NULL;
    dama_texts *texts = NULL, *plain = NULL;
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, NULL, NULL), DAMA_INVALID_ARGUMENT, "has responses");
    chat.chosen = NULL;
    CHECK_FAILS(dama_policy_chat_logps(&other, policy, &chat, 1, NULL), DAMA_INVALID_ARGUMENT,
                "conversations[0].chosen is NULL");
    chat.rejected = NULL;
    dama_generation_options options;
    dama_generation_options_init(&options);
    options.max_tokens = 5;
    const dama_prompt prompt = {image, "What is in the image?"};
    CHECK(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL) == DAMA_OK);
    CHECK(dama_policy_generate(&plain, policy, &prompt, 1, &options, NULL) == DAMA_OK);
    CHECK(dama_texts_count(texts) == 1 && strcmp(dama_texts_at(texts, 0), dama_texts_at(plain, 0)) == 0);
    dama_texts_free(texts);
    dama_texts_free(plain);

    texts = NULL;
    chat.image_count = 0;
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL), DAMA_INVALID_ARGUMENT, "prompt 0");
    chat.image_count = 1;
    chat.images = NULL;
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL), DAMA_INVALID_ARGUMENT,
                "conversations[0].images is NULL");
    chat.images = image;
    chat.messages = "[{]";
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL), DAMA_INVALID_ARGUMENT,
                "conversations[0].messages: not valid JSON");
    chat.messages = "[{\"role\": \"assistant\", \"content\": \"A\"}]";
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL), DAMA_INVALID_ARGUMENT,
                "expected a question at its end");
    chat.messages = "[{\"role\": \"cook\", \"content\": \"A\"}]";
    CHECK_FAILS(dama_policy_chat(&texts, policy, &chat, 1, &options, NULL), DAMA_INVALID_ARGUMENT, "cook");
    CHECK(texts == NULL && other == NULL);
}

int main(void) {
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "DAMA_LLAVA_FIXTURES is not set\n");
        return 1;
    }
    snprintf(model, sizeof model, "%s/default", fixtures);
    snprintf(png, sizeof png, "%s/image.png", fixtures);
    dama_image image = {NULL, NULL, 0, NULL, 0, 0};
    image.path = png;
    options();
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    if (policy) {
        facts(policy);
        logps(policy, &image);
        generate(policy, &image);
        search(policy, &image);
        conversations(policy, &image);
        overlong(&image);
    }
    dama_policy_free(policy);
    return check_failures != 0;
}
