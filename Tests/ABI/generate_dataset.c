/* Answers to a dataset's questions, compared with those of dama_policy_generate(). */
#define _DEFAULT_SOURCE
#include <dama.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static int calls = 0;

static dama_status count(const dama_progress *progress, void *user) {
    CHECK(progress->struct_size == sizeof *progress && *(int *)user == 7);
    calls++;
    return DAMA_OK;
}

static dama_status stop(const dama_progress *progress, void *user) {
    return progress->phase == DAMA_PHASE_COMPUTING && progress->rows_done >= 1 ? *(dama_status *)user : DAMA_OK;
}

static dama_status cancel(const dama_progress *progress, void *user) {
    if (progress->phase == DAMA_PHASE_COMPUTING && progress->rows_done >= 1) {
        dama_cancellation_cancel((dama_cancellation *)user);
    }
    return DAMA_OK;
}

/* The file's text, owned by the caller. */
static char *text_of(const char *path) {
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    text[0] = 0;
    if (!file) return text;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* A text as the contents of a JSON string. */
static void append_json(char *line, const char *text) {
    char *end = line + strlen(line);
    for (; *text; text++) {
        static const char special[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
        const char *found = strchr(special, *text);
        if (found)
            end += sprintf(end, "\\%c", letters[found - special]);
        else if ((unsigned char)*text < 0x20)
            end += sprintf(end, "\\u%04x", (unsigned)*text);
        else
            *end++ = *text;
    }
    *end = 0;
}

static void bad_options(const dama_policy *policy, const dama_generate_dataset_options *good) {
    dama_generation_options generation;
    dama_generate_dataset_options bad = *good;
    CHECK_FAILS(dama_generate_dataset(NULL, good, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_generate_dataset(policy, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    bad.data = NULL;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "data is NULL");
    bad = *good;
    bad.samples = 0;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT,
                "samples is 0; expected an integer from 1 to 4096");
    bad.samples = 2;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "temperature");
    bad = *good;
    dama_generation_options_init(&generation);
    generation.stop_count = 1;
    bad.generation = &generation;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "options.generation.stop");
    generation.struct_size = 3;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "dama_generation_options_init");
    bad = *good;
    bad.output = good->data;
    CHECK_FAILS(dama_generate_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "is the dataset itself");
}

int main(void) {
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "set DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    char folder[] = "/tmp/dama-abi-XXXXXX", data[64], output[64], command[64], model[4096], path[4096];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s/questions.jsonl", folder);
    snprintf(output, sizeof output, "%s/responses.jsonl", folder);
    snprintf(model, sizeof model, "%s/default", fixtures);
    snprintf(path, sizeof path, "%s/image.png", fixtures);
    FILE *file = fopen(data, "w");
    if (!file) return 1;
    fputs("{\"idx\": \"a\", \"image\": \"image.png\", \"prompt\": \"What is it?\"}\n"
          "{\"idx\": \"b\", \"image\": \"none.png\", \"prompt\": \"What is it?\"}\n"
          "{\"idx\": \"c\", \"image\": \"image.png\", \"prompt\": \"Where is it?\"}\n", file);
    fclose(file);
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);

    dama_generation_options generation;
    dama_generation_options_init(&generation);
    generation.max_tokens = 4;
    dama_generate_dataset_options options;
    dama_generate_dataset_options_init(NULL);
    dama_generate_dataset_options_init(&options);
    CHECK(options.samples == 1 && options.block_rows == 8 && options.max_rejected == -1 && options.restart == 0);
    CHECK(options.row_limit == 8 << 20 && options.image_limit == 64 << 20 && options.generation == NULL);
    options.data = data;
    options.image_root = fixtures;
    options.output = output;
    options.block_rows = 1;
    options.generation = &generation;
    bad_options(policy, &options);

    /* Stopped by the callback, then by a cancellation, then finished. */
    dama_status wanted = DAMA_IO;
    options.progress = stop;
    options.user = &wanted;
    CHECK_FAILS(dama_generate_dataset(policy, &options, NULL, NULL), DAMA_IO, "callback");
    dama_cancellation *cancellation = NULL;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    options.progress = cancel;
    options.user = cancellation;
    CHECK_FAILS(dama_generate_dataset(policy, &options, NULL, cancellation), DAMA_CANCELLED, "");
    CHECK_FAILS(dama_generate_dataset(policy, &options, NULL, cancellation), DAMA_CANCELLED, "");
    dama_cancellation_free(cancellation);
    int user = 7;
    options.progress = count;
    options.user = &user;
    dama_generate_dataset_result result;
    dama_generate_dataset_result_init(NULL);
    dama_generate_dataset_result_init(&result);
    CHECK(dama_generate_dataset(policy, &options, &result, NULL) == DAMA_OK && calls >= 2);
    CHECK(!result.was_complete && result.rows == 3 && result.rows_rejected == 1 && result.rows_cut <= 2);
    CHECK(dama_generate_dataset(policy, &options, &result, NULL) == DAMA_OK && result.was_complete);

    /* The texts are the same as with one question at a time. */
    dama_image image;
    memset(&image, 0, sizeof image);
    image.path = path;
    const char *questions[] = {"What is it?", "Where is it?"};
    char *text = text_of(output);
    for (int i = 0; i < 2; i++) {
        const dama_prompt prompt = {&image, questions[i]};
        char line[4096];
        dama_texts *texts = NULL;
        CHECK(dama_policy_generate(&texts, policy, &prompt, 1, &generation, NULL) == DAMA_OK);
        snprintf(line, sizeof line, "{\"id\":\"%s\",\"response\":\"", i ? "c" : "a");
        append_json(line, dama_texts_at(texts, 0));
        strcat(line, "\",");
        CHECK(strstr(text, line) != NULL);
        dama_texts_free(texts);
    }
    generation.max_tokens = 5;
    CHECK_FAILS(dama_generate_dataset(policy, &options, NULL, NULL), DAMA_INVALID_ARGUMENT, "max_tokens 4 instead of 5");
    generation.temperature = 1;
    generation.seed = 0xFFFFFFFFFFFFFFFF;
    options.samples = 2;
    options.restart = 1;
    CHECK(dama_generate_dataset(policy, &options, &result, NULL) == DAMA_OK && !result.was_complete);
    CHECK(strstr(text_of(output), "\"responses\":[") != NULL);

    dama_policy_free(policy);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
