/* Calls that another thread stops, and calls with a cancellation that is already cancelled. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dama.h>
#include <stdlib.h>

#include "check.h"
#include "wait.h"

static dama_scorer *scorer = NULL;
static dama_policy *policy = NULL, *text_policy = NULL;
static dama_image image;
/* One after another, they would take minutes. */
enum { MANY = 200000, PROMPTS = 512 };

/* Each function makes a call that takes long, and checks that it writes nothing. */
static dama_status scores(const dama_cancellation *cancellation) {
    static const char *sentences[MANY];
    static char texts[MANY][16];
    static float found[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "%d dogs", i);
        sentences[i] = texts[i];
    }
    return dama_scorer_score(scorer, &image, sentences, MANY, found, cancellation);
}

static dama_status image_embeddings(const dama_cancellation *cancellation) {
    static dama_image images[MANY];
    static float found[MANY * 16];
    for (int i = 0; i < MANY; i++) images[i] = image;
    return dama_scorer_embed_images(scorer, images, MANY, found, MANY * 16, cancellation);
}

static dama_status text_embeddings(const dama_cancellation *cancellation) {
    static const char *sentences[MANY];
    static char texts[MANY][16];
    static float found[MANY * 16];
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "%d cats", i);
        sentences[i] = texts[i];
    }
    return dama_scorer_embed_texts(scorer, sentences, MANY, found, MANY * 16, cancellation);
}

static dama_status hardness(const dama_cancellation *cancellation) {
    static char chosen[MANY * 16];
    size_t end = 0;
    if (!chosen[0])
        for (int i = 0; i < MANY; i++) end += (size_t)sprintf(chosen + end, "%d dogs. ", i);
    double delta;
    return dama_scorer_hardness(NULL, scorer, &image, chosen, "A dog.", NULL, &delta, cancellation);
}

static dama_status generation(const dama_cancellation *cancellation) {
    static dama_prompt prompts[PROMPTS];
    for (int i = 0; i < PROMPTS; i++) {
        prompts[i].image = &image;
        prompts[i].text = "What is it?";
    }
    dama_generation_options options;
    dama_generation_options_init(&options);
    options.max_tokens = 400;
    dama_texts *texts = NULL;
    dama_status status = dama_policy_generate(&texts, policy, prompts, PROMPTS, &options, cancellation);
    CHECK(status == DAMA_OK || texts == NULL);
    dama_texts_free(texts);
    return status;
}

static dama_status split_with(dama_splitter *splitter, const dama_cancellation *cancellation) {
    dama_strings *strings = NULL;
    dama_status status = dama_splitter_split(&strings, NULL, splitter, "A dog. A cat.", NULL, cancellation);
    CHECK(status == DAMA_OK || strings == NULL);
    dama_strings_free(strings);
    dama_splitter_free(splitter);
    return status;
}

static dama_status split_by_command(const dama_cancellation *cancellation) {
    dama_splitter *splitter = NULL;
    CHECK(dama_splitter_create_command(&splitter, "sleep 60", NULL) == DAMA_OK);
    return split_with(splitter, cancellation);
}

/* Jobs over many rows, as many of which as possible run at once. */
static char folder[] = "/tmp/dama-abi-XXXXXX", pairs_path[64];
static const char *images;
enum { ROWS = 1024 };

