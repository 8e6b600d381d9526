// Text from a LLaVA model, printed while it is generated, from C++.
//
//     c++ -std=c++17 generate.cpp $(pkg-config --cflags --libs dama) -o generate
//     ./generate MODEL_DIR IMAGE [PROMPT]
//
// example arguments: models/shapes-llava examples/data/shapes/images/00000.jpg
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 3 && count != 4) {
        std::fprintf(stderr, "usage: %s MODEL_DIR IMAGE [PROMPT]\n", arguments[0]);
        return 2;
    }
    try {
        const dama::Policy policy(arguments[1]);
        dama_image image{};
        image.path = arguments[2];
        auto options = dama::Policy::generation_options();
        options.max_tokens = 64;
        const char *stop[] = {"\n\n"};
        options.stop = stop;
        options.stop_count = 1;
        const auto found =
            policy.generate(count == 4 ? arguments[3] : "What is in this image?", &image, options, [](const char *text) {
                std::fputs(text, stdout);
                std::fflush(stdout);
                return true;
            });
        std::printf("\n(%zu tokens, ended by %s)\n", found.tokens.size(),
                    found.finish == DAMA_FINISH_END    ? "the model"
                    : found.finish == DAMA_FINISH_STOP ? "a stop string"
                                                       : "length");
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
