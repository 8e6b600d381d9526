#include <dama.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

/* The small CLIP of Tests/DamaModelsTests/Fixtures/make_clip.py; the run script names the folder. */
static char model[4096], jpeg[4096];

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    unsigned char *bytes = (unsigned char *)malloc(1 << 20);
    *size = bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    fclose(file);
    return bytes;
}

static void test_options(void) {
    dama_scorer_options options;
    dama_scorer_options_init(NULL);
    dama_scorer_options_init(&options);
    CHECK(options.struct_size == sizeof options && options.threads == 0 && options.provider == NULL);

    dama_scorer *scorer = (dama_scorer *)&options;
    CHECK_FAILS(dama_scorer_create(NULL, model, NULL), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_scorer_create(&scorer, NULL, NULL), DAMA_INVALID_ARGUMENT, "model_dir is NULL");
    CHECK_FAILS(dama_scorer_create(&scorer, "/nowhere", NULL), DAMA_IO, "/nowhere is not a directory");
    CHECK_FAILS(dama_scorer_create(&scorer, "/", NULL), DAMA_IO, "config.json");
    options.struct_size = 3;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "struct_size 3");
    dama_scorer_options_init(&options);
    options.threads = 5000;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "threads is 5000");
    dama_scorer_options_init(&options);
    options.max_image_pixels = 0;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "pixels");
    options.max_image_pixels = UINT64_MAX;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "max_image_pixels");
    dama_scorer_options_init(&options);
    options.provider = "quantum";
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "'quantum'");
    dama_scorer_options_init(&options);
    CHECK(options.precision == NULL);
    options.precision = "half";
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "unknown precision 'half'");
    options.precision = "bfloat16";
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_UNSUPPORTED, "use float32 or float16");
    dama_scorer_options_init(&options);
    options.long_texts = (dama_long_texts)7;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "long_texts 7");
    dama_scorer_options_init(&options);
    options.logit_scale = NAN;
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_INVALID_ARGUMENT, "logit scale");
    dama_scorer_options_init(&options);
    CHECK(options.ignore_orientation == 0 && options.drop_alpha == 0);
    options.onnxruntime = "/nowhere/libonnxruntime.so";
    CHECK_FAILS(dama_scorer_create(&scorer, model, &options), DAMA_UNSUPPORTED, "/nowhere/libonnxruntime.so");
    CHECK(scorer == (dama_scorer *)&options);
    dama_scorer_free(NULL);
}

