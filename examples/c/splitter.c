/*
 * Sub-sentences from a program, or from a server with an OpenAI-compatible address, from C.
 *
 *     cc -std=c99 splitter.c $(pkg-config --cflags --libs dama) -o splitter
 *     ./splitter COMMAND                                          reads a response, writes a sub-sentence on each line
 *     ./splitter http://127.0.0.1:8000/v1/chat/completions MODEL  with the key, if needed, in $DAMA_SPLITTER_KEY
 *
 * example arguments: cat
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

int main(int count, char **arguments) {
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: %s COMMAND, or %s URL MODEL\n", arguments[0], arguments[0]);
        return 2;
    }
    dama_splitter_options options;
    dama_splitter_options_init(&options);
    options.timeout = 30;
    options.api_key = getenv("DAMA_SPLITTER_KEY");
    dama_splitter *splitter = NULL;
    if (count == 2) {
        check(dama_splitter_create_command(&splitter, arguments[1], &options));
    } else {
        check(dama_splitter_create_endpoint(&splitter, arguments[1], arguments[2], &options));
    }

    /* If an answer is not a valid split, the built-in rules split the response, and a flag says so. */
    dama_strings *parts = NULL, *flags = NULL;
    check(dama_splitter_split(&parts, &flags, splitter, "Two dogs run on a beach. A man rides a horse.", NULL, NULL));
    for (size_t i = 0; i < dama_strings_count(parts); i++) {
        printf("%s\n", dama_strings_at(parts, i));
    }
    for (size_t i = 0; i < dama_strings_count(flags); i++) {
        printf("flag: %s\n", dama_strings_at(flags, i));
    }
    dama_strings_free(parts);
    dama_strings_free(flags);
    dama_splitter_free(splitter);
    return 0;
}
