/* A C program outside the tree: all its compiler and linker flags come from pkg-config. */
#include <dama.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    const float chosen[] = {20, 25}, rejected[] = {21};
    double delta = 0;
    if (dama_hardness(chosen, 2, rejected, 1, &delta) != DAMA_OK) return 1;
    printf("%s %.3f\n", dama_version_string(), delta);
    return !(delta > 0.9 && delta < 1);
}
