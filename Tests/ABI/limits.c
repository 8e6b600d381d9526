/* Little memory, few file descriptors, no threads: every call returns a status, and no child dies of a signal. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dama.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char clip[4096], llava[4096], wide[4096], png[4096];
static char folder[] = "/tmp/dama-abi-XXXXXX";

static const char *below(const char *name) {
    static char paths[4][64];
    static int next = 0;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int is_status(dama_status status) {
    return (int)status >= 0 && (int)status <= 8 && (status == DAMA_OK || dama_error_message()[0] != 0);
}

/* The call failed because of its size. */
static int is_refused(dama_status status) {
    return status == DAMA_OUT_OF_MEMORY || status == DAMA_INVALID_ARGUMENT || status == DAMA_SHAPE_MISMATCH;
}

static void limit(int resource, rlim_t value) {
    struct rlimit limits = {value, value};
    CHECK(setrlimit(resource, &limits) == 0);
}

/* Runs `body` in a child that has not used the library yet. */
static void in_child(const char *name, void (*body)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* ThreadSanitizer takes ten times as long. */
        alarm(getenv("DAMA_SANITIZED") ? 1200 : 120);
        check_failures = 0;
        body();
        _exit(check_failures != 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) fprintf(stderr, "%s: signal %d\n", name, WTERMSIG(status));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Bytes of address space in use. */
static size_t used(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (!file || fscanf(file, "%lu", &pages) != 1) abort();
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Zeros that use no memory. They are mapped before the limit is set, so only copies of the arrays exceed it. */
static void *zeros(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

static void big_arrays(void) {
    const size_t count = (size_t)1 << 27;
    double *numbers = (double *)zeros(count * sizeof *numbers), delta;
    const float *scores = (const float *)numbers;
    dama_adaptive_beta *controller = NULL;
    CHECK(dama_adaptive_beta_create(&controller, NULL) == DAMA_OK);
    dama_tokenizer *tokenizer = NULL;
    CHECK(dama_tokenizer_create(&tokenizer, clip) == DAMA_OK);
    limit(RLIMIT_AS, used() + ((rlim_t)256 << 20));
    CHECK(dama_hardness(scores, count, scores, count, &delta) == DAMA_OUT_OF_MEMORY);
    CHECK(dama_hardness_from_scores(scores, count, scores, count, &delta) == DAMA_OUT_OF_MEMORY);
    dama_preference_batch batch;
    dama_preference_result result;
    dama_preference_batch_init(&batch);
    dama_preference_result_init(&result);
    batch.count = count;
    batch.policy_chosen = batch.policy_rejected = batch.reference_chosen = batch.reference_rejected = numbers;
    CHECK(dama_adaptive_beta_step(controller, &batch, &result) == DAMA_OUT_OF_MEMORY);
    dama_adaptive_beta *other = NULL;
    CHECK(is_refused(dama_adaptive_beta_load(&other, (const uint8_t *)numbers, count * sizeof *numbers)));
    size_t found = 0;
    memset(numbers, 'a', (size_t)1 << 20);
    CHECK(dama_tokenizer_encode(tokenizer, (const char *)numbers, count, 0, NULL, 0, &found) == DAMA_OUT_OF_MEMORY);
    CHECK(dama_tokenizer_decode(tokenizer, (const int32_t *)numbers, count, 0, NULL, 0, &found) == DAMA_OUT_OF_MEMORY);
    /* Calls that need less memory still work. */
    double sum = 1;
    CHECK(dama_sum_of_squares(scores + ((size_t)1 << 20), 1 << 20, 0, &sum) == DAMA_OK && sum == 0);
    dama_tokenizer_free(tokenizer);
    dama_adaptive_beta_free(controller);
}

static void big_images(void) {
    dama_scorer *scorer = NULL;
    dama_scorer_options options;
    dama_scorer_options_init(&options);
    options.max_image_pixels = (uint64_t)1 << 40;
    CHECK(dama_scorer_create(&scorer, clip, &options) == DAMA_OK);
    if (!scorer) return;
    const char *sentence = "A red circle.";
    float score;
    dama_image image;
    memset(&image, 0, sizeof image);
    image.rgb = (const uint8_t *)zeros((size_t)3 << 28);
    image.width = image.height = (size_t)1 << 14;
    limit(RLIMIT_AS, used() + ((rlim_t)256 << 20));
    CHECK(dama_scorer_score(scorer, &image, &sentence, 1, &score, NULL) == DAMA_OUT_OF_MEMORY);
    memset(&image, 0, sizeof image);
    /* Only the header of a PNG with 30,000 × 30,000 pixels. */
    static const uint8_t header[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0x75, 0x30,
                                     0, 0, 0x75, 0x30, 8, 2, 0, 0, 0, 0x82, 0xA1, 0x2C, 0xD8};
    image.bytes = header;
    image.size = sizeof header;
    CHECK(dama_scorer_score(scorer, &image, &sentence, 1, &score, NULL) != DAMA_OK);
    dama_score_dataset_options job;
    dama_score_dataset_options_init(&job);
    job.data = below("pairs.jsonl");
    job.output = below("scores.jsonl");
    job.image_root = getenv("DAMA_LLAVA_FIXTURES");
    job.cache_bytes = (size_t)1 << 46;
    CHECK(is_refused(dama_score_dataset(scorer, &job, NULL, NULL)));
    job.cache_bytes = (size_t)-1;
    CHECK(is_refused(dama_score_dataset(scorer, &job, NULL, NULL)));
    job.cache_bytes = 1 << 20;
    CHECK(dama_score_dataset(scorer, &job, NULL, NULL) == DAMA_OK);
    dama_scorer_free(scorer);
}

static void big_models(void) {
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, llava, NULL) == DAMA_OK);
    if (!policy) return;
    limit(RLIMIT_AS, used() + ((rlim_t)48 << 20));
    dama_image image;
    memset(&image, 0, sizeof image);
    image.path = png;
    enum { PROMPTS = 4096 };
    static dama_prompt prompts[PROMPTS];
    for (int i = 0; i < PROMPTS; i++) {
        prompts[i].image = &image;
        prompts[i].text = "What is it?";
    }
    dama_generation_options options;
    dama_generation_options_init(&options);
    options.max_tokens = 0xFFFFFFFF;
    dama_texts *texts = NULL;
    CHECK(dama_policy_generate(&texts, policy, prompts, PROMPTS, &options, NULL) == DAMA_OUT_OF_MEMORY);
    dama_trainer_options adapters;
    dama_trainer_options_init(&adapters);
    adapters.trainable = DAMA_TRAINABLE_LORA;
    adapters.lora_rank = 4096;
    dama_trainer *trainer = NULL;
    const char *all = "all-linear";
    adapters.lora_targets = &all;
    adapters.lora_target_count = 1;
    CHECK(is_refused(dama_trainer_create(&trainer, policy, NULL, NULL, &adapters)) || trainer != NULL);
    dama_trainer_free(trainer);
    dama_policy_free(policy);
}

/* Calls every function once, with any result. */
static void everything(void) {
    dama_cancellation *cancellation = NULL;
    CHECK(is_status(dama_cancellation_create(&cancellation)));
    dama_cancellation_free(cancellation);
    static float logits[1 << 20];
    float logprobs[64], normalizers[64];
    int64_t labels[64] = {0};
    CHECK(dama_token_logprobs(logits, labels, 64, (1 << 20) / 64, 0, logprobs, normalizers) == DAMA_OK);
    CHECK(fabs(logprobs[0] + log((1 << 20) / 64)) < 1e-4);
    double sum = 1;
    CHECK(dama_sum_of_squares(logits, 1 << 20, 8, &sum) == DAMA_OK && sum == 0);
    dama_tokenizer *tokenizer = NULL;
    CHECK(is_status(dama_tokenizer_create(&tokenizer, clip)));
    dama_tokenizer_free(tokenizer);
    dama_strings *strings = NULL;
    CHECK(dama_split(&strings, "A dog. A cat.", NULL) == DAMA_OK);
    dama_strings_free(strings);
    dama_splitter *splitter = NULL;
    strings = NULL;
    CHECK(is_status(dama_splitter_create_command(&splitter, "cat", NULL)));
    CHECK(is_status(dama_splitter_split(&strings, NULL, splitter, "A dog sleeps.", NULL, NULL)));
    dama_strings_free(strings);
    dama_splitter_free(splitter);
    dama_scorer *scorer = NULL;
    CHECK(is_status(dama_scorer_create(&scorer, clip, NULL)));
    if (scorer) {
        const char *sentence = "A red circle.";
        dama_image image;
        float score;
        memset(&image, 0, sizeof image);
        image.path = wide;
        CHECK(is_status(dama_scorer_score(scorer, &image, &sentence, 1, &score, NULL)));
        double delta;
        CHECK(is_status(dama_scorer_hardness(NULL, scorer, &image, sentence, "A dog.", NULL, &delta, NULL)));
        dama_score_dataset_options options;
        dama_score_dataset_options_init(&options);
        options.data = below("pairs.jsonl");
        options.output = below("scores.jsonl");
        options.image_root = getenv("DAMA_LLAVA_FIXTURES");
        options.restart = 1;
        CHECK(is_status(dama_score_dataset(scorer, &options, NULL, NULL)));
        dama_scorer_free(scorer);
    }
    dama_policy *policy = NULL;
    CHECK(is_status(dama_policy_create(&policy, llava, NULL)));
    if (policy) {
        dama_image image;
        memset(&image, 0, sizeof image);
        image.path = png;
        dama_preference_pair pair = {&image, "What is it?", "A red circle.", "Two dogs."};
        dama_logps *logps = NULL;
        CHECK(is_status(dama_policy_logps(&logps, policy, &pair, 1, NULL)));
        dama_logps_free(logps);
        dama_trainer *trainer = NULL;
        CHECK(is_status(dama_trainer_create(&trainer, policy, policy, NULL, NULL)));
        if (trainer) {
            dama_training_pair training;
            dama_training_pair_init(&training);
            training.pair = pair;
            CHECK(is_status(dama_trainer_step(trainer, &training, 1, NULL, NULL)));
            CHECK(is_status(dama_trainer_save(trainer, below("checkpoint.safetensors"), NULL)));
            CHECK(is_status(dama_trainer_export(trainer, below("exported"), NULL)));
        }
        dama_trainer_free(trainer);
        dama_policy_free(policy);
    }
}

static rlim_t descriptors;
static void few_descriptors(void) {
    limit(RLIMIT_NOFILE, descriptors);
    everything();
}

/* The limit of a user's processes and threads does not apply to root. */
static void no_threads(void) {
    if (geteuid() == 0) CHECK(setresuid(65534, 65534, 65534) == 0);
    limit(RLIMIT_NPROC, 0);
    everything();
}

int main(void) {
    const char *clips = getenv("DAMA_CLIP_FIXTURES"), *llavas = getenv("DAMA_LLAVA_FIXTURES");
    if (!clips || !llavas) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES and DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    snprintf(clip, sizeof clip, "%s/legacy", clips);
    snprintf(llava, sizeof llava, "%s/default", llavas);
    snprintf(wide, sizeof wide, "%s/wide.jpg", clips);
    snprintf(png, sizeof png, "%s/image.png", llavas);
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0777) == 0);
    FILE *file = fopen(below("pairs.jsonl"), "w");
    if (!file) return 1;
    fputs("{\"idx\": 1, \"image\": \"image.png\", \"question\": \"What is it?\", \"chosen\": \"A red circle.\", "
          "\"rejected\": \"Two dogs.\"}\n", file);
    fclose(file);

    /* Sanitizers need an unlimited address space. */
    if (!getenv("DAMA_SANITIZED")) {
        in_child("big arrays", big_arrays);
        in_child("big images", big_images);
        in_child("big models", big_models);
    }
    in_child("no limits", everything);
    in_child("no threads", no_threads);
    for (descriptors = 3; descriptors <= 24; descriptors++) {
        char name[32];
        snprintf(name, sizeof name, "%d descriptors", (int)descriptors);
        in_child(name, few_descriptors);
    }

    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