static void test_scores(dama_scorer *scorer) {
    dama_scorer_facts facts;
    dama_scorer_facts_init(NULL);
    dama_scorer_facts_init(&facts);
    CHECK(dama_scorer_describe(scorer, &facts) == DAMA_OK);
    CHECK(facts.dimension == 16 && facts.max_tokens == 77 && fabsf(facts.logit_scale - 100) < 1e-3f);

    const char *const sentences[] = {"A dog.", "There is a red circle at the top.", "A dog."};
    dama_image image = {NULL, NULL, 0, NULL, 0, 0};
    float scores[3], from_bytes[3], from_rgb[3], texts[3 * 16], pixels[2 * 16];
    image.path = jpeg;
    CHECK(dama_scorer_score(scorer, &image, sentences, 3, scores, NULL) == DAMA_OK);
    /* Values from expected.json. */
    CHECK(fabsf(scores[0] - 12.2788f) < 2e-3f && fabsf(scores[1] + 13.7756f) < 2e-3f && scores[0] == scores[2]);
    CHECK(dama_scorer_score(scorer, &image, NULL, 0, NULL, NULL) == DAMA_OK);

    dama_image encoded = {NULL, NULL, 0, NULL, 0, 0};
    encoded.bytes = (const uint8_t *)read_file(jpeg, &encoded.size);
    CHECK(dama_scorer_score(scorer, &encoded, sentences, 3, from_bytes, NULL) == DAMA_OK);
    CHECK(memcmp(scores, from_bytes, sizeof scores) == 0);

    CHECK(dama_scorer_embed_texts(scorer, sentences, 3, texts, 3 * 16, NULL) == DAMA_OK);
    dama_image both[2];
    both[0] = image;
    both[1] = encoded;
    CHECK(dama_scorer_embed_images(scorer, both, 2, pixels, 2 * 16, NULL) == DAMA_OK);
    float cosine = 0;
    for (int i = 0; i < 16; i++) {
        cosine += texts[i] * pixels[16 + i];
    }
    CHECK(fabsf(facts.logit_scale * cosine - scores[0]) < 1e-3f);

    uint8_t grey[32 * 32 * 3];
    memset(grey, 127, sizeof grey);
    dama_image raw = {NULL, NULL, 0, NULL, 0, 0};
    raw.rgb = grey;
    raw.height = raw.width = 32;
    CHECK(dama_scorer_score(scorer, &raw, sentences, 3, from_rgb, NULL) == DAMA_OK);

    /* Invalid arguments. */
    CHECK_FAILS(dama_scorer_describe(NULL, &facts), DAMA_INVALID_ARGUMENT, "scorer is NULL");
    CHECK_FAILS(dama_scorer_describe(scorer, NULL), DAMA_INVALID_ARGUMENT, "facts is NULL");
    CHECK_FAILS(dama_scorer_score(NULL, &image, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "scorer is NULL");
    CHECK_FAILS(dama_scorer_score(scorer, NULL, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "image is NULL");
    CHECK_FAILS(dama_scorer_score(scorer, &image, NULL, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "sentences is NULL");
    CHECK_FAILS(dama_scorer_score(scorer, &image, sentences, 3, NULL, NULL), DAMA_INVALID_ARGUMENT, "scores is NULL");
    const char *const holes[] = {"a", NULL};
    CHECK_FAILS(dama_scorer_score(scorer, &image, holes, 2, scores, NULL), DAMA_INVALID_ARGUMENT, "sentences[1] is NULL");
    char words[400] = "";
    for (int i = 0; i < 90; i++) {
        strcat(words, "7 ");
    }
    const char *const longs[] = {words};
    CHECK_FAILS(dama_scorer_score(scorer, &image, longs, 1, scores, NULL), DAMA_INVALID_ARGUMENT, "92 tokens");
    CHECK_FAILS(dama_scorer_embed_texts(scorer, sentences, 3, texts, 47, NULL), DAMA_SHAPE_MISMATCH, "room for 47");
    CHECK_FAILS(dama_scorer_embed_images(scorer, both, 2, pixels, 31, NULL), DAMA_SHAPE_MISMATCH, "room for 31");
    dama_image wrong = {NULL, NULL, 0, NULL, 0, 0};
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "exactly one");
    wrong = encoded;
    wrong.path = jpeg;
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "exactly one");
    wrong = encoded;
    wrong.size = 500;
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_MODEL, "JPEG");
    wrong = image;
    wrong.path = "/nowhere.jpg";
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_IO, "/nowhere.jpg");
    /* Opening a pipe would block; it must be an error. */
    wrong.path = "/dev/zero";
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_IO, "/dev/zero is not a regular file");
    wrong = raw;
    wrong.height = 0;
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "0 × 32");
    wrong.height = (size_t)-1;
    CHECK_FAILS(dama_scorer_score(scorer, &wrong, sentences, 3, scores, NULL), DAMA_INVALID_ARGUMENT, "each side");
    free((void *)encoded.bytes);
}

int main(void) {
    const char *fixtures = getenv("DAMA_CLIP_FIXTURES");
    if (!fixtures) {
        fprintf(stderr, "DAMA_CLIP_FIXTURES is not set\n");
        return 1;
    }
    snprintf(model, sizeof model, "%s/legacy", fixtures);
    snprintf(jpeg, sizeof jpeg, "%s/wide.jpg", fixtures);
    test_options();
    dama_scorer *scorer = NULL;
    CHECK(dama_scorer_create(&scorer, model, NULL) == DAMA_OK);
    if (scorer) {
        test_scores(scorer);
    }
    dama_scorer_free(scorer);
    return check_failures != 0;
}
