/* Training on a dataset, configured by a struct and by YAML: both describe the same job. */
#define _DEFAULT_SOURCE
#include <dama.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static int references = 0, batches = 0, notices = 0;

static dama_status hear(const dama_train_progress *progress, void *user) {
    CHECK(progress->struct_size == sizeof *progress && *(int *)user == 7);
    switch (progress->event) {
    case DAMA_TRAIN_REFERENCE:
        references++;
        CHECK(progress->reference && progress->reference->struct_size == sizeof(dama_progress));
        CHECK(!progress->metrics && !progress->notice);
        break;
    case DAMA_TRAIN_BATCH:
        batches++;
        CHECK(progress->metrics && progress->metrics->struct_size == sizeof(dama_step_metrics));
        CHECK(progress->metrics->pairs == 2 && isfinite(progress->metrics->loss));
        CHECK(progress->batch >= 1 && progress->batch <= progress->batches && progress->batches == 4);
        CHECK(progress->epoch == (progress->batch - 1) / 2 && progress->metrics->step == progress->batch);
        break;
    case DAMA_TRAIN_NOTICE:
        notices++;
        CHECK(progress->notice && *progress->notice);
        break;
    }
    return DAMA_OK;
}

static dama_status stop(const dama_train_progress *progress, void *user) {
    return progress->event == DAMA_TRAIN_BATCH ? *(dama_status *)user : DAMA_OK;
}

static dama_status cancel(const dama_train_progress *progress, void *user) {
    if (progress->event == DAMA_TRAIN_BATCH) dama_cancellation_cancel((dama_cancellation *)user);
    return DAMA_OK;
}

static void bad_options(const dama_policy *policy, const dama_train_dataset_options *good) {
    dama_train_dataset_options bad = *good;
    CHECK_FAILS(dama_train_dataset(NULL, good, NULL, NULL), DAMA_INVALID_ARGUMENT, "policy is NULL");
    CHECK_FAILS(dama_train_dataset(policy, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "options is NULL");
    bad.output = NULL;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "output is NULL");
    bad = *good;
    bad.batch_size = 0;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "batch_size is 0");
    bad = *good;
    bad.checkpoint_every = 0;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "checkpoint.every is 0");
    bad = *good;
    bad.mean_delta = INFINITY;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "mean_delta");
    bad = *good;
    bad.min_delta = 0;
    bad.scores = NULL;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "min_delta is given without scores");
    bad = *good;
    bad.max_steps = (uint64_t)-1;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "max_steps");
    bad = *good;
    bad.image_limit = 0;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "image_limit is 0");
    bad = *good;
    bad.reserved = 1;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_UNSUPPORTED, "reserved");
    dama_schedule_options schedule;
    dama_schedule_options_init(&schedule);
    dama_trainer_options trainer = *good->trainer;
    trainer.schedule = &schedule;
    bad = *good;
    bad.trainer = &trainer;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "options.schedule");
    schedule.schedule = (dama_schedule)9;
    bad = *good;
    bad.schedule = &schedule;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "schedule");
    dama_export_options exported;
    dama_export_options_init(&exported);
    exported.kind = DAMA_EXPORT_ADAPTERS;
    bad = *good;
    bad.exported = &exported;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "adapters");
    dama_adaptive_beta_options method = *good->method;
    method.beta = -1;
    bad = *good;
    bad.method = &method;
    CHECK_FAILS(dama_train_dataset(policy, &bad, NULL, NULL), DAMA_INVALID_ARGUMENT, "beta is -1");
}