static const char *below(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_pairs(void) {
    CHECK(mkdtemp(folder) != NULL);
    snprintf(pairs_path, sizeof pairs_path, "%s/pairs.jsonl", folder);
    FILE *file = fopen(pairs_path, "w");
    CHECK(file != NULL);
    if (!file) return;
    for (int i = 0; i < ROWS; i++) {
        fprintf(file, "{\"idx\": %d, \"image\": \"image.png\", \"question\": \"What is it?\", \"chosen\": \"", i);
        for (int j = 0; j < 20; j++) fprintf(file, "There are %d dogs. ", 100 * i + j);
        fprintf(file, "\", \"rejected\": \"Two dogs and %d cats.\"}\n", i);
    }
    fclose(file);
}

static dama_status score_job(const dama_cancellation *cancellation) {
    dama_score_dataset_options options;
    dama_score_dataset_options_init(&options);
    options.data = pairs_path;
    options.image_root = images;
    options.output = below("scores.jsonl");
    options.block_rows = ROWS;
    return dama_score_dataset(scorer, &options, NULL, cancellation);
}

static dama_status reference_job(const dama_cancellation *cancellation) {
    dama_reference_dataset_options options;
    dama_reference_dataset_options_init(&options);
    options.data = pairs_path;
    options.image_root = images;
    options.output = below("reference.jsonl");
    options.block_rows = ROWS;
    return dama_reference_dataset(policy, &options, NULL, cancellation);
}

static dama_status generate_job(const dama_cancellation *cancellation) {
    dama_generation_options generation;
    dama_generation_options_init(&generation);
    generation.max_tokens = 400;
    dama_generate_dataset_options options;
    dama_generate_dataset_options_init(&options);
    options.data = pairs_path;
    options.image_root = images;
    options.output = below("responses.jsonl");
    options.block_rows = ROWS;
    options.generation = &generation;
    return dama_generate_dataset(policy, &options, NULL, cancellation);
}

/* One step over all pairs. */
static dama_status train_job(const dama_cancellation *cancellation) {
    dama_train_dataset_options options;
    dama_train_dataset_options_init(&options);
    options.data = pairs_path;
    options.image_root = images;
    options.output = below("trained");
    options.batch_size = ROWS;
    options.epochs = 1000;
    return dama_train_dataset(policy, &options, NULL, cancellation);
}

static void stops(const char *name, dama_status (*call)(const dama_cancellation *)) {
    dama_cancellation *cancellation = NULL;
    pthread_t thread;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    const double start = seconds();
    CHECK(pthread_create(&thread, NULL, cancel_soon, cancellation) == 0);
    const dama_status status = call(cancellation);
    const double taken = seconds() - start;
    if (status != DAMA_CANCELLED || taken > 20) fprintf(stderr, "%s: status %d after %.1f s\n", name, status, taken);
    CHECK(status == DAMA_CANCELLED && taken < 20);
    CHECK(pthread_join(thread, NULL) == 0);
    /* It stays cancelled: the next call does not start. */
    CHECK_FAILS(call(cancellation), DAMA_CANCELLED, "");
    dama_cancellation_free(cancellation);
}

/* The model of a splitter is stopped too. With random weights it generates up to the last token. */
static void splitter_of_a_model(void) {
    static char text[4096];
    if (!text[0])
        for (int i = 0; i < 100; i++) strcat(text, "A dog runs. ");
    dama_splitter *splitter = NULL;
    dama_strings *strings = NULL;
    dama_cancellation *cancellation = NULL;
    CHECK(dama_splitter_create_policy(&splitter, text_policy, NULL) == DAMA_OK);
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    dama_cancellation_cancel(cancellation);
    CHECK(dama_splitter_split(&strings, NULL, splitter, text, NULL, cancellation) == DAMA_CANCELLED && strings == NULL);
    dama_cancellation_free(cancellation);
    dama_splitter_free(splitter);
}

/* A cancellation that is not used changes nothing. */
static void unused(void) {
    dama_cancellation *cancellation = NULL;
    const char *sentence = "A dog.";
    float plain = 0, watched = 1;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    CHECK(dama_scorer_score(scorer, &image, &sentence, 1, &plain, NULL) == DAMA_OK);
    CHECK(dama_scorer_score(scorer, &image, &sentence, 1, &watched, cancellation) == DAMA_OK && plain == watched);
    dama_cancellation_free(cancellation);
}

int main(void) {
    const char *clips = getenv("DAMA_CLIP_FIXTURES"), *llavas = getenv("DAMA_LLAVA_FIXTURES");
    const char *text_model = getenv("DAMA_TEXT_MODEL");
    if (!clips || !llavas || !text_model) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES, DAMA_LLAVA_FIXTURES and DAMA_TEXT_MODEL, as Tests/ABI/run does\n");
        return 1;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/legacy", clips);
    CHECK(dama_scorer_create(&scorer, path, NULL) == DAMA_OK);
    snprintf(path, sizeof path, "%s/default", llavas);
    CHECK(dama_policy_create(&policy, path, NULL) == DAMA_OK);
    CHECK(dama_policy_create(&text_policy, text_model, NULL) == DAMA_OK);
    memset(&image, 0, sizeof image);
    snprintf(path, sizeof path, "%s/image.png", llavas);
    image.path = path;
    stops("score", scores);
    stops("embed_images", image_embeddings);
    stops("embed_texts", text_embeddings);
    stops("hardness", hardness);
    stops("generate", generation);
    stops("split by a command", split_by_command);
    images = llavas;
    write_pairs();
    stops("a job of scores", score_job);
    stops("a job of log-probabilities", reference_job);
    stops("a job of answers", generate_job);
    stops("a job of training", train_job);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    splitter_of_a_model();
    unused();
    dama_policy_free(text_policy);
    dama_policy_free(policy);
    dama_scorer_free(scorer);
    return check_failures != 0;
}
