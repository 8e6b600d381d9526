/*
 * Trains a LLaVA on a dataset: low-rank adapters, checkpoints, metrics, and an exported model at the end.
 *
 *     cc -std=c99 train_dataset.c $(pkg-config --cflags --libs dama) -o train_dataset
 *     ./train_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER
 *
 * After a stop or a kill, the same command resumes from the last checkpoint. dama_train_yaml() does the same from a
 * configuration file.
 * example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
 */
#include <dama.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dama_status status) {
    if (status != DAMA_OK) {
        fprintf(stderr, "%s\n", dama_error_message());
        exit(1);
    }
}

static dama_status show(const dama_train_progress *progress, void *user) {
    (void)user;
    if (progress->event == DAMA_TRAIN_NOTICE) printf("%s\n", progress->notice);
    if (progress->event == DAMA_TRAIN_BATCH)
        printf("batch %llu of %llu: loss %.4f, mean beta %.3f\n", (unsigned long long)progress->batch,
               (unsigned long long)progress->batches, progress->metrics->loss, progress->metrics->beta_mean);
    return DAMA_OK;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER\n", argv[0]);
        return 64;
    }
    /* Training starts from this model, which is also the reference. */
    dama_policy *policy = NULL;
    check(dama_policy_create(&policy, argv[1], NULL));

    const char *targets[] = {"q_proj", "v_proj", "down_proj"};
    dama_trainer_options trainer;
    dama_trainer_options_init(&trainer);
    trainer.trainable = DAMA_TRAINABLE_LORA;
    trainer.lora_rank = 8;
    trainer.lora_targets = targets;
    trainer.lora_target_count = 3;
    trainer.learning_rate = 2e-3;

    dama_adaptive_beta_options method;
    dama_adaptive_beta_options_init(&method, DAMA_PRESET_PAPER);
    method.beta = 0.1;
    method.keep = 3;

    dama_train_dataset_options options;
    dama_train_dataset_options_init(&options);
    options.data = argv[2];
    options.image_root = argv[3];
    options.output = argv[4];
    options.batch_size = 4;
    options.epochs = 1;
    options.trainer = &trainer;
    options.method = &method;
    options.progress = show;
    dama_train_dataset_result result;
    dama_train_dataset_result_init(&result);
    check(dama_train_dataset(policy, &options, &result, NULL));
    printf("%llu steps over %llu pairs; the model is in %s/model\n", (unsigned long long)result.steps,
           (unsigned long long)result.pairs, argv[4]);
    dama_policy_free(policy);
    return 0;
}