static void bad_yaml(void) {
    const char *overrides[] = {"seed"}, *missing[] = {NULL};
    dama_train_yaml_options options;
    dama_train_yaml_options_init(NULL);
    dama_train_yaml_options_init(&options);
    CHECK_FAILS(dama_train_yaml(NULL, NULL, 0, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "text is NULL");
    CHECK_FAILS(dama_train_yaml("a: [", NULL, 0, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "configuration, line 2");
    options.label = "run.yaml";
    CHECK_FAILS(dama_train_yaml("model: m\nepocs: 2\n", NULL, 0, &options, NULL, NULL), DAMA_INVALID_ARGUMENT,
                "run.yaml: unknown field \"epocs\"; did you mean \"epochs\"?");
    CHECK_FAILS(dama_train_yaml("", NULL, 0, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "model");
    CHECK_FAILS(dama_train_yaml("", overrides, 1, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "expected key=value");
    CHECK_FAILS(dama_train_yaml("", missing, 1, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "overrides[0] is NULL");
    CHECK_FAILS(dama_train_yaml("", NULL, 1, NULL, NULL, NULL), DAMA_INVALID_ARGUMENT, "overrides is NULL");
}

/* A plan without the data, the weights or a device. */
static void plan(const char *fixtures) {
    char text[8192];
    snprintf(text, sizeof text,
             "model: %s/default\ndata: nothing\nout: nothing\ntrainable: projector\nbatch_size: 4\nmethod: {keep: 2}\n",
             fixtures);
    const char *overrides[] = {"provider=cuda", "precision=float16", "activations=recompute", "offload=true"};
    dama_memory_plan_options options;
    dama_memory_plan_options_init(NULL);
    dama_memory_plan_options_init(&options);
    CHECK(options.prompt_tokens == 64 && options.response_tokens == 128 && !options.label);
    dama_memory_plan *made = NULL;
    CHECK(dama_train_plan(&made, text, overrides, 4, NULL) == DAMA_OK);
    if (!made) return;
    const char *json = dama_memory_plan_json(made);
    CHECK(strstr(json, "\"device\":\"cuda:0\"") && strstr(json, "\"precision\":\"float16\""));
    CHECK(strstr(json, "\"activations\":\"recompute\"") && strstr(json, "\"offload\":true"));
    CHECK(strstr(json, "\"pairs\":4") && strstr(json, "\"moments\":{\"device\":0,\"host\":"));
    CHECK(strstr(dama_memory_plan_text(made), "fp32 values"));
    dama_memory_plan_free(made);

    /* Each token more of both responses lengthens a pair by two. */
    options.response_tokens = 8;
    CHECK(dama_train_plan(&made, text, NULL, 0, &options) == DAMA_OK);
    CHECK(strstr(dama_memory_plan_json(made), "\"device\":\"cpu\""));
    const char *found = strstr(dama_memory_plan_json(made), "\"tokens_of_pair\":");
    const long shorter = found ? strtol(found + 17, NULL, 10) : 0;
    dama_memory_plan_free(made);
    options.response_tokens = 28;
    CHECK(dama_train_plan(&made, text, NULL, 0, &options) == DAMA_OK);
    found = strstr(dama_memory_plan_json(made), "\"tokens_of_pair\":");
    CHECK(found && shorter > 0 && strtol(found + 17, NULL, 10) == shorter + 40);
    dama_memory_plan_free(made);

    dama_memory_plan_free(NULL);
    CHECK(!dama_memory_plan_text(NULL) && !dama_memory_plan_json(NULL));
    CHECK_FAILS(dama_train_plan(NULL, text, NULL, 0, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_train_plan(&made, NULL, NULL, 0, NULL), DAMA_INVALID_ARGUMENT, "text is NULL");
    CHECK_FAILS(dama_train_plan(&made, text, NULL, 1, NULL), DAMA_INVALID_ARGUMENT, "overrides is NULL");
    CHECK_FAILS(dama_train_plan(&made, "model: /nowhere\ndata: d\nout: o\n", NULL, 0, NULL), DAMA_IO, "/nowhere");
    options.label = "run.yaml";
    CHECK_FAILS(dama_train_plan(&made, "a: [", NULL, 0, &options), DAMA_INVALID_ARGUMENT, "run.yaml, line 2");
    options.response_tokens = 0;
    CHECK_FAILS(dama_train_plan(&made, text, NULL, 0, &options), DAMA_INVALID_ARGUMENT, "response tokens is 0");
    options.reserved = 1;
    CHECK_FAILS(dama_train_plan(&made, text, NULL, 0, &options), DAMA_UNSUPPORTED, "reserved");
}

int main(void) {
    const char *fixtures = getenv("DAMA_LLAVA_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "set DAMA_LLAVA_FIXTURES, as Tests/ABI/run does\n");
        return 1;
    }
    char folder[] = "/tmp/dama-abi-XXXXXX", data[64], output[64], other[64], command[256], model[4096];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s/pairs.jsonl", folder);
    snprintf(output, sizeof output, "%s/trained", folder);
    snprintf(other, sizeof other, "out=%s/other", folder);
    snprintf(model, sizeof model, "%s/default", fixtures);
    FILE *file = fopen(data, "w");
    if (!file) return 1;
    for (int i = 0; i < 4; i++)
        fprintf(file, "{\"idx\": %d, \"image\": \"image.png\", \"question\": \"What is it?\", \"chosen\": \"A red circle %d.\", "
                "\"rejected\": \"Two dogs.\"}\n", i, i);
    fputs("{\"idx\": 4, \"image\": \"none.png\", \"question\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n", file);
    fclose(file);
    dama_policy *policy = NULL;
    CHECK(dama_policy_create(&policy, model, NULL) == DAMA_OK);

    dama_trainer_options trainer;
    dama_trainer_options_init(&trainer);
    trainer.trainable = DAMA_TRAINABLE_PROJECTOR;
    trainer.learning_rate = 1e-3;
    trainer.seed = 5;
    trainer.threads = 1;
    dama_adaptive_beta_options method;
    dama_adaptive_beta_options_init(&method, DAMA_PRESET_MDPO);
    method.keep = 2;
    method.seed = 5;
    dama_train_dataset_options options;
    dama_train_dataset_options_init(NULL);
    dama_train_dataset_options_init(&options);
    CHECK(options.shuffle == 1 && options.drop_last == 1 && isnan(options.mean_delta) && isnan(options.min_delta));
    CHECK(options.batch_size == 16 && options.epochs == 4 && options.tensorboard == 1 && options.max_steps == 0);
    CHECK(options.checkpoint_every == 100 && options.checkpoints_kept == 2 && options.max_rejected == -1);
    CHECK(options.image_limit == 64 << 20 && options.no_export == 0);
    options.data = data;
    options.image_root = fixtures;
    options.output = output;
    options.batch_size = 2;
    options.epochs = 2;
    options.tensorboard = 0;
    options.trainer = &trainer;
    options.method = &method;
    bad_options(policy, &options);
    bad_yaml();
    plan(fixtures);

    /* Stopped by the callback after a batch, then by a cancellation after another batch, then finished. */
    dama_status wanted = DAMA_IO;
    options.progress = stop;
    options.user = &wanted;
    CHECK_FAILS(dama_train_dataset(policy, &options, NULL, NULL), DAMA_IO, "callback");
    dama_cancellation *cancellation = NULL;
    CHECK(dama_cancellation_create(&cancellation) == DAMA_OK);
    options.progress = cancel;
    options.user = cancellation;
    CHECK_FAILS(dama_train_dataset(policy, &options, NULL, cancellation), DAMA_CANCELLED, "");
    CHECK_FAILS(dama_train_yaml("model: m", NULL, 0, NULL, NULL, cancellation), DAMA_CANCELLED, "");
    dama_cancellation_free(cancellation);
    int user = 7;
    options.progress = hear;
    options.user = &user;
    dama_train_dataset_result result;
    dama_train_dataset_result_init(NULL);
    dama_train_dataset_result_init(&result);
    CHECK(dama_train_dataset(policy, &options, &result, NULL) == DAMA_OK);
    CHECK(!result.was_complete && result.batches == 4 && result.steps == 4 && result.skipped == 0);
    CHECK(result.pairs == 4 && result.rows_rejected == 1);
    CHECK(references >= 1 && batches >= 1 && batches <= 3 && notices >= 1);
    CHECK(dama_train_dataset(policy, &options, &result, NULL) == DAMA_OK && result.was_complete);
    trainer.learning_rate = 2e-3;
    CHECK_FAILS(dama_train_dataset(policy, &options, NULL, NULL), DAMA_INVALID_ARGUMENT,
                "optimizer.learning_rate 0.001 instead of 0.002");

    /* The same job from YAML is already finished; in another folder it ends with the same weights. */
    char yaml[8192];
    snprintf(yaml, sizeof yaml,
             "model: %s\ndata: %s\nimage_root: %s\nout: %s\nbatch_size: 2\nepochs: 9\ntensorboard: false\nseed: 5\n"
             "trainable: projector\nthreads: 1\noptimizer: {learning_rate: 1e-3}\nmethod: {preset: mdpo, keep: 2}\n",
             model, data, fixtures, output);
    const char *overrides[] = {"epochs=2", other};
    /* The limit of the policy above is the number of the model's positions. */
    strcat(yaml, "max_length: null\n");
    dama_train_yaml_options yaml_options;
    dama_train_yaml_options_init(&yaml_options);
    yaml_options.progress = hear;
    yaml_options.user = &user;
    batches = 0;
    CHECK(dama_train_yaml(yaml, overrides, 2, &yaml_options, &result, NULL) == DAMA_OK);
    CHECK(!result.was_complete && result.steps == 4 && batches == 4);
    snprintf(command, sizeof command, "cmp %s/trained/model/model.safetensors %s/other/model/model.safetensors", folder, folder);
    CHECK(system(command) == 0);

    /* The options' runtime counts only if the configuration names none; a process has one runtime. */
    yaml_options.onnxruntime = "/nowhere/x.so";
    CHECK_FAILS(dama_train_yaml(yaml, overrides, 2, &yaml_options, NULL, NULL), DAMA_UNSUPPORTED, "/nowhere/x.so");
    const char *runtime = getenv("DAMA_ONNXRUNTIME");
    char named[4200];
    snprintf(named, sizeof named, "onnxruntime=%s", runtime ? runtime : "");
    const char *with_runtime[] = {"epochs=2", other, named};
    CHECK(dama_train_yaml(yaml, with_runtime, 3, &yaml_options, &result, NULL) == DAMA_OK && result.was_complete);

    dama_policy_free(policy);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_failures != 0;
}
