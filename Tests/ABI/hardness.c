#include <dama.h>
#include <math.h>

#include "check.h"

int main(void) {
    const float chosen[] = {1.0f, 2.0f}, rejected[] = {0.5f}, bad[] = {NAN};
    double delta = 7;
    CHECK(dama_hardness(chosen, 2, rejected, 1, &delta) == DAMA_OK);
    double a = exp(1.0) + exp(2.0), b = exp(0.5);
    CHECK(fabs(delta - (a - b) / (a + b)) < 1e-14);

    delta = 7;
    CHECK_FAILS(dama_hardness(NULL, 2, rejected, 1, &delta), DAMA_INVALID_ARGUMENT, "chosen_scores is NULL");
    CHECK_FAILS(dama_hardness(chosen, 2, NULL, 1, &delta), DAMA_INVALID_ARGUMENT, "rejected_scores is NULL");
    CHECK_FAILS(dama_hardness(chosen, 2, rejected, 1, NULL), DAMA_INVALID_ARGUMENT, "delta is NULL");
    CHECK_FAILS(dama_hardness(chosen, 0, rejected, 1, &delta), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_FAILS(dama_hardness(chosen, 2, bad, 1, &delta), DAMA_INVALID_ARGUMENT, "finite");
    CHECK_FAILS(dama_hardness(chosen, (size_t)-1, rejected, 1, &delta), DAMA_INVALID_ARGUMENT, "size");
    CHECK_FAILS(dama_hardness(chosen, (size_t)-1 / 8, rejected, 1, &delta), DAMA_INVALID_ARGUMENT, "size");
    CHECK(delta == 7);
    return check_failures != 0;
}
