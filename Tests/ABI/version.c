#include <dama.h>
#include <stdio.h>

#include "check.h"

int main(void) {
    char expected[64];
    snprintf(expected, sizeof expected, "%d.%d.%d", DAMA_VERSION_MAJOR, DAMA_VERSION_MINOR, DAMA_VERSION_PATCH);
    CHECK(strcmp(dama_version_string(), expected) == 0);
    CHECK(dama_abi_version() == DAMA_ABI_VERSION);
    CHECK(dama_error_message() != NULL && dama_error_message()[0] == '\0');
    return check_failures != 0;
}
