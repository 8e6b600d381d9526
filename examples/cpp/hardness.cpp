// The hardness of a preference pair, from C++: δ from CLIP scores of the sub-sentences, then α_D of several pairs.
//
//     c++ -std=c++17 hardness.cpp $(pkg-config --cflags --libs dama) -o hardness
//     ./hardness MODEL_DIR IMAGE
//
// example arguments: models/shapes-clip examples/data/shapes/images/00000.jpg
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s MODEL_DIR IMAGE\n", arguments[0]);
        return 2;
    }
    const std::string chosen = "A yellow ring is below a black star. There is a large green square at the centre.";
    const std::vector<std::string> rejected = {
        "A yellow ring is below a black star. There is a large purple square at the centre.",
        "A blue star is above a red ring. There is a large purple square at the centre.",
    };
    try {
        const dama::Scorer scorer(arguments[1]);
        dama_image image{};
        image.path = arguments[2];
        std::vector<double> deltas;
        for (const auto &answer : rejected) {
            const auto found = scorer.hardness(image, chosen, answer);
            for (const auto &it : found.chosen) std::printf("+ %8.3f  %s\n", it.score, it.text.c_str());
            for (const auto &it : found.rejected) std::printf("- %8.3f  %s\n", it.score, it.text.c_str());
            std::printf("delta %.4f\n\n", found.delta);
            deltas.push_back(found.delta);
        }
        for (const double alpha : dama::alpha_data(deltas)) std::printf("alpha_D %.4f\n", alpha);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
