#include <dama.h>
#include <time.h>

#include "check.h"

/* Two merges, a special token, and a template that puts it in front. */
static const char json[] =
    "{\"added_tokens\":[{\"id\":6,\"content\":\"<s>\",\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"decoder\":{\"type\":\"Fuse\"},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[6]}}},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"abc\":4,\"?\":5},"
    "\"merges\":[\"a b\",\"ab c\"]}}";

static dama_tokenizer *make(const char *path, const char *contents) {
    dama_tokenizer *tokenizer = NULL;
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(contents, file) >= 0 && fclose(file) == 0);
    CHECK(dama_tokenizer_create(&tokenizer, path) == DAMA_OK);
    return tokenizer;
}

static void encode(const dama_tokenizer *tokenizer) {
    int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
    size_t count = 99;
    CHECK(dama_tokenizer_encode(tokenizer, "abc abx", 7, 1, NULL, 0, &count) == DAMA_OK && count == 4);
    CHECK(dama_tokenizer_encode(tokenizer, "abc abx", 7, 1, ids, 8, &count) == DAMA_OK && count == 4);
    CHECK(ids[0] == 6 && ids[1] == 4 && ids[2] == 3 && ids[3] == 5 && ids[4] == -7);
    CHECK(dama_tokenizer_encode(tokenizer, "c<s>a", 5, 0, ids, 8, &count) == DAMA_OK && count == 3);
    CHECK(ids[0] == 2 && ids[1] == 6 && ids[2] == 0);
    CHECK(dama_tokenizer_encode(tokenizer, NULL, 0, 0, NULL, 0, &count) == DAMA_OK && count == 0);
    /* A NUL byte and broken UTF-8 are ordinary characters: unknown tokens. */
    CHECK(dama_tokenizer_encode(tokenizer, "a\0\xff", 3, 0, ids, 8, &count) == DAMA_OK && count == 3);
    CHECK(ids[0] == 0 && ids[1] == 5 && ids[2] == 5);

    count = 99;
    ids[0] = -7;
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, "abc abx", 7, 1, ids, 3, &count), DAMA_SHAPE_MISMATCH, "there are 4");
    CHECK_FAILS(dama_tokenizer_encode(NULL, "a", 1, 1, ids, 8, &count), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, NULL, 1, 1, ids, 8, &count), DAMA_INVALID_ARGUMENT, "text is NULL");
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, "a", 1, 1, NULL, 8, &count), DAMA_INVALID_ARGUMENT, "ids is NULL");
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, "a", 1, 1, ids, 8, NULL), DAMA_INVALID_ARGUMENT, "count is NULL");
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, "a", (size_t)-1, 1, ids, 8, &count), DAMA_INVALID_ARGUMENT, "size");
    CHECK_FAILS(dama_tokenizer_encode(tokenizer, "a", 1, 1, ids, (size_t)-1, &count), DAMA_INVALID_ARGUMENT, "size");
    CHECK(count == 99 && ids[0] == -7);
}

