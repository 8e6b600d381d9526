/*
 * Log-probabilities of a preference pair, which a DPO step compares, from C.
 *
 *     cc -std=c99 policy_logps.c $(pkg-config --cflags --libs dama) -lm -o policy_logps
 *     ./policy_logps MODEL_DIR IMAGE [PROMPT CHOSEN REJECTED]
 *
 * example arguments: models/shapes-llava examples/data/shapes/images/00000.jpg
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
    if (count != 3 && count != 6) {
        fprintf(stderr, "usage: %s MODEL_DIR IMAGE [PROMPT CHOSEN REJECTED]\n", arguments[0]);
        return 2;
    }
    dama_image image = {NULL, NULL, 0, NULL, 0, 0};
    image.path = arguments[2];
    dama_preference_pair pair = {&image, "What is in this image?", "The black circle at the top left is small.",
                                 "The red star at the centre is large."};
    if (count == 6) {
        pair.prompt = arguments[3];
        pair.chosen = arguments[4];
        pair.rejected = arguments[5];
    }

    dama_policy_options options;
    dama_policy_options_init(&options);
    options.overlong = DAMA_OVERLONG_CUT;
    dama_policy *policy = NULL;
    check(dama_policy_create(&policy, arguments[1], &options));
    dama_logps *logps = NULL;
    check(dama_policy_logps(&logps, policy, &pair, 1, NULL));

    for (int response = DAMA_CHOSEN; response <= DAMA_REJECTED; response++) {
        dama_response_logp logp;
        check(dama_logps_at(logps, 0, (dama_response)response, &logp));
        printf("%s: %10.4f over %zu tokens, %8.4f each%s\n", response == DAMA_CHOSEN ? "chosen  " : "rejected",
               logp.sum, logp.count, logp.mean, logp.was_cut ? " (cut)" : "");
        float *tokens = (float *)malloc(logp.count * sizeof *tokens);
        size_t written = 0;
        if (!tokens) {
            return 1;
        }
        check(dama_logps_tokens(logps, 0, (dama_response)response, tokens, logp.count, &written));
        for (size_t i = 0; i < written; i++) {
            printf(" %.3f", tokens[i]);
        }
        printf("\n");
        free(tokens);
    }
    dama_logps_free(logps);
    dama_policy_free(policy);
    return 0;
}
