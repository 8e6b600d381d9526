// A program outside the tree, in C++: what it includes and links comes from find_package(dama) alone.
#include <dama.hpp>

#include <cstdio>

int main() {
    const double delta = dama::hardness({20, 25}, {21});
    bool thrown = false;
    try {
        dama::hardness({}, {21});
    } catch (const dama::Error &error) {
        thrown = error.status() == DAMA_INVALID_ARGUMENT && error.what()[0] != 0;
    }
    std::printf("%s %.3f\n", dama::version().c_str(), delta);
    return !(thrown && delta > 0.9 && delta < 1);
}