static void decode(const dama_tokenizer *tokenizer) {
    const int32_t ids[] = {6, 4, 2, 77, -1};
    char text[16] = "untouched";
    size_t size = 99;
    CHECK(dama_tokenizer_decode(tokenizer, ids, 5, 1, NULL, 0, &size) == DAMA_OK && size == 4);
    CHECK(dama_tokenizer_decode(tokenizer, ids, 5, 1, text, 5, &size) == DAMA_OK && strcmp(text, "abcc") == 0);
    CHECK(dama_tokenizer_decode(tokenizer, ids, 5, 0, text, 16, &size) == DAMA_OK && strcmp(text, "<s>abcc") == 0);
    CHECK(dama_tokenizer_decode(tokenizer, NULL, 0, 0, text, 16, &size) == DAMA_OK && size == 0 && text[0] == 0);

    size = 99;
    strcpy(text, "untouched");
    CHECK_FAILS(dama_tokenizer_decode(tokenizer, ids, 5, 1, text, 4, &size), DAMA_SHAPE_MISMATCH, "there are 5");
    CHECK_FAILS(dama_tokenizer_decode(NULL, ids, 5, 1, text, 16, &size), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
    CHECK_FAILS(dama_tokenizer_decode(tokenizer, NULL, 5, 1, text, 16, &size), DAMA_INVALID_ARGUMENT, "ids is NULL");
    CHECK_FAILS(dama_tokenizer_decode(tokenizer, ids, 5, 1, NULL, 16, &size), DAMA_INVALID_ARGUMENT, "text is NULL");
    CHECK_FAILS(dama_tokenizer_decode(tokenizer, ids, 5, 1, text, 16, NULL), DAMA_INVALID_ARGUMENT, "size is NULL");
    CHECK_FAILS(dama_tokenizer_decode(tokenizer, ids, (size_t)-1, 1, text, 16, &size), DAMA_INVALID_ARGUMENT, "size");
    CHECK(size == 99 && strcmp(text, "untouched") == 0);
}

static void vocabulary(const dama_tokenizer *tokenizer) {
    dama_tokenizer_facts facts;
    int32_t id = 99;
    char token[8];
    size_t size = 99;
    dama_tokenizer_facts_init(NULL);
    dama_tokenizer_facts_init(&facts);
    CHECK(dama_tokenizer_describe(tokenizer, &facts) == DAMA_OK);
    CHECK(facts.struct_size == sizeof facts && facts.vocabulary_size == 7 && facts.id_end == 7);
    CHECK(facts.bos_id == -1 && facts.eos_id == -1 && facts.pad_id == -1 && facts.unk_id == 5);
    CHECK_FAILS(dama_tokenizer_describe(NULL, &facts), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
    CHECK_FAILS(dama_tokenizer_describe(tokenizer, NULL), DAMA_INVALID_ARGUMENT, "facts is NULL");
    facts.struct_size = 3;
    CHECK_FAILS(dama_tokenizer_describe(tokenizer, &facts), DAMA_INVALID_ARGUMENT, "struct_size 3");

    CHECK(dama_tokenizer_find(tokenizer, "abc", &id) == DAMA_OK && id == 4);
    CHECK(dama_tokenizer_find(tokenizer, "<s>", &id) == DAMA_OK && id == 6);
    CHECK(dama_tokenizer_find(tokenizer, "none", &id) == DAMA_OK && id == -1);
    CHECK_FAILS(dama_tokenizer_find(NULL, "abc", &id), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
    CHECK_FAILS(dama_tokenizer_find(tokenizer, NULL, &id), DAMA_INVALID_ARGUMENT, "token is NULL");
    CHECK_FAILS(dama_tokenizer_find(tokenizer, "abc", NULL), DAMA_INVALID_ARGUMENT, "id is NULL");

    CHECK(dama_tokenizer_spell(tokenizer, 4, token, sizeof token, &size) == DAMA_OK);
    CHECK(size == 3 && strcmp(token, "abc") == 0);
    CHECK_FAILS(dama_tokenizer_spell(tokenizer, 7, token, sizeof token, &size), DAMA_INVALID_ARGUMENT, "id 7");
    CHECK_FAILS(dama_tokenizer_spell(tokenizer, -1, token, sizeof token, &size), DAMA_INVALID_ARGUMENT, "id -1");
    CHECK_FAILS(dama_tokenizer_spell(tokenizer, 4, token, 3, &size), DAMA_SHAPE_MISMATCH, "there are 4");
    CHECK_FAILS(dama_tokenizer_spell(NULL, 4, token, 8, &size), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
    CHECK_FAILS(dama_tokenizer_spell(tokenizer, 4, token, 8, NULL), DAMA_INVALID_ARGUMENT, "size is NULL");
}

static void split(const dama_tokenizer *tokenizer) {
    dama_strings *strings = NULL;
    dama_split_options options;
    CHECK(dama_split(&strings, "Dr. A sees a dog. It barks!", NULL) == DAMA_OK);
    CHECK(dama_strings_count(strings) == 2);
    CHECK(strcmp(dama_strings_at(strings, 0), "Dr. A sees a dog.") == 0);
    CHECK(strcmp(dama_strings_at(strings, 1), "It barks!") == 0);
    CHECK(dama_strings_at(strings, 2) == NULL && dama_strings_at(strings, (size_t)-1) == NULL);
    dama_strings_free(strings);

    CHECK(dama_split(&strings, " ", NULL) == DAMA_OK && dama_strings_count(strings) == 0);
    CHECK(dama_strings_at(strings, 0) == NULL);
    dama_strings_free(strings);

    /* "abc abc abc" is <s> and three tokens. */
    dama_split_options_init(NULL);
    dama_split_options_init(&options);
    options.token_limit = 3;
    options.tokenizer = tokenizer;
    CHECK(dama_split(&strings, "abc abc abc", &options) == DAMA_OK && dama_strings_count(strings) == 2);
    CHECK(strcmp(dama_strings_at(strings, 0), "abc abc") == 0 && strcmp(dama_strings_at(strings, 1), "abc") == 0);
    dama_strings_free(strings);

    strings = NULL;
    CHECK_FAILS(dama_split(NULL, "a", &options), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_split(&strings, NULL, &options), DAMA_INVALID_ARGUMENT, "text is NULL");
    options.token_limit = 1;
    CHECK_FAILS(dama_split(&strings, "a", &options), DAMA_INVALID_ARGUMENT, "too low");
    options.tokenizer = NULL;
    CHECK_FAILS(dama_split(&strings, "a", &options), DAMA_INVALID_ARGUMENT, "options.tokenizer is NULL");
    options.struct_size = 0;
    CHECK_FAILS(dama_split(&strings, "a", &options), DAMA_INVALID_ARGUMENT, "struct_size 0");
    CHECK(strings == NULL);
    CHECK(dama_strings_count(NULL) == 0 && dama_strings_at(NULL, 0) == NULL);
    dama_strings_free(NULL);
}

static void broken(const char *path) {
    static const char *const files[][2] = {
        {"[]", "expected an object"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", "model.type: \"WordPiece\" is not supported"},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "model.merges[0]: \"b\" is not in model.vocab"},
        {"{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "share id 0"},
        {"{\"model\":{\"vocab\":{\"a\":1e99},\"merges\":[]}}", "whole number"},
    };
    dama_tokenizer *tokenizer = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *file = fopen(path, "w");
        CHECK(file != NULL && fputs(files[i][0], file) >= 0 && fclose(file) == 0);
        dama_status status = dama_tokenizer_create(&tokenizer, path);
        CHECK(status == (i == 1 ? DAMA_UNSUPPORTED : DAMA_MODEL));
        CHECK(strstr(dama_error_message(), files[i][1]) != NULL);
        CHECK(strstr(dama_error_message(), path) != NULL);
    }
    CHECK_FAILS(dama_tokenizer_create(&tokenizer, "/nowhere/at/all"), DAMA_IO, "/nowhere/at/all");
    CHECK_FAILS(dama_tokenizer_create(&tokenizer, "/"), DAMA_IO, "neither tokenizer.json");
    CHECK_FAILS(dama_tokenizer_create(NULL, path), DAMA_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(dama_tokenizer_create(&tokenizer, NULL), DAMA_INVALID_ARGUMENT, "path is NULL");
    CHECK(tokenizer == NULL);
    dama_tokenizer_free(NULL);
}

int main(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/dama-text-%lx-%p.json", (unsigned long)time(NULL), (void *)path);
    dama_tokenizer *tokenizer = make(path, json);
    encode(tokenizer);
    decode(tokenizer);
    vocabulary(tokenizer);
    split(tokenizer);
    dama_tokenizer_free(tokenizer);
    broken(path);
    remove(path);
    return check_failures != 0;
}
