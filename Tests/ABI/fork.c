/* A child forked from a process that uses the library: every call returns an error that says so, freeing returns, and
   the child ends. Each of these once waited for ever, for threads that exist only in the parent. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dama.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static dama_scorer *scorer = NULL;
static dama_policy *policy = NULL;
static dama_trainer *trainer = NULL;
static dama_adaptive_beta *controller = NULL;
static dama_tokenizer *tokenizer = NULL;
static dama_splitter *splitter = NULL;
static dama_cancellation *cancellation = NULL;
static dama_strings *strings = NULL;

static void use_in_child(void) {
    dama_scorer *other = NULL;
    double delta;
    const float score = 1;
    CHECK_FAILS(dama_scorer_create(&other, "x", NULL), DAMA_UNSUPPORTED, "forked");
    CHECK_FAILS(dama_hardness(&score, 1, &score, 1, &delta), DAMA_UNSUPPORTED, "forked");
    CHECK_FAILS(dama_adaptive_beta_commit(controller), DAMA_UNSUPPORTED, "forked");
    dama_strings *others = NULL;
    CHECK_FAILS(dama_splitter_split(&others, NULL, splitter, "A dog.", NULL, NULL), DAMA_UNSUPPORTED, "forked");
    CHECK_FAILS(dama_trainer_zero_grad(trainer), DAMA_UNSUPPORTED, "forked");
    CHECK(other == NULL);
    CHECK(strcmp(dama_strings_at(strings, 0), "A dog.") == 0);
    dama_cancellation_cancel(cancellation);
    dama_trainer_free(trainer);
    dama_policy_free(policy);
    dama_scorer_free(scorer);
    dama_adaptive_beta_free(controller);
    dama_tokenizer_free(tokenizer);
    dama_splitter_free(splitter);
    dama_cancellation_free(cancellation);
    dama_strings_free(strings);
}

static void run_child(void (*body)(void), int runs_handlers) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        check_failures = 0;
        if (body) body();
        /* The leak checker would report handles that the child does not free. */
        if (runs_handlers && !getenv("DAMA_SANITIZED")) exit(check_failures != 0);
        _exit(check_failures != 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void unused_in_parent(void) {
    double delta;
    const float score = 1;
    CHECK(dama_hardness(&score, 1, &score, 1, &delta) == DAMA_OK);
}

int main(void) {
    const char *clips = getenv("DAMA_CLIP_FIXTURES"), *llavas = getenv("DAMA_LLAVA_FIXTURES");
    if (!clips || !llavas) {
        fprintf(stderr, "set DAMA_CLIP_FIXTURES and DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    /* A library that is loaded but not yet used works in a child. */
    run_child(unused_in_parent, 1);

    char model[4096];
    snprintf(model, sizeof model, "%s/legacy", clips);
    CHECK(dama_scorer_create(&scorer, model, NULL) == DAMA_OK);
    CHECK(dama_tokenizer_create(&tokenizer, model) == DAMA_OK);
    snprintf(model, sizeof model, "%s/default", llavas);
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);
    CHECK(dama_trainer_create(&trainer, policy, NULL, NULL, NULL) == DAMA_OK);
    CHECK(dama_adaptive_beta_create(&controller, NULL) == DAMA_OK);
    CHECK(dama_splitter_create_command(&splitter, "cat", NULL) == DAMA_OK);
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    CHECK(dama_split(&strings, "A dog. A cat.", NULL) == DAMA_OK);
    const char *sentences[] = {"A red circle."};
    float embedding[4096];
    dama_scorer_facts facts;
    dama_scorer_facts_init(&facts);
    CHECK(dama_scorer_describe(scorer, &facts) == DAMA_OK && facts.dimension <= 4096);
    CHECK(dama_scorer_embed_texts(scorer, sentences, 1, embedding, facts.dimension, NULL) == DAMA_OK);

    run_child(NULL, 1);
    run_child(use_in_child, 0);
    run_child(use_in_child, 1);

    /* The parent can still use the library. */
    CHECK(dama_cancellation_is_cancelled(cancellation) == 0);
    CHECK(dama_scorer_embed_texts(scorer, sentences, 1, embedding, facts.dimension, NULL) == DAMA_OK);
    dama_trainer_free(trainer);
    dama_policy_free(policy);
    dama_scorer_free(scorer);
    dama_adaptive_beta_free(controller);
    dama_tokenizer_free(tokenizer);
    dama_splitter_free(splitter);
    dama_cancellation_free(cancellation);
    dama_strings_free(strings);
    return check_failures != 0;
}
